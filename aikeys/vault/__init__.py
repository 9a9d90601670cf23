"""Sealed keys: the format (pure), unlock methods, the store, and the one way to change a vault."""
