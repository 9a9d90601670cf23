"""Limits on spending: who and over which period, decisions (pure), reservations."""
