"""Calls in the ledger, and their canonical bytes (pure).

The texts of a call repeat from call to call: together they are its *context*, which enters the chain as one digest.
A row of the chain is then numbers, that digest, and what is its own (`extra`): one %-format and one SHA-256 a row.
What is packed says itself by which format: what format 1 wrote keeps its bytes, and so its hash.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Any, NamedTuple

from aikeys.providers.usage import NOTHING, Usage
from aikeys.storage.canonical import pack, unpack

BILLED, COMPUTED, ESTIMATED, WORST_CASE, UNPRICED, EQUIVALENT = COST_SOURCES = (
    "billed", "computed", "estimated", "worst_case", "unpriced", "equivalent",
)  # fmt: skip
MONEY = COST_SOURCES[:-1]
"""The cost sources of what is paid; `equivalent` is in no total of money."""
# the statuses of the two corrections that move a request from one cost source to another
REVERSED, REVERSED_FAILED, REBOOKED, REBOOKED_FAILED = MOVES = (
    "reversed", "reversed_failed", "rebooked", "rebooked_failed",
)  # fmt: skip
SUCCESS = "ok"
MAX_COUNT = 10**15
MAX_COST_PUSD = 9 * 10**18
GATEWAY, PROMPT, IMPORT, LEDGER, ADJUSTMENT = DOORS = ("gateway", "prompt", "import", "ledger", "adjustment")
_PACKING = 2
_BEFORE_ID, _AFTER_ID = pack(_PACKING, "", "", "") + b"\3", pack(*[b""] * 4)
_NO_UNITS = pack(_PACKING, "")
NO_UNITS_SQL = (
    f"(extra = x'' OR substr(extra, 1, 5) = x'{pack('').hex()}' OR substr(extra, 1, 11) = x'{_NO_UNITS.hex()}')"
)
"""Whether a call has no further billed units, in either packing."""
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
    used and its unit prices, `door` the way in (DOORS). `source` names what an import was taken from (codex, another
    ledger's door), `tool` the program that called.
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
    source: str = ""
    tool: str = ""

    @property
    def origin(self) -> str:
        """Where the call comes from, in words: gateway, prompt, import NAME, ledger, adjustment."""
        return f"{self.door} {self.source}" if self.source else self.door


class Call(NamedTuple):
    """One attempt at one provider, settled.

    `at_us` is when it was reserved: days, months and budgets count it there. Costs are pico-USD, negative only in a
    correction (`corrects` names the entry). `unpriced` are the used units without a price. Digests are SHA-256 of what
    went out and came back, or empty; those of content are of what was kept of it, sealed and elsewhere.

    `reservation` is the id that whoever asked got; `request_id` (a header) and `message_id` (in the reply) are the
    provider's, `import_id` is that of an imported line. `run` names the run of a program. `list_pusd` is what an
    `equivalent` call would have cost, `doubt_pusd` what may be missing in an estimated cost; `unread` are the names of
    fields of the reply that nobody read.
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
    message_id: str = ""
    run: str = ""
    list_pusd: int = 0
    doubt_pusd: int = 0
    unread: tuple[str, ...] = ()
    import_id: str = ""
    request_content: bytes = b""
    reply_content: bytes = b""


class Found(NamedTuple):
    """What of a call's `extra` stands in columns, too: what is looked for, and what is summed."""

    reservation: bytes = b""
    request_id: str = ""
    message_id: str = ""
    run: str = ""
    list_pusd: int = 0
    doubt_pusd: int = 0


NOTHING_FOUND = Found()


class Extra(NamedTuple):
    """What belongs to one call alone and is neither a number nor a context."""

    other: tuple[tuple[str, int], ...] = ()
    unpriced: tuple[tuple[str, int], ...] = ()
    unread: tuple[str, ...] = ()
    import_id: str = ""
    request_digest: bytes = b""
    reply_digest: bytes = b""
    request_content: bytes = b""
    reply_content: bytes = b""
    found: Found = NOTHING_FOUND
    is_first: bool = False
    """Packed as in format 1, where the id of an imported line stands as `request_id`."""

    def ids(self, door: str) -> tuple[str, str]:
        """Return the provider's request id and the imported line's."""
        if self.is_first and door == IMPORT:
            return "", self.found.request_id
        return self.found.request_id, self.import_id


def pairs_text(pairs: tuple[tuple[str, object], ...]) -> str:
    """Return pairs in their stored form, one `name=value` a line."""
    return "\n".join(f"{name}={value}" for name, value in pairs)


