"""What an entry is and how entries are chained (pure: no clock, no files).

- An act that changes a vault is an *intent* before and an *outcome* after; anything else is an *event*.
- hash = SHA-256(hash of the entry before, canonical bytes of every field); the first follows `genesis`.
- A person's name is not in the chain, a salted digest is: the name can be erased and everything still verifies.
"""

from __future__ import annotations

from hashlib import sha256
from typing import NamedTuple

from aikeys.storage.canonical import pack


class Entry(NamedTuple):
    """One row; `at_us` is microseconds since 1970, `actor` the salted digest of the operating system's user."""

    id: int
    at_us: int
    phase: str
    act: str
    subject: str
    actor: bytes
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


def genesis(ledger_id: bytes) -> Head:
    """Return what the first entry follows."""
    return Head(0, sha256(pack("aikeys/1/ledger", ledger_id)).digest())


def chain_hash(previous: bytes, entry: Entry) -> bytes:
    """Return the hash of an entry that follows one with the hash `previous`."""
    return sha256(previous + pack("aikeys/1/entry", *entry)).digest()


def actor_digest(salt: bytes, name: str) -> bytes:
    """Return what stands in the chain for a person."""
    return sha256(pack("aikeys/1/person", salt, name)).digest()
