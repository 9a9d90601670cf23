"""The routes of the gateway: calls, models, tokens, administration, health."""
