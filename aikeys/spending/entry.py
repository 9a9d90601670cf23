"""The ledger entry of a call: the one place where a call becomes an entry (pure)."""

from __future__ import annotations

from typing import NamedTuple

from aikeys.ledger.calls import Call, Context
from aikeys.spending.authorise import Caller
from aikeys.spending.bill import Bill
from aikeys.spending.exchange import Received
from aikeys.spending.names import Target
from aikeys.spending.plan import Plan

_LONGEST_WORD = 100


class Course(NamedTuple):
    """When a call was reserved and settled (microseconds since 1970), how long it took, and what was sent (SHA-256)."""

    at_us: int
    settled_us: int
    latency_ms: int
    first_token_ms: int | None
    request_digest: bytes


def context_of(caller: Caller, target: Target, answered: str = "", price: str = "") -> Context:
    """Return the texts that a call is recorded with."""
    return Context(
        caller.labels, caller.token, target.key.name, target.provider.name, str(target),
        answered, price, caller.address, caller.door,
    )  # fmt: skip


def entry_of(caller: Caller, made: Plan, received: Received, costs: Bill, course: Course) -> Call:
    """Return the entry of a call that is over."""
    return Call(
        course.at_us, course.settled_us,
        context_of(caller, made.target, _plain(received.used.answered), costs.price),
        costs.usage, costs.unpriced, costs.cost_pusd, costs.source, received.status,
        latency_ms=course.latency_ms, first_token_ms=course.first_token_ms,
        request_id=_plain(received.request_id), message_id=_plain(received.message_id),
        request_digest=course.request_digest, reply_digest=received.reply_digest,
        doubt_pusd=costs.doubt_pusd,
    )  # fmt: skip


def _plain(text: str) -> str:
    """Return a provider's word as the ledger keeps it: bounded, and nothing but what can be read."""
    word = text[:_LONGEST_WORD]
    return word if word.isprintable() else "".join(sign for sign in word if sign.isprintable())