def text_pairs(text: str) -> tuple[tuple[str, str], ...]:
    """Return what `pairs_text` wrote."""
    return tuple((name, value) for name, _, value in (line.partition("=") for line in text.split("\n") if line))


def context_bytes(context: Context, user: bytes, address: bytes) -> bytes:
    """Return the canonical bytes of a context; `user` and `address` are person digests, empty for nobody.

    Those of a context without a source and a tool are those of format 1.
    """
    team, project, environment, _, tags = context.labels
    later = (context.source, context.tool)
    return pack(
        "aikeys/2/context" if any(later) else "aikeys/1/context",
        *(team, project, environment, user, pairs_text(tags)),
        *(context.token, context.key, context.provider, context.model, context.answered),
        *(context.price, address, context.door),
        *(later if any(later) else ()),
    )


def context_digest(context: Context, user: bytes, address: bytes) -> bytes:
    """Return the digest of a context."""
    return sha256(context_bytes(context, user, address)).digest()


def found_of(call: Call) -> Found:
    """Return what of a call stands in columns beside its `extra`."""
    return Found(call.reservation, call.request_id, call.message_id, call.run, call.list_pusd, call.doubt_pusd)


def extra_bytes(call: Call) -> bytes:
    """Return a call's `extra` as it is stored; empty where there is none."""
    own = (
        *(call.usage.other, call.unpriced, call.unread, call.request_digest, call.reply_digest),
        *(call.request_content, call.reply_content),
    )
    found = found_of(call)
    if not any(own):  # as of every call of an import: pack would take ten times as long
        if call.import_id:
            text = call.import_id.encode()
            return b"%b%b%b%b%b" % (_BEFORE_ID, len(text).to_bytes(4, "big"), text, _AFTER_ID, found_bytes(found))
        if found == NOTHING_FOUND:
            return b""
    return pack(
        _PACKING,
        *(pairs_text(call.usage.other), pairs_text(call.unpriced), "\n".join(call.unread), call.import_id),
        *(call.request_digest, call.reply_digest, call.request_content, call.reply_content),
    ) + found_bytes(found)


def found_bytes(found: Found) -> bytes:
    """Return the end of an `extra`: what stands in columns, too."""
    return _FOUND_NOTHING if found == NOTHING_FOUND else pack(*found)


_FOUND_NOTHING = pack(*NOTHING_FOUND)


def is_found(extra: bytes, found: Found) -> bool:
    """Tell whether the columns beside an `extra` say what it says."""
    if extra[:6] == _MARK:
        return extra.endswith(found_bytes(found))
    return read_extra(extra).found == found


_MARK = pack(_PACKING)


def read_extra(data: bytes) -> Extra:
    """Return what `extra_bytes` wrote, now or in format 1; raises ValueError."""
    if not data:
        return Extra()
    fields = list(unpack(data))
    is_first = fields[0] != _PACKING
    kinds = _KINDS_BEFORE if is_first else _KINDS
    if len(fields) != len(kinds) or any(type(one) is not kind for one, kind in zip(fields, kinds, strict=True)):
        raise ValueError("no extra")
    return _first_extra(*fields) if is_first else _extra(*fields[1:])  # type: ignore[arg-type]


_KINDS = (int, str, str, str, str, bytes, bytes, bytes, bytes, bytes, str, str, str, int, int)
_KINDS_BEFORE = (str, str, bytes, str, bytes, bytes)


def _extra(other: str, unpriced: str, unread: str, *rest: Any) -> Extra:
    import_id, request_digest, reply_digest, request_content, reply_content = rest[:5]
    names = tuple(unread.split("\n")) if unread else ()
    digests = (request_digest, reply_digest, request_content, reply_content)
    return Extra(_counts(other), _counts(unpriced), names, import_id, *digests, Found(*rest[5:]))


def _first_extra(
    other: str, unpriced: str, reservation: bytes, request_id: str, request_digest: bytes, reply_digest: bytes
) -> Extra:
    return Extra(
        _counts(other), _counts(unpriced), request_digest=request_digest, reply_digest=reply_digest,
        found=Found(reservation, request_id), is_first=True,
    )  # fmt: skip


def _counts(text: str) -> tuple[tuple[str, int], ...]:
    return tuple((name, int(value)) for name, value in text_pairs(text))


def numbers_of(number: int, call: Call) -> tuple[int, ...]:
    """Return the numbers of a call in canonical order; -1 stands for an unknown time, 0 for no correction."""
    return (
        *(number, call.at_us, call.settled_us, *call.usage.tokens, call.cost_pusd),
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
