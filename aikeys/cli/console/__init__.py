"""The console: what was typed, what is drawn, and what must not be shown."""
