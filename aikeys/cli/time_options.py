"""The options that name a range of time, the same for `report`, `log`, `audit` and `ledger export`."""

from __future__ import annotations

from typing import Annotated

import typer

Month = Annotated[str | None, typer.Option("--month", metavar="YYYY-MM", help="One month; last is the month before.")]
Since = Annotated[
    str | None,
    typer.Option("--since", metavar="WHEN", help="From 30d, 12h, yesterday, a date or a time on, or last-month."),
]
Until = Annotated[str | None, typer.Option("--until", metavar="WHEN", help="Up to a time, or to the end of a date.")]
