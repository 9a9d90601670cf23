"""A data key handed to a token: to it alone (env:read), or sealed to the gateway first, so that both are needed.

The context names token, key, provider, base URL and version: a grant fits nothing else. What is sealed to the gateway
names no token, so that a parent can hand it on to a child without being able to open it.
"""

from aikeys import sealing
from aikeys.storage.canonical import pack
from aikeys.storage.record import NamedTuple
from aikeys.tokens.claims import Claims


class Lock(NamedTuple):
    """Which version of which key a data key opens."""

    vault_id: bytes
    key_id: bytes
    name: str
    provider: str
    base_url: str
    version: int


def for_gateway(gateway_public: bytes, lock: Lock, data_key: bytes) -> bytes:
    """Seal a data key to the gateway."""
    return sealing.hand_over(gateway_public, data_key, _gateway_context(lock))


def from_gateway(gateway_private: bytes, lock: Lock, sealed: bytes) -> bytes:
    """Open what `for_gateway` made; Damaged."""
    return sealing.take_over(gateway_private, sealed, _gateway_context(lock))


def hand_over(claims: Claims, lock: Lock, payload: bytes) -> bytes:
    """Seal to a token: a data key where it may hold raw keys, else what `for_gateway` made."""
    return sealing.hand_over(claims.public_key, payload, _token_context(claims, lock))


def take_over(private: bytes, claims: Claims, lock: Lock, envelope: bytes) -> bytes:
    """Open what `hand_over` made; Damaged where it is another token's, another key's or another version's."""
    return sealing.take_over(private, envelope, _token_context(claims, lock))


def payload(claims: Claims, gateway_public: bytes, lock: Lock, data_key: bytes) -> bytes:
    """Return what is handed to a token."""
    return data_key if claims.holds_raw_keys else for_gateway(gateway_public, lock, data_key)


def _gateway_context(lock: Lock) -> bytes:
    return pack("aikeys/1/grant-gateway", *lock)


def _token_context(claims: Claims, lock: Lock) -> bytes:
    kind = "raw" if claims.holds_raw_keys else "gateway"
    return pack(f"aikeys/1/grant-{kind}-token", claims.id, *lock)
