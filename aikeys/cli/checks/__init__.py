"""Checks of `aikeys doctor`: one file a subject; each yields Check values, in the order they are shown."""
