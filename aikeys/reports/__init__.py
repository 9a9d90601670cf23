"""Questions over the ledger: rows, totals, coverage, forecast, anomalies. How they look is cli/render's."""
