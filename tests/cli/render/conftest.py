"""The ledgers of the reports' tests."""

from __future__ import annotations

from tests.reports.conftest import make_ledger

__all__ = ["make_ledger"]
