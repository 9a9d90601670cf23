"""Credentials derived from a token's secret (HKDF-SHA256): verifier, X25519 key pair, Ed25519 child-signing key.

Only public halves and the digest of the verifier stand in the signed claims; the secret is in the token's text alone.
"""

from aikeys import sealing
from aikeys.secret import Secret
from aikeys.storage.canonical import pack, sha256
from aikeys.storage.record import NamedTuple
from aikeys.tokens.text import TokenText


class PublicHalves(NamedTuple):
    """What the claims say of a secret."""

    verifier: bytes
    public_key: bytes
    child_public: bytes


def verifier_digest(token: TokenText) -> bytes:
    """Return what recognises a token's secret: the SHA-256 of its verifier."""
    return sha256(_derived(token, "verifier"))


def private_key(token: TokenText) -> Secret:
    """Return the X25519 private key that grants are sealed to."""
    return Secret(_derived(token, "private"))


def child_signing_key(token: TokenText) -> Secret:
    """Return the Ed25519 private key that signs the claims of children."""
    return Secret(_derived(token, "child-signing"))


def public_halves(token: TokenText) -> PublicHalves:
    """Return what goes into a new token's claims."""
    return PublicHalves(
        verifier_digest(token),
        sealing.public_half(private_key(token).reveal()),
        sealing.signing_public(child_signing_key(token).reveal()),
    )


def is_same(one: bytes, other: bytes) -> bool:
    """Compare in constant time."""
    from cryptography.hazmat.primitives.constant_time import bytes_eq

    return bytes_eq(one, other)


def _derived(token: TokenText, purpose: str) -> bytes:
    return sealing.derive(token.secret.reveal(), pack(f"aikeys/1/token-{purpose}", token.fingerprint, token.id))
