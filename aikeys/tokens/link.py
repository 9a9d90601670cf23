"""A token as it is stored: nothing in it is secret, and nothing can be changed unnoticed. On `exec`'s hot path."""

from aikeys.storage.record import NamedTuple


class Link(NamedTuple):
    """`claims` are their canonical bytes, `signature` the Ed25519 of whoever issued the token."""

    id: bytes
    claims: bytes
    signature: bytes
