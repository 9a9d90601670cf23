"""`aikeys audit`: who did what with the vault."""

from __future__ import annotations

import re
from typing import Annotated

import typer

from aikeys.cli import terminal
from aikeys.cli.help import epilog, new_app
from aikeys.cli.time_options import Month, Since, Until

app = new_app()
_EXAMPLES = (
    ("aikeys audit", "the newest acts"),
    ("aikeys audit --who ana --since 7d", "what ana did this week"),
    ("aikeys audit --act exec --json -n 1000", "for a script"),
)

_COLUMNS = {"id": "ID", "at": "WHEN", "actor": "WHO", "from": "FROM", "phase": "PHASE", "act": "ACT"}


@app.command(epilog=epilog(_EXAMPLES, (0, 2, 10, 13, 14, 20, 21, 31)))
def audit(
    newest: Annotated[int, typer.Option("-n", "--newest", metavar="N", min=1, help="How many entries.")] = 50,
    month: Month = None,
    since: Since = None,
    until: Until = None,
    who: Annotated[str, typer.Option("--who", metavar="NAME", help="Of this person and their tokens.")] = "",
    act: Annotated[str, typer.Option("--act", metavar="ACT", help="Only this act: exec, add, rotate …")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show who did what with the vault, oldest first: when, from where, and whether it was granted.

    An act that changes the vault has two entries, its intent and its outcome: `ok`, why it failed, or `abandoned`
    when the process was killed before the vault changed. With -v the table says which is which.
    """
    from aikeys.cli.ports.acts import WantedActs, acts
    from aikeys.cli.render.json_text import document
    from aikeys.cli.render.table import table
    from aikeys.ledger.ranges import RangeWords

    rows = acts().newest(newest, WantedActs(RangeWords(month, since, until), who, act))
    if as_json:
        terminal.out(document("aikeys.audit/1", entries=rows))
        return
    if not rows:
        terminal.say("no such entries")
        return
    columns = {name: head for name, head in _COLUMNS.items() if name != "phase" or terminal.options.verbose}
    lines = [
        [*(_text(row[name]) for name in columns), _what(row), _text(row["status"]), _shown(_text(row["detail"]))]
        for row in rows
    ]
    terminal.out_styled(table((*columns.values(), "WHAT", "STATUS", "DETAIL"), lines))


def _what(row: dict[str, object]) -> str:
    """Return what an act is about, with the person it is about beside it: `b39918fa4c0e6d21 (ben)`."""
    subject, person = _text(row["subject"]), _text(row.get("person"))
    return f"{subject} ({person})" if person and not subject.endswith(f":{person}") else subject


def _text(value: object) -> str:
    return "" if value is None else str(value)


def _shown(detail: str) -> str:
    """Return a detail with its amounts in dollars; --json has them as they were written."""
    from aikeys.money import usd_text

    def in_usd(found: re.Match[str]) -> str:
        return f"{found[1]}_usd={usd_text(int(found[2]))}"

    return re.sub(r"\b(\w+)_pusd=(\d{1,30})\b", in_usd, detail, flags=re.ASCII)
