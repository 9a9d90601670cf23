"""`aikeys log`: the calls, newest last; one in full; or as they come."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

import typer

from aikeys import clock
from aikeys.cli import home, terminal
from aikeys.cli.help import epilog, new_app
from aikeys.errors import Usage

if TYPE_CHECKING:
    from aikeys.ledger.calls import Call
    from aikeys.ledger.listing import Recorded
    from aikeys.ledger.store import Ledger

app = new_app()
_EXAMPLES = (
    ("aikeys log -n 100", "the hundred newest calls"),
    ("aikeys log 4711", "one call in full, with its corrections"),
    ("aikeys log --follow", "calls as they come, until Ctrl-C"),
)
_POLL_S = 0.25
_HEADERS = ("ID", "WHEN", "MODEL", "FOR", "IN", "OUT", "USD", "KNOWN", "MS", "STATUS")
_WIDTHS = (8, 20, 28, 16, 9, 7, 12, 10, 6, 6)
_LEFT_OUT = (8, 4, 5, 3, 7)


@app.command(epilog=epilog(_EXAMPLES, (0, 2, 10, 13, 14, 130)))
def log(
    number: Annotated[int | None, typer.Argument(metavar="[ID]", min=1, help="One call, in full.")] = None,
    newest: Annotated[int, typer.Option("-n", "--newest", min=1, help="How many calls.")] = 20,
    follow: Annotated[bool, typer.Option("--follow", help="Go on with calls as they come.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON; with --follow one call a line.")] = False,
) -> None:
    """Show calls: who they were for, what they used and cost, and how the cost is known. The newest comes last.

    What was asked and answered is not recorded.
    """
    from aikeys.cli.render.json_text import document
    from aikeys.ledger import listing

    if number is not None and follow:
        raise Usage("ID and --follow exclude each other", "aikeys log --follow")
    ledger = home.present_ledger()
    if number is not None:
        _show(ledger, number, as_json=as_json)
        return
    with ledger.reading() as connection:
        found = listing.newest_calls(connection, ledger, newest)
    if follow:
        _follow(ledger, found, newest, as_json=as_json)
    elif as_json:
        terminal.out(document("aikeys.log/1", calls=[_fields(ledger, one) for one in found]))
    elif not found:
        terminal.say("no calls yet")
    else:
        from aikeys.cli.render.table import table

        columns = _columns()
        rows = [[cells[each] for each in columns] for cells in map(_cells, found)]
        terminal.out_styled(table([_HEADERS[each] for each in columns], rows))


def _show(ledger: Ledger, number: int, *, as_json: bool) -> None:
    from aikeys.cli.render.json_text import document
    from aikeys.ledger import listing

    with ledger.reading() as connection:
        found = listing.call_at(connection, ledger, number)
        if found is None:
            raise listing.no_call(connection, ledger, number)
        corrections = listing.corrections_of(connection, ledger, number)
    fields = _fields(ledger, found)
    fields["request_sha256"] = found.call.request_digest.hex() or None
    fields["reply_sha256"] = found.call.reply_digest.hex() or None
    fields["corrected_by"] = [one.number for one in corrections]
    fields["cost_now_usd"] = _usd(found.call.cost_pusd + sum(one.call.cost_pusd for one in corrections))
    if as_json:
        terminal.out(document("aikeys.call/1", call=fields))
        return
    known = {name: value for name, value in fields.items() if value not in (None, "", {}, [])}
    width = max(map(len, known))
    terminal.out(
        "\n".join(f"{name.ljust(width)}  {terminal.printable(_plain(value))}" for name, value in known.items())
    )


def _follow(ledger: Ledger, found: list[Recorded], newest: int, *, as_json: bool) -> None:
    """Print calls and wait for more, asking twice or four times a second whether anybody wrote."""
    import json

    from aikeys.ledger import listing

    columns = _columns()
    if not as_json:
        terminal.out(_row(_HEADERS, columns))
    last = 0
    while True:
        version = ledger.version()
        for one in found:
            terminal.out(json.dumps(_fields(ledger, one)) if as_json else _row(_cells(one), columns))
            last = one.number
        terminal.out_raw(b"")  # what is buffered goes out now
        while ledger.version() == version:
            time.sleep(_POLL_S)
        with ledger.reading() as connection:
            found = listing.newest_calls(connection, ledger, max(newest, 100_000), after=last)


def _cells(one: Recorded) -> list[str]:
    call = one.call
    labels = call.context.labels
    whom = " ".join(text for text in (labels.team, labels.project, labels.user) if text)
    return [
        str(one.number),
        clock.rfc3339(call.at_us / 1e6),
        call.context.model,
        whom,
        str(call.usage.input),
        str(call.usage.output),
        _known_usd(call),
        call.cost_source if call.corrects is None else f"corrects {call.corrects}",
        "" if call.latency_ms is None else str(call.latency_ms),
        call.status,
    ]


def _columns() -> list[int]:
    """Return the columns that fit on a line: a narrow terminal shows fewer, everything else all."""
    import shutil
    import sys

    columns = list(range(len(_HEADERS)))
    width = shutil.get_terminal_size().columns if terminal.on_terminal(sys.stdout) else 1 << 20
    for column in _LEFT_OUT:
        if sum(_WIDTHS[each] + 2 for each in columns) > width:
            columns.remove(column)
    return columns


def _row(cells: list[str] | tuple[str, ...], columns: list[int]) -> str:
    return "  ".join(terminal.printable(cells[each]).ljust(_WIDTHS[each]) for each in columns).rstrip()


def _fields(ledger: Ledger, one: Recorded) -> dict[str, object]:
    from aikeys.ledger.importing import identity
    from aikeys.ledger.interchange import FIELDS, call_row

    row = call_row(one, identity(ledger, one.number, one.call), "")
    return {name: row.get(name) for name in FIELDS if name != "kind"} | {"corrects": one.call.corrects}


def _known_usd(call: Call) -> str:
    """Return the cost for a table: what has no price is at least what is priced of it, and never zero."""
    from aikeys.ledger.calls import UNPRICED

    if call.cost_source != UNPRICED or call.corrects is not None:
        return _usd(call.cost_pusd)
    return f"≥ {_usd(call.cost_pusd)}" if call.cost_pusd else "unknown"


def _usd(pusd: int) -> str:
    from aikeys.money import usd_text

    return usd_text(pusd)


def _plain(value: object) -> str:
    if isinstance(value, dict):
        return " ".join(f"{name}={each}" for name, each in value.items())
    if isinstance(value, list):
        return " ".join(map(str, value))
    return str(value)
