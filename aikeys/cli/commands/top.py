"""`aikeys top`: what is being spent now."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from aikeys import clock
from aikeys.cli import screen, terminal
from aikeys.cli.help import epilog, new_app

if TYPE_CHECKING:
    from collections.abc import Callable

    from aikeys.cli.ports.calls import CallsPort
    from aikeys.reports.recent import Recent

app = new_app()
_EXAMPLES = (
    ("aikeys top", "the last 15 minutes by team, model and token, until Ctrl-C"),
    ("aikeys top --by user,model --minutes 60", "the last hour, by who asked"),
    ("aikeys top --once --json", "one picture, for a script"),
)
_REFRESH_S = 2.0
_MINUTE_US = 60_000_000
_MOST_CALLS = 10_000
_FIGURES = ("REQUESTS", "FAILED", "PER MINUTE", "IN", "OUT", "COST", "LAST")
_ROOM = 7
"""Lines of a screen that are not rows."""


class _Picture(NamedTuple):
    """What is shown: groups, the most expensive first, their total, and whether more calls exist than were read."""

    at_s: int
    rows: list[Recent]
    total: Recent
    is_cut: bool
    lost_us: int | None = None


@app.command(epilog=epilog(_EXAMPLES, (0, 2, 10, 13, 14, 20, 21, 31, 130)))
def top(
    by: Annotated[str, typer.Option("--by", metavar="GROUP,…", help="Group by these.")] = "team,model,token",
    minutes: Annotated[int, typer.Option("--minutes", min=1, max=1440, metavar="N", help="How far back.")] = 15,
    once: Annotated[bool, typer.Option("--once", help="One picture, then end.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one picture as JSON.")] = False,
) -> None:
    """Show what the last minutes were spent on, again every two seconds; off a terminal once.

    Calls count when they are settled: what is under way is not there yet. At most the newest 10,000 calls are counted.
    """
    from aikeys.cli.ports.calls import calls
    from aikeys.reports.recent import parse_by

    groups = parse_by(by)
    source = calls()

    def taken() -> _Picture:
        picture = _taken(source, groups, minutes)
        return picture._replace(lost_us=source.lost_us(clock.now_us() - minutes * _MINUTE_US))

    if as_json:
        _print_json(taken(), groups, minutes)
    elif once or not terminal.on_terminal(sys.stdout):
        terminal.out_styled(_text(taken(), groups, minutes))
    else:
        _watch(lambda: _text(taken(), groups, minutes, rows=_rows_that_fit()))


def _taken(source: CallsPort, by: tuple[str, ...], minutes: int) -> _Picture:
    from aikeys.reports.recent import recent

    now_s = clock.now_s()
    calls = source.since(now_s - 60 * minutes, _MOST_CALLS)
    return _Picture(now_s, *recent(calls, by), len(calls) >= _MOST_CALLS)


def _watch(drawn: Callable[[], str]) -> None:
    """Draw until Ctrl-C."""
    with screen.picture() as show:
        while True:
            show(drawn())
            time.sleep(_REFRESH_S)


def _rows_that_fit() -> int:
    import shutil

    return max(1, shutil.get_terminal_size().lines - _ROOM)


def _text(picture: _Picture, by: tuple[str, ...], minutes: int, rows: int | None = None) -> str:
    """Return the picture for a person; of the rows as many as there is room for."""
    from aikeys.cli.render.counted import counted
    from aikeys.cli.render.table import table
    from aikeys.ledger.lost_ledgers import sentence

    total = picture.total
    head = f"{clock.rfc3339(picture.at_s)}  last {counted(minutes, 'minute')}: {_figure_line(total, minutes)}"
    lost = [] if picture.lost_us is None else [sentence(picture.lost_us)]
    if not picture.rows:
        return "\n".join([head, "", "no calls", *lost])
    shown = picture.rows if rows is None else picture.rows[:rows]
    lines = [[*one.keys, *_cells(one, minutes)] for one in shown]
    parts = [head, "", table((*(name.upper() for name in by), *_FIGURES), lines)]
    if len(picture.rows) > len(shown):
        parts.append(f"and {len(picture.rows) - len(shown)} more")
    if picture.is_cut:
        parts.append(f"only the newest {_MOST_CALLS:,} calls are counted: look at fewer --minutes")
    return "\n".join([*parts, *lost])


def _figure_line(total: Recent, minutes: int) -> str:
    requests, failed, rate, tokens_in, tokens_out, cost, _ = _cells(total, minutes)
    return f"{requests} requests ({rate} a minute), {failed or 0} failed, {tokens_in} in, {tokens_out} out, {cost}"


def _cells(one: Recent, minutes: int) -> list[str]:
    return [
        f"{one.requests:,}",
        f"{one.failed:,}" if one.failed else "",
        f"{one.requests / minutes:.1f}",
        f"{one.input:,}",
        f"{one.output:,}",
        _cost(one),
        one.newest_at[11:19],
    ]


def _cost(one: Recent) -> str:
    """Return a cost; what has no price is at least what is priced, and never zero."""
    from aikeys.money import least_usd, shown_usd

    if not one.unpriced:
        return shown_usd(one.cost_pusd)
    return least_usd(one.cost_pusd) if one.cost_pusd else "unknown"


def _print_json(picture: _Picture, by: tuple[str, ...], minutes: int) -> None:
    from aikeys.cli.render.json_text import document
    from aikeys.reports.records import lost_ledger

    terminal.out(
        document(
            "aikeys.top/1",
            at=clock.rfc3339(picture.at_s),
            minutes=minutes,
            by=list(by),
            rows=[_fields(one, by) for one in picture.rows],
            total=_fields(picture.total, ()),
            complete=not picture.is_cut,
            **lost_ledger(picture.lost_us),
        )
    )


def _fields(one: Recent, by: tuple[str, ...]) -> dict[str, object]:
    from aikeys.money import usd_text

    return {
        **{name: text or None for name, text in zip(by, one.keys, strict=False)},
        "requests": one.requests,
        "failed": one.failed,
        "input_tokens": one.input,
        "output_tokens": one.output,
        "cost_usd": usd_text(one.cost_pusd),
        "unpriced_requests": one.unpriced,
        "last_at": one.newest_at or None,
    }
