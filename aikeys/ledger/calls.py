"""Calls in the ledger, and their canonical bytes (pure).

The texts of a call repeat from call to call: together they are its *context*, which enters the chain as one digest.
A row of the chain is then numbers, that digest, and what is its own (`extra`): one %-format and one SHA-256 a row.
"""

from __future__ import annotations

from hashlib import sha256
from typing import NamedTuple

from aikeys.providers.usage import NOTHING, Usage
from aikeys.storage.canonical import pack, unpack

BILLED, COMPUTED, ESTIMATED, WORST_CASE, UNPRICED = COST_SOURCES = (
    "billed", "computed", "estimated", "worst_case", "unpriced",
)  # fmt: skip
# the statuses of the two corrections that move a request from one cost source to another
REVERSED, REVERSED_FAILED, REBOOKED, REBOOKED_FAILED = MOVES = (
    "reversed", "reversed_failed", "rebooked", "rebooked_failed",
)  # fmt: skip
SUCCESS = "ok"
MAX_COUNT = 10**15
MAX_COST_PUSD = 9 * 10**18
_NOTHING_ELSE: tuple[tuple[()], tuple[()], bytes] = ((), (), b"")
_BEFORE_ID, _AFTER_ID = pack("", "", b"") + b"\3", pack(b"", b"")
_ROW = b"call %d %d %d %d %d %d %d %d %d %d %d %d %d %b %b %b%b"


class Labels(NamedTuple):
    """Who a call is for; empty where unknown. `tags` are further (name, value) pairs, sorted by name."""

    team: str = ""
    project: str = ""
    environment: str = ""
    user: str = ""
    tags: tuple[tuple[str, str], ...] = ()


class Context(NamedTuple):
    """The texts of a call; empty where unknown.

    `model` is what was asked for, as provider/model; `answered` what the provider says it was. `price` names the price
    used and its unit prices, `door` the way in: prompt, gateway, import, ledger.
    """

    labels: Labels
    token: str = ""
    key: str = ""
    provider: str = ""
    model: str = ""
    answered: str = ""
    price: str = ""
    address: str = ""
    door: str = ""


class Call(NamedTuple):
    """One attempt at one provider, settled.

    `at_us` is when it was reserved: days, months and budgets count it there. Costs are pico-USD, negative only in a
    correction (`corrects` names the entry). `unpriced` are the used units without a price. Digests are SHA-256 of what
    went out and came back, or empty; `request_id` is the provider's or, for an import, the importer's.
    """

    at_us: int
    settled_us: int
    context: Context
    usage: Usage = NOTHING
    unpriced: tuple[tuple[str, int], ...] = ()
    cost_pusd: int = 0
    cost_source: str = COMPUTED
    status: str = "ok"
    latency_ms: int | None = None
    first_token_ms: int | None = None
    corrects: int | None = None
    reservation: bytes = b""
    request_id: str = ""
    request_digest: bytes = b""
    reply_digest: bytes = b""


class Extra(NamedTuple):
    """What belongs to one call alone and is neither a number nor a context."""

    other: tuple[tuple[str, int], ...]
    unpriced: tuple[tuple[str, int], ...]
    reservation: bytes
    request_id: str
    request_digest: bytes
    reply_digest: bytes


def pairs_text(pairs: tuple[tuple[str, object], ...]) -> str:
    """Return pairs in their stored form, one `name=value` a line."""
    return "\n".join(f"{name}={value}" for name, value in pairs)


def text_pairs(text: str) -> tuple[tuple[str, str], ...]:
    """Return what `pairs_text` wrote."""
    return tuple((name, value) for name, _, value in (line.partition("=") for line in text.split("\n") if line))


def context_bytes(context: Context, user: bytes, address: bytes) -> bytes:
    """Return the canonical bytes of a context; `user` and `address` are person digests, empty for nobody."""
    team, project, environment, _, tags = context.labels
    return pack(
        "aikeys/1/context",
        *(team, project, environment, user, pairs_text(tags)),
        *(context.token, context.key, context.provider, context.model, context.answered),
        *(context.price, address, context.door),
    )


def context_digest(context: Context, user: bytes, address: bytes) -> bytes:
    """Return the digest of a context."""
    return sha256(context_bytes(context, user, address)).digest()


def extra_bytes(call: Call) -> bytes:
    """Return a call's `extra` as it is stored; empty where there is none."""
    own = (call.usage.other, call.unpriced, call.reservation, call.request_id, call.request_digest, call.reply_digest)
    if not any(own):
        return b""
    if own == (*_NOTHING_ELSE, call.request_id, b"", b""):  # every call of an import: pack would take ten times as long
        return import_extra(call.request_id)
    return pack(
        pairs_text(call.usage.other),
        pairs_text(call.unpriced),
        *(call.reservation, call.request_id, call.request_digest, call.reply_digest),
    )


def import_extra(request_id: str) -> bytes:
    """Return the `extra` of a call that has an id and nothing else of its own."""
    text = request_id.encode()
    return _BEFORE_ID + len(text).to_bytes(4, "big") + text + _AFTER_ID


def read_extra(data: bytes) -> Extra:
    """Return what `extra_bytes` wrote; raises ValueError."""
    if not data:
        return Extra((), (), b"", "", b"", b"")
    other, unpriced, *rest = unpack(data)
    if not isinstance(other, str) or not isinstance(unpriced, str):
        raise ValueError("no extra")  # noqa: TRY004
    counts = [tuple((name, int(value)) for name, value in text_pairs(text)) for text in (other, unpriced)]
    return Extra(*counts, *rest)  # type: ignore[arg-type]


def numbers_of(number: int, call: Call) -> tuple[int, ...]:
    """Return the numbers of a call in canonical order; -1 stands for an unknown time, 0 for no correction."""
    return (
        *(number, call.at_us, call.settled_us, *call.usage[:6], call.cost_pusd),
        -1 if call.latency_ms is None else call.latency_ms,
        -1 if call.first_token_ms is None else call.first_token_ms,
        call.corrects or 0,
    )


def requests_of(corrects: int | None, status: str) -> tuple[int, int]:
    """Return how many requests a call counts for, and how many failed ones.

    A correction is no request, but one that takes a request out of its cost source counts -1, the one that puts it
    into another +1.
    """
    if not corrects:
        return 1, int(status != SUCCESS)
    return {REVERSED: (-1, 0), REVERSED_FAILED: (-1, -1), REBOOKED: (1, 0), REBOOKED_FAILED: (1, 1)}.get(status, (0, 0))


def call_bytes(numbers: tuple[int, ...], source: bytes, status: bytes, digest: bytes, extra: bytes) -> bytes:
    """Return the canonical bytes of a call: the thirteen numbers, source and status (no spaces), digest, extra."""
    return _ROW % (*numbers, source, status, digest, extra)


def call_hash(previous: bytes, numbers: tuple[int, ...], texts: tuple[bytes, bytes, bytes, bytes]) -> bytes:
    """Return the hash of a call that follows an entry with the hash `previous`."""
    return sha256(previous + call_bytes(numbers, *texts)).digest()
