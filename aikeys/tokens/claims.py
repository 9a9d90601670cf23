"""Claims: what is signed of a token, its canonical bytes, and when one token is narrower than another.

A child may never do more than its parent: `wider` names every dimension in which it would. It is asked when a child is
issued and again whenever one is used.
"""

from functools import lru_cache
from typing import Any

from aikeys.errors import Damaged
from aikeys.storage.canonical import Field, pack, unpack
from aikeys.storage.record import NamedTuple
from aikeys.tokens import patterns, scopes

ALL_KEYS = ("*",)
LABELS = ("team", "project", "environment", "user")
_HINT = "restore a backup: aikeys restore FILE"
_END_OF_TIME = 253_402_300_800  # the year 10000: what RFC 3339 can write


class Claims(NamedTuple):
    """Everything a token may do; times in seconds since 1970, money in pico-USD, None for no limit.

    `keys`: ids of keys in hex, or ALL_KEYS. `models`, `addresses`: empty for all. `labels`: names and values, bound to
    what the token spends. `ledger_id`: the ledger a limited token is bound to, else empty.
    """

    vault_id: bytes
    id: bytes
    parent: bytes
    name: str
    kind: str
    issued_at: int
    expires_at: int
    scopes: tuple[str, ...]
    keys: tuple[str, ...]
    models: tuple[str, ...]
    labels: tuple[tuple[str, str], ...]
    addresses: tuple[str, ...]
    budget_pusd: int | None
    rpm: int | None
    tpm: int | None
    is_once: bool
    ledger_id: bytes
    verifier: bytes
    public_key: bytes
    child_public: bytes

    @property
    def shown_id(self) -> str:
        return self.id.hex()

    @property
    def is_limited(self) -> bool:
        """Tell whether only a ledger can say what is left."""
        return self.budget_pusd is not None or self.rpm is not None or self.tpm is not None or self.is_once

    @property
    def holds_raw_keys(self) -> bool:
        return "env:read" in self.scopes

    @property
    def is_granted_keys(self) -> bool:
        """Tell whether keys are handed to it, alone or together with the gateway."""
        return self.holds_raw_keys or any(scope in self.scopes for scope in scopes.SPENDING)

    def may(self, scope: str) -> bool:
        return scope in _expanded(self.scopes)

    def reaches(self, key_id: bytes) -> bool:
        return self.keys == ALL_KEYS or key_id.hex() in self.keys


@lru_cache(maxsize=256)
def _expanded(own: tuple[str, ...]) -> frozenset[str]:
    return scopes.expanded(own)


def encode(claims: Claims) -> bytes:
    """Return the canonical bytes that are stored and signed."""
    flat = [part for pair in claims.labels for part in pair]
    texts = (claims.scopes, claims.keys, claims.models, flat, claims.addresses)
    return pack(
        claims.vault_id, claims.id, claims.parent, claims.name, claims.kind, claims.issued_at, claims.expires_at,
        *(pack(*each) for each in texts),
        claims.budget_pusd, claims.rpm, claims.tpm, int(claims.is_once),
        claims.ledger_id, claims.verifier, claims.public_key, claims.child_public,
    )  # fmt: skip


def decode(data: bytes) -> Claims:
    """Read what `encode` wrote; Damaged for anything else."""
    try:
        fields = unpack(data)
        lists = [_texts(field) for field in fields[7:12]]
        flat = lists[3]
        labels = tuple(zip(flat[::2], flat[1::2], strict=True))
        whole: list[Any] = [*fields[:7], *lists[:3], labels, lists[4], *fields[12:15], bool(fields[15]), *fields[16:]]
        made = Claims._make(whole)
    except (ValueError, TypeError, IndexError):
        raise Damaged("a token's claims do not have the form of format 1", "upgrade aikeys") from None
    if not _is_well_formed(made) or encode(made) != data:
        raise Damaged("a token's claims do not have the form of format 1", _HINT)
    return made


def message(claims: bytes) -> bytes:
    """Return the bytes that the vault, or the parent's child-signing key, signs."""
    return pack("aikeys/1/claims", claims)


def wider(child: Claims, parent: Claims) -> list[str]:
    """Return in what a child would be wider than its parent, in words; nothing for a rightful child."""
    more = sorted(set(child.scopes) - scopes.expanded(parent.scopes))
    own = dict(child.labels)
    changed = [name for name, value in parent.labels if own.get(name) != value]
    elsewhere = child.vault_id != parent.vault_id or (parent.ledger_id and child.ledger_id != parent.ledger_id)
    dimensions = (
        (f"scope {', '.join(more)}", bool(more)),
        ("keys", parent.keys != ALL_KEYS and not set(child.keys) <= set(parent.keys)),
        ("models", not patterns.covers(parent.models, child.models)),
        ("client addresses", not patterns.holds(parent.addresses, child.addresses)),
        (f"label {', '.join(changed)}", bool(changed)),
        ("expiry", child.expires_at > parent.expires_at),
        ("budget", _is_more(child.budget_pusd, parent.budget_pusd)),
        ("requests per minute", _is_more(child.rpm, parent.rpm)),
        ("tokens per minute", _is_more(child.tpm, parent.tpm)),
        ("single use", parent.is_once),
        ("vault or ledger", bool(elsewhere)),
    )
    return [what for what, is_wider in dimensions if is_wider]


def _is_more(mine: int | None, theirs: int | None) -> bool:
    return theirs is not None and (mine is None or mine > theirs)


def _is_well_formed(claims: Claims) -> bool:
    """Tell whether claims are such as this program makes: a forged child must not stop whoever reads the others."""
    raw = (claims.vault_id, claims.id, claims.parent, claims.ledger_id, *claims[-3:])
    return (
        all(isinstance(field, bytes) for field in raw)
        and all(isinstance(field, str) for field in (claims.name, claims.kind))
        and all(type(field) is int and 0 <= field < _END_OF_TIME for field in (claims.issued_at, claims.expires_at))
        and all(field is None or (type(field) is int and field >= 0) for field in claims[12:15])
        and len(claims.id) == 8
        and len(claims.parent) in (0, 8)
        and all(len(field) == 32 for field in claims[-3:])
        and not (claims.is_limited and not claims.ledger_id)
        and are_well_formed(claims)
    )


def are_well_formed(claims: Claims) -> bool:
    """Tell whether the texts of claims are printable, each list in order without doubles, addresses addresses."""
    names = [name for name, _ in claims.labels]
    lists = (claims.scopes, claims.keys, claims.models, names, claims.addresses)
    texts = (claims.name, claims.kind, *(text for each in lists for text in each), *(text for _, text in claims.labels))
    return (
        all(text.isprintable() for text in texts)
        and all(list(each) == sorted(set(each)) for each in lists)
        and ("*" not in claims.keys or claims.keys == ALL_KEYS)
        and patterns.are_addresses(claims.addresses)
    )


def _texts(field: Field) -> tuple[str, ...]:
    if not isinstance(field, bytes):
        raise ValueError("not bytes")  # noqa: TRY004
    found = unpack(field)
    if not all(isinstance(text, str) for text in found):
        raise ValueError("not text")
    return tuple(str(text) for text in found)
