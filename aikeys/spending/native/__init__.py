"""Bounds of a request in a provider's own format (pure), for a call that is passed through as it is.

bodies        the door: a body becomes Bounds, the fields that no meter covers, and takes a cap
findings      what a reader notes while it goes through a body
one reader a protocol, each with the list of fields it meters
"""
