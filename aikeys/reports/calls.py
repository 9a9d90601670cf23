"""Calls as programs read them, for whoever asks: every one with its number, or one's own by their request ids.

A number tells how many calls others made. So with a sight on one's own calls a call is named by the id that its reply
carried (x-aikeys-request-id), of an import by its own id, and one of somebody else is not found. Whoever may see a
call finds it by the provider's ids, too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from aikeys.clock import rfc3339
from aikeys.errors import NotFound
from aikeys.ledger import listing
from aikeys.ledger.own_contexts import contexts_of_labels, contexts_of_tokens
from aikeys.ledger.token_acts import family
from aikeys.ledger.unread_fields import fields_of, unread_since
from aikeys.money import usd_text
from aikeys.reports.records import call as call_fields

if TYPE_CHECKING:
    import sqlite3

    from aikeys.ledger.listing import Recorded
    from aikeys.ledger.store import Ledger
    from aikeys.tokens.sight import Sight

Fields = dict[str, object]
_FEWEST_DIGITS = 10
"""Some providers' ids are digits alone, a time among them: no ledger has so many calls."""


class Numbered(NamedTuple):
    """A call's number, for whoever goes on from it, and its fields, which may not hold it."""

    number: int
    fields: Fields


class CallRange(NamedTuple):
    """Which calls: the newest so many, with a number above `after`, reserved at start ≤ instant < end."""

    newest: int
    after: int = 0
    between: tuple[int, int] = listing.ALWAYS


def newest_calls(ledger: Ledger, wanted: CallRange, sight: Sight) -> list[Numbered]:
    """Return the newest calls, oldest first."""
    with ledger.reading() as connection:
        own = _own(connection, sight)
        if own == []:  # no need to look at everybody's
            return []
        found = listing.newest_calls(connection, ledger, wanted.newest, wanted.after, wanted.between, own)
        return [Numbered(one.number, _shown(connection, ledger, one, sight)) for one in found]


def one_call(ledger: Ledger, name: str, sight: Sight) -> Fields:
    """Return a call in full, with its corrections, by its number, its request id or a provider's; NotFound."""
    with ledger.reading() as connection:
        number = _number(connection, name, sight)
        found = listing.call_at(connection, ledger, number) if number else None
        if found is None and name.isdigit() and len(name) >= _FEWEST_DIGITS:
            by_id = listing.number_of_request(connection, name, _own(connection, sight))
            found = listing.call_at(connection, ledger, by_id) if by_id else None
        if found is None:
            raise _nowhere(connection, ledger, name, number, sight)
        corrections = listing.corrections_of(connection, ledger, found.number)
        fields = _shown(connection, ledger, found, sight)
        names = fields_of(found.call.unpriced)
        since = [unread_since(connection, found.call.context.provider, name) for name in names]
    fields["unread_fields"] = [
        {
            "provider": found.call.context.provider,
            "field": name,
            "since": rfc3339((at_us or found.call.at_us) // 1_000_000),
        }
        for name, at_us in zip(names, since, strict=True)
    ]
    fields["request_sha256"] = found.call.request_digest.hex() or None
    fields["reply_sha256"] = found.call.reply_digest.hex() or None
    fields["corrected_by"] = [one.number for one in corrections] if sight.sees_calls else None
    fields["cost_now_usd"] = usd_text(found.call.cost_pusd + sum(one.call.cost_pusd for one in corrections))
    return fields


def _own(connection: sqlite3.Connection, sight: Sight) -> list[int] | None:
    """Return the contexts of the calls that may be seen; None for every call."""
    if sight.sees_calls:
        return None
    if sight.opened:
        return contexts_of_labels(connection, sight.opened)
    return contexts_of_tokens(connection, family(connection, sight.token))


def _number(connection: sqlite3.Connection, name: str, sight: Sight) -> int:
    """Return the number of a call that may be seen, 0 for one that may not or never was."""
    if sight.sees_calls and name.isascii() and name.isdigit() and len(name) < len("1" + "0" * 18):
        return int(name)
    return listing.number_of_request(connection, name, _own(connection, sight))


def _nowhere(connection: sqlite3.Connection, ledger: Ledger, name: str, number: int, sight: Sight) -> NotFound:
    if sight.sees_calls and number:
        return listing.no_call(connection, ledger, number)
    return NotFound(f"there is no call {ascii(name[:40])[1:-1]}", "see: aikeys log")


def _shown(connection: sqlite3.Connection, ledger: Ledger, one: Recorded, sight: Sight) -> Fields:
    fields = call_fields(ledger, one)
    if sight.sees_calls:
        return fields
    first = listing.call_at(connection, ledger, one.call.corrects) if one.call.corrects else None
    corrected = first.call if first is not None else None
    return {
        **fields,
        "number": None,
        "id": listing.request_id_of(one.call) or None,
        "corrects": (listing.request_id_of(corrected) if corrected else "")
        or ("earlier" if one.call.corrects else None),
    }
