"""Entries of the ledger and their chain (pure: no clock, no files).

- An act that changes a vault is an *intent* before and an *outcome* after; anything else somebody does is an *event*.
- A call is one request to one provider, recorded when it is settled; a correction is a call of its own.
- hash = SHA-256(hash of the entry before, canonical bytes of every field); the first follows `genesis`.
- A person's name or address is not in the chain, a salted digest is: the text can be erased and all still verifies.
"""

from aikeys.storage.canonical import pack, sha256
from aikeys.storage.record import NamedTuple


class Entry(NamedTuple):
    """An act. `at_us` is microseconds since 1970, `actor` the digest of who did it, `person` of whom it is about."""

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
    return sha256(previous + pack("aikeys/1/act", *entry))


def person_digest(salt: bytes, name: str) -> bytes:
    """Return what stands in the chain for a person or an address."""
    return sha256(pack("aikeys/1/person", salt, name))


def checkpoint_message(ledger_id: bytes, head: Head, at_us: int) -> bytes:
    """Return what the vault's signing key signs to vouch for the ledger up to an entry."""
    return pack("aikeys/1/checkpoint", ledger_id, head.number, head.hash, at_us)
