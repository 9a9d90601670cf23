"""`aikeys ledger resolve`: settle what is unsure: lost reservations, costs, the time of a lost ledger."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from aikeys.cli import home, terminal
from aikeys.errors import UsageError
from aikeys.ledger.lost_ledgers import NEW

if TYPE_CHECKING:
    from aikeys.ledger.corrections import Correction
    from aikeys.ledger.store import Ledger

RESOLVE = (
    ("aikeys ledger resolve", "book what processes that were killed had reserved"),
    ("aikeys ledger resolve 4711 --cost 0.25", "the provider's invoice says what call 4711 cost"),
    ("aikeys ledger resolve new-ledger --cost 31.20", "what was spent in the time of a lost ledger"),
)
_HINT = "aikeys ledger resolve 4711 --cost 0.25"


def resolve(
    what: Annotated[
        str, typer.Argument(metavar="[ID|new-ledger]", help="The call, as aikeys log shows it; or a lost ledger.")
    ] = "",
    cost: Annotated[str, typer.Option("--cost", metavar="USD", help="What it cost.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Settle what is unsure: lost reservations and costs, and the time of a lost ledger.

    A reservation whose process was killed becomes a call at its worst case. With ID and --cost a worst_case, estimated
    or unpriced call is corrected by an entry of its own, which counts for the day of the call. new-ledger says what was
    spent before ledger import --new-ledger: it counts for the organisation at that time, and reports and checks of it
    no longer say that they do not know.
    """
    from aikeys.budgets.recovery import recover
    from aikeys.cli.render.counted import counted
    from aikeys.cli.render.json_text import document
    from aikeys.money import parse_usd

    if bool(what) != bool(cost):
        raise UsageError("ID and --cost go together", _HINT)
    number = 0 if what in ("", NEW) else _number(what)
    cost_pusd = parse_usd(cost) if cost else 0
    book = home.present_ledger()
    recovered = recover(book)
    fields: dict[str, object] = {"recovered": list(recovered), "correction": None}
    if what == NEW:
        fields["new_ledger"] = _settle_lost(book, cost_pusd)
    elif number:
        fields["correction"] = _correct(book, number, cost_pusd)
    elif not as_json:
        became = "became a call at its" if len(recovered) == 1 else "became calls at their"
        terminal.say(f"{counted(len(recovered), 'reservation')} {became} worst case")
    if as_json:
        terminal.out(document("aikeys.ledger-resolve/1", **fields))


def _number(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and 0 < int(text) < 1 << 62):
        raise UsageError("ID is neither the number of a call nor new-ledger", _HINT)
    return int(text)


def _correct(book: Ledger, number: int, cost_pusd: int) -> dict[str, object]:
    from aikeys.budgets.booking import book as booking
    from aikeys.ledger.corrections import correct
    from aikeys.ledger.store import Act
    from aikeys.money import usd_text

    with book.writing() as writer:
        done: Correction = correct(writer, number, cost_pusd, booking)
        writer.act(Act("ledger resolve", str(number), f"entry={done.number} cost_usd={usd_text(cost_pusd)}"))
    before, after = usd_text(done.before_pusd), usd_text(done.after_pusd)
    terminal.say(f"call {number} cost {after} USD, not {before}: entry {done.number}")
    return {"entry": done.number, "corrects": number, "before_usd": before, "cost_usd": after}


def _settle_lost(book: Ledger, cost_pusd: int) -> dict[str, object]:
    from aikeys.budgets.booking import book as booking
    from aikeys.clock import rfc3339
    from aikeys.ledger.lost_ledgers import settle
    from aikeys.money import usd_text

    with book.writing() as writer:
        lost, number = settle(writer, cost_pusd, booking)
    before, cost = rfc3339(lost.before_us / 1e6), usd_text(cost_pusd)
    entry = f"entry {number}" if number else "no entry"
    terminal.say(f"{cost} USD were spent before {before}, in a ledger that is lost: {entry}; set its limits again")
    return {"entry": number or None, "before": before, "cost_usd": cost}
