"""The append-only, hash-chained record of administrative acts, and the anchor of each vault's epoch."""
