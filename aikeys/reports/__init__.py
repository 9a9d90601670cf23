"""Questions over the ledger: rows, totals, coverage, forecast. The writers of each format live in cli/render."""
