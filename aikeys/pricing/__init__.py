"""What a call costs: price book (data, updates, the user's own prices), cost of a usage, worst case of a request."""
