"""Policy as a file: budgets, alerts, aliases and prices as one TOML text for git, and the way back."""
