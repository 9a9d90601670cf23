"""Alerts about budgets, spikes and keys that are due, each sent once: email, webhook, command."""
