"""Entries of the ledger and their chain (pure: no clock, no files).

- An act that changes a vault is an *intent* before and an *outcome* after; anything else somebody does is an *event*.
- A call is one request to one provider, recorded when it is settled; a correction is a call of its own.
- hash = SHA-256(hash of the entry before, canonical bytes of every field); the first follows `genesis`.
- A person's name or address is not in the chain, a salted digest is: the text can be erased and all still verifies.
"""

from aikeys.errors import Damaged
from aikeys.storage.canonical import pack, sha256, unpack
from aikeys.storage.record import NamedTuple

Pairs = tuple[tuple[str, str], ...]
"""What an act says: names and values, in the order in which a person reads them."""


def packed_facts(pairs: Pairs) -> bytes:
    """Return what an act says as it is chained; empty for nothing."""
    return pack(*(text for pair in pairs for text in pair))


def unpacked_facts(data: bytes) -> Pairs:
    """Return what `packed_facts` wrote; raises ValueError."""
    texts = unpack(data)
    if len(texts) % 2 or not all(isinstance(text, str) for text in texts):
        raise ValueError("no facts")
    return tuple(zip(map(str, texts[::2]), map(str, texts[1::2]), strict=True))


def text_facts(detail: str) -> Pairs:
    """Return what an act of format 1 says: words `name=value`; a word without = is a name without a value."""
    return tuple(word.partition("=")[::2] for word in detail.split(" ") if word)


def facts_text(pairs: Pairs) -> str:
    """Return what an act says as one line; a name without a value stands alone."""
    return " ".join(f"{name}={value}" if value else name for name, value in pairs)


class Entry(NamedTuple):
    """An act. `at_us` is microseconds since 1970, `actor` the digest of who did it, `person` of whom it is about.

    `facts` (packed) say what was done; `detail` is the text that stands there in an act of format 1.
    """

    id: int
    at_us: int
    phase: str
    act: str
    subject: str
    actor: bytes
    person: bytes | None
    detail: str
    status: str
    intent: int | None
    vault_id: bytes | None
    epoch: int | None
    manifest: bytes | None
    facts: bytes = b""

    @property
    def pairs(self) -> tuple[tuple[str, str], ...]:
        """What the act says, by name; of format 1 what its text says so."""
        return unpacked_facts(self.facts) if self.facts else text_facts(self.detail)

    @property
    def said(self) -> str:
        """What the act says as one line of text, as people read it."""
        return facts_text(unpacked_facts(self.facts)) if self.facts else self.detail


class Head(NamedTuple):
    """The newest entry: its number and its hash."""

    number: int
    hash: bytes


class Anchor(NamedTuple):
    """The newest state of a vault that the ledger knows to be committed."""

    epoch: int
    state: bytes


def genesis(ledger_id: bytes, zone: str) -> Head:
    """Return what the first entry follows; `zone` (IANA) says when this ledger's days begin."""
    return Head(0, sha256(pack("aikeys/1/ledger", ledger_id, zone)))


def chain_hash(previous: bytes, entry: Entry) -> bytes:
    """Return the hash of an act that follows an entry with the hash `previous`."""
    return sha256(previous + act_bytes(entry))


def act_bytes(entry: Entry) -> bytes:
    """Return the canonical bytes of an act; those of one without facts are those of format 1."""
    return pack("aikeys/2/act", *entry) if entry.facts else pack("aikeys/1/act", *entry[:-1])


def person_digest(salt: bytes, name: str) -> bytes:
    """Return what stands in the chain for a person or an address."""
    return sha256(pack("aikeys/1/person", salt, name))


def checkpoint_message(ledger_id: bytes, head: Head, at_us: int) -> bytes:
    """Return what the vault's signing key signs to vouch for the ledger up to an entry."""
    return pack("aikeys/1/checkpoint", ledger_id, head.number, head.hash, at_us)


_TYPES: tuple[type | tuple[type, ...], ...] = (
    int, int, str, str, str, bytes, (bytes, type(None)), str, str,
    (int, type(None)), (bytes, type(None)), (int, type(None)), (bytes, type(None)), bytes,
)  # fmt: skip


def checked(fields: list[object] | tuple[object, ...], path: str) -> Entry:
    """Return a row as an act; raises Damaged where a field has the wrong type."""
    if any(not isinstance(field, kind) for field, kind in zip(fields, _TYPES, strict=True)):
        raise Damaged(f"{path}: entry {fields[0]!r} has a field of the wrong type", "put an unchanged copy back")
    return Entry(*fields)
