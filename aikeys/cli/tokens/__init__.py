"""Tokens as commands list, show and revoke them."""
