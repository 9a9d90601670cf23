"""Prices: price book (data, updates, the user's own prices), cost of a usage, worst case of a request.

Read `values.py` first. Everything but `book.py`, `snapshot.py`, `updating.py` and `download.py` is pure. `tables/`
makes a book of published tables; `taking.py` says what of it counts before somebody accepts it.
"""
