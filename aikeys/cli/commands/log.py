"""`aikeys log`: the calls, newest last; one in full; or as they come."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from aikeys.cli import terminal
from aikeys.cli.help import epilog, new_app
from aikeys.cli.lost_calls import warn_of_lost_ledger
from aikeys.cli.time_options import Month, Since, Until
from aikeys.errors import UsageError

if TYPE_CHECKING:
    from aikeys.cli.ports.calls import CallsPort

app = new_app()
_EXAMPLES = (
    ("aikeys log -n 100", "the hundred newest calls"),
    ("aikeys log 4711", "one call in full, with its corrections; also by its request id, or the provider's"),
    ("aikeys log --since 12h -n 1000", "the calls of the last twelve hours"),
    ("aikeys log --follow", "calls as they come, until Ctrl-C"),
)
_SECONDS = len("2026-11-01T10:00:00")
_YEAR = len("2026-")
_DATE = len("2026-11-01")
_HEADERS = ("ID", "WHEN", "MODEL", "LABELS", "IN", "OUT", "USD", "HOW PRICED", "MS", "STATUS")
_WIDTHS = (8, 20, 28, 16, 9, 7, 12, 10, 6, 6)
_NARROW = (8, 15, 26, 16, 9, 7, 12, 10, 6, 6)
_BELOW = (8, 9, 4, 5, 3, 2, 1, 6, 7)
"""Columns that leave a line of --follow where it is short, in this order; times go without their year first."""
_WHEN = 1


@app.command(epilog=epilog(_EXAMPLES, (0, 2, 10, 13, 14, 20, 21, 31, 130)))
def log(
    which: Annotated[str | None, typer.Argument(metavar="[ID]", help="One call, in full.")] = None,
    newest: Annotated[int, typer.Option("-n", "--newest", metavar="N", min=1, help="How many calls.")] = 20,
    month: Month = None,
    since: Since = None,
    until: Until = None,
    follow: Annotated[bool, typer.Option("--follow", help="Go on with calls as they come.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON; with --follow one call a line.")] = False,
) -> None:
    """Show calls: who they were for, what they used and cost, and how the cost is known. The newest comes last.

    What was asked and answered is not recorded. A token whose scope is usage:own sees its own calls, by their request
    ids.
    """
    from aikeys.cli.ports.calls import calls
    from aikeys.cli.render.json_text import document
    from aikeys.ledger.ranges import RangeWords
    from aikeys.reports.records import lost_ledger

    if which is not None and follow:
        raise UsageError("ID and --follow exclude each other", "aikeys log --follow")
    words = RangeWords(month, since, until)
    if words != RangeWords() and (which is not None or follow):
        raise UsageError("ID and --follow take no range of time", "leave out --month, --since and --until")
    source = calls()
    if which is not None:
        _show(source.one(which), as_json=as_json)
        return
    found = source.newest(newest, words)
    if follow:
        _follow(source, found, as_json=as_json)
    elif as_json:
        terminal.out(document("aikeys.log/1", calls=found, **lost_ledger(source.lost_us())))
    elif not found:
        terminal.say("no calls yet" if words == RangeWords() else "no calls in that time")
    else:
        from aikeys.cli.render.table import table

        terminal.out_styled(table(_HEADERS, [_cells(one) for one in found]))
    if not as_json:
        warn_of_lost_ledger(source.lost_us())


def _show(fields: dict[str, object], *, as_json: bool) -> None:
    from aikeys.cli.render.json_text import document

    if as_json:
        terminal.out(document("aikeys.call/1", call=fields))
        return
    known = {name: value for name, value in fields.items() if value not in (None, "", {}, [])}
    unread = known.pop("unread_fields", None)
    if isinstance(unread, list):
        lines = [f"{one['field']} (of {one['provider']}, since {one['since'][:_DATE]})" for one in unread]
        known["not_read"] = "; ".join(lines)
    width = max(map(len, known))
    terminal.out(
        "\n".join(f"{name.ljust(width)}  {terminal.printable(_plain(value))}" for name, value in known.items())
    )


def _follow(source: CallsPort, found: list[dict[str, object]], *, as_json: bool) -> None:
    """Print calls and wait for more."""
    import json

    from aikeys.cli.render.grid import GAP, screen_width
    from aikeys.cli.render.live_rows import LiveRows

    width = screen_width()
    is_narrow = width is not None and width < sum(_WIDTHS) + GAP * (len(_WIDTHS) - 1)
    rows = LiveRows(_HEADERS, _NARROW if is_narrow else _WIDTHS, _BELOW, width)
    if not as_json:
        terminal.out_styled(rows.head())
    while True:
        for one in found:
            if as_json:
                terminal.out(json.dumps(one, default=str))
            else:
                cells = _cells(one)
                cells[_WHEN] = cells[_WHEN][_YEAR if is_narrow else 0 :]
                terminal.out_styled(rows.row(cells))
        terminal.out_raw(b"")  # what is buffered goes out now
        source.wait()
        found = source.more()


def _cells(call: dict[str, object]) -> list[str]:
    source = f"{call['cost_source']}" if call["corrects"] is None else f"corrects {call['corrects']}"
    return [
        str(call["number"] or call["id"] or ""),
        f"{call['at']}"[:_SECONDS] + "Z",
        _plain(call["model"] or ""),
        " ".join(str(call[name]) for name in ("team", "project", "user") if call[name]),
        str(call["input_tokens"]),
        str(call["output_tokens"]),
        _known_usd(call),
        source,
        "" if call["latency_ms"] is None else str(call["latency_ms"]),
        _plain(call["status"] or ""),
    ]


def _known_usd(call: dict[str, object]) -> str:
    """Return the cost for a table: what has no price is at least what is priced of it, and never zero."""
    from aikeys.ledger.calls import UNPRICED

    usd = f"{call['cost_usd']}"
    if call.get("doubt_usd") and call["corrects"] is None:
        return f"≈ {usd}"
    if call["cost_source"] != UNPRICED or call["corrects"] is not None:
        return usd
    return f"≥ {usd}" if usd.strip("0.") else "unknown"


def _plain(value: object) -> str:
    if isinstance(value, dict):
        return " ".join(f"{name}={each}" for name, each in value.items())
    if isinstance(value, list):
        return " ".join(map(str, value))
    return str(value)
