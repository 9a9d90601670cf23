"""`aikeys audit`: who did what with the vault."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from aikeys import clock
from aikeys.cli import home, terminal
from aikeys.cli.help import epilog, new_app

if TYPE_CHECKING:
    from aikeys.ledger.entries import Entry
    from aikeys.ledger.store import Names

app = new_app()
_EXAMPLES = (("aikeys audit", "the newest acts"), ("aikeys audit --json -n 1000", "for a script"))


@app.command(epilog=epilog(_EXAMPLES, (0, 10, 13, 14)))
def audit(
    newest: Annotated[int, typer.Option("-n", "--newest", min=1, help="How many entries.")] = 50,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show who did what with the vault, oldest first.

    An act that changes the vault has two entries, its intent and its outcome: `ok`, why it failed, or `abandoned`
    when the process was killed before the vault changed.
    """
    from aikeys.cli.render.json_text import document
    from aikeys.cli.render.table import table
    from aikeys.errors import NotFound

    ledger = home.place().ledger
    if not ledger.exists:
        raise NotFound(f"there is no ledger at {ledger.path}", "make a vault: aikeys init")
    entries = ledger.open().entries(newest)
    if as_json:
        terminal.out(document("aikeys.audit/1", entries=[_known(*row) for row in entries]))
        return
    lines = [
        [str(entry.id), clock.rfc3339(entry.at_us / 1e6), names.actor, entry.phase, entry.act,
         entry.subject + names.person, entry.status, entry.detail]
        for entry, names in entries
    ]  # fmt: skip
    terminal.out_styled(table(("ID", "WHEN", "WHO", "PHASE", "ACT", "WHAT", "STATUS", "DETAIL"), lines))


def _known(entry: Entry, names: Names) -> dict[str, object]:
    return {
        "id": entry.id,
        "at": clock.rfc3339(entry.at_us / 1e6),
        "actor": names.actor or None,
        "phase": entry.phase,
        "act": entry.act,
        "subject": entry.subject + names.person,
        "status": entry.status or None,
        "detail": entry.detail or None,
        "intent": entry.intent,
        "epoch": entry.epoch,
    }
