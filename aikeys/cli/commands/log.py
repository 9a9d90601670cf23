"""`aikeys log`: the calls, newest last; one in full; or as they come."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated, Protocol

import typer

from aikeys.cli import home, terminal
from aikeys.cli.help import epilog, new_app
from aikeys.cli.lost_calls import book_lost_calls, lost_ledger_us, warn_of_lost_ledger
from aikeys.errors import Usage

if TYPE_CHECKING:
    from aikeys.ledger.store import Ledger
    from aikeys.remote.client import Gateway

app = new_app()
_EXAMPLES = (
    ("aikeys log -n 100", "the hundred newest calls"),
    ("aikeys log 4711", "one call in full, with its corrections; also by its x-aikeys-request-id"),
    ("aikeys log --follow", "calls as they come, until Ctrl-C"),
)
_POLL_S = 0.25
_MOST_AT_ONCE = 100_000
_SECONDS = len("2026-11-01T10:00:00")
_YEAR = len("2026-")
_HEADERS = ("ID", "WHEN", "MODEL", "FOR", "IN", "OUT", "USD", "KNOWN", "MS", "STATUS")
_WIDTHS = (8, 20, 28, 16, 9, 7, 12, 10, 6, 6)
_NARROW = (8, 15, 26, 16, 9, 7, 12, 10, 6, 6)
_BELOW = (8, 9, 4, 5, 3, 2, 1, 6, 7)
"""Where a line of --follow is short, times go without their year, and these columns below, in this order."""
_WHEN = 1


@app.command(epilog=epilog(_EXAMPLES, (0, 2, 10, 13, 14, 20, 21, 31, 130)))
def log(
    which: Annotated[str | None, typer.Argument(metavar="[ID]", help="One call, in full.")] = None,
    newest: Annotated[int, typer.Option("-n", "--newest", min=1, help="How many calls.")] = 20,
    follow: Annotated[bool, typer.Option("--follow", help="Go on with calls as they come.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON; with --follow one call a line.")] = False,
) -> None:
    """Show calls: who they were for, what they used and cost, and how the cost is known. The newest comes last.

    What was asked and answered is not recorded. A token whose scope is usage:own sees its own calls, by their request
    ids.
    """
    from aikeys.cli import authority
    from aikeys.cli.render.json_text import document
    from aikeys.reports.records import lost_ledger

    if which is not None and follow:
        raise Usage("ID and --follow exclude each other", "aikeys log --follow")
    gateway = authority.gateway()
    if which is not None:
        if gateway is not None:
            raise Usage("a gateway shows no single call", "aikeys log -n 100 --json has every field of a call")
        _show(_ledger(), which, as_json=as_json)
        return
    source: Source = _Here(_ledger()) if gateway is None else _at(gateway)
    found = source.newest(newest)
    if follow:
        _follow(source, found, as_json=as_json)
    elif as_json:
        terminal.out(document("aikeys.log/1", calls=found, **lost_ledger(source.lost_us())))
    elif not found:
        terminal.say("no calls yet")
    else:
        from aikeys.cli.render.table import table

        terminal.out_styled(table(_HEADERS, [_cells(one) for one in found]))
    if not as_json:
        warn_of_lost_ledger(source.lost_us())


def _ledger() -> Ledger:
    found = home.present_ledger()
    book_lost_calls(found)
    return found


class Source(Protocol):
    """Where calls are listed: the ledger here, or a gateway."""

    def newest(self, count: int) -> list[dict[str, object]]:
        """Return the newest calls, oldest first."""
        ...

    def more(self) -> list[dict[str, object]]:
        """Return the calls that came since the last question, oldest first."""
        ...

    def wait(self) -> None:
        """Wait until there may be more."""
        ...

    def lost_us(self) -> int | None:
        """Return up to when nothing is known, because the ledger of that time was lost; None for nothing."""
        ...


class _Here:
    """The ledger, asked four times a second whether anybody wrote; a token, whether it is still good."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._version = 0
        self._last = 0

    def newest(self, count: int) -> list[dict[str, object]]:
        from aikeys.cli import authority
        from aikeys.reports.calls import CallRange, newest_calls

        self._version = self._ledger.version()
        found = newest_calls(self._ledger, CallRange(count, after=self._last), authority.sight())
        self._last = found[-1].number if found else self._last
        return [one.fields for one in found]

    def more(self) -> list[dict[str, object]]:
        return self.newest(_MOST_AT_ONCE)

    def wait(self) -> None:
        from aikeys.cli import authority

        while True:
            authority.admit_again()
            if self._ledger.version() != self._version:
                return
            time.sleep(_POLL_S)

    def lost_us(self) -> int | None:
        return lost_ledger_us(self._ledger)


def _at(gateway: Gateway) -> Source:
    from aikeys.remote.records import Calls

    return Calls(gateway)


def _show(ledger: Ledger, which: str, *, as_json: bool) -> None:
    from aikeys.cli import authority
    from aikeys.cli.render.json_text import document
    from aikeys.reports.calls import one_call

    fields = one_call(ledger, which, authority.sight())
    if as_json:
        terminal.out(document("aikeys.call/1", call=fields))
        return
    known = {name: value for name, value in fields.items() if value not in (None, "", {}, [])}
    width = max(map(len, known))
    terminal.out(
        "\n".join(f"{name.ljust(width)}  {terminal.printable(_plain(value))}" for name, value in known.items())
    )


def _follow(source: Source, found: list[dict[str, object]], *, as_json: bool) -> None:
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
    if call["cost_source"] != UNPRICED or call["corrects"] is not None:
        return usd
    return f"≥ {usd}" if usd.strip("0.") else "unknown"


def _plain(value: object) -> str:
    if isinstance(value, dict):
        return " ".join(f"{name}={each}" for name, each in value.items())
    if isinstance(value, list):
        return " ".join(map(str, value))
    return str(value)
