"""Prices: price book (data, updates, the user's own prices), cost of a usage, worst case of a request.

Read `values.py` first. Everything but `book.py`, `snapshot.py` and `download.py` is pure.
"""
