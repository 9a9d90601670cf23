"""The few primitives vault and tokens use, from `cryptography` only. Nonces and keys are arguments; nothing is stored.

AES-256-GCM seals, HKDF-SHA256 derives, HPKE (RFC 9180: X25519, HKDF-SHA256, AES-256-GCM) hands keys to public
keys, Ed25519 signs, Argon2id slows down guessing.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

from aikeys.errors import Damaged
from aikeys.storage.record import NamedTuple

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.hpke import Suite

Dice = Callable[[int], bytes]
"""Returns so many random bytes."""

KEY_BYTES = 32
NONCE_BYTES = 12


class Cost(NamedTuple):
    """Argon2id's parameters: memory in KiB, passes over it, lanes."""

    memory_kib: int
    passes: int
    lanes: int


STANDARD = Cost(64 * 1024, 3, 4)
CHEAPEST = Cost(32, 1, 1)
"""For tests only."""
DEAREST = Cost(1024 * 1024, 16, 16)
"""The most that a file may ask for: a hostile one must not ask for a terabyte."""


def seal(key: bytes, nonce: bytes, plaintext: bytes, context: bytes) -> bytes:
    """Return nonce + AES-256-GCM ciphertext bound to `context`."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    return nonce + AESGCM(key).encrypt(nonce, plaintext, context)


def unseal(key: bytes, sealed: bytes, context: bytes) -> bytes:
    """Open what `seal` made; raises Damaged when key, bytes or context are not the same."""
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    try:
        return AESGCM(key).decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], context)
    except (InvalidTag, ValueError):
        raise Damaged("a sealed value was edited or moved", "restore a backup: aikeys restore FILE") from None


def derive(key: bytes, purpose: bytes) -> bytes:
    """Return 32 bytes by HKDF-SHA256 without salt."""
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    return HKDF(SHA256(), KEY_BYTES, None, purpose).derive(key)


def stretch(passphrase: bytes, salt: bytes, cost: Cost) -> bytes:
    """Return 32 bytes by Argon2id; a cost outside the bounds raises Damaged."""
    from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

    if not all(0 < asked <= most for asked, most in zip(cost, DEAREST, strict=True)):
        raise Damaged("an unlock method asks for an impossible amount of work", "restore a backup: aikeys restore FILE")
    try:
        kdf = Argon2id(
            salt=salt, length=KEY_BYTES, iterations=cost.passes, lanes=cost.lanes, memory_cost=cost.memory_kib
        )
    except ValueError:
        raise Damaged("an unlock method has impossible parameters", "restore a backup: aikeys restore FILE") from None
    return kdf.derive(passphrase)


def _suite() -> "Suite":
    from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

    return Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)


def public_half(private: bytes) -> bytes:
    """Return the X25519 public key of 32 private bytes."""
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

    return X25519PrivateKey.from_private_bytes(private).public_key().public_bytes_raw()


def hand_over(public: bytes, plaintext: bytes, context: bytes) -> bytes:
    """Seal to a public key (HPKE base mode; the context is its info); raises Damaged where it is none."""
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey

    try:
        return _suite().encrypt(plaintext, X25519PublicKey.from_public_bytes(public), info=context)
    except ValueError:
        raise Damaged("a public key to seal to is none", "restore a backup: aikeys restore FILE") from None


def take_over(private: bytes, envelope: bytes, context: bytes) -> bytes:
    """Open what `hand_over` made; raises Damaged."""
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

    try:
        return _suite().decrypt(envelope, X25519PrivateKey.from_private_bytes(private), info=context)
    except (InvalidTag, ValueError):
        raise Damaged("an envelope was edited or moved", "restore a backup: aikeys restore FILE") from None


def signing_public(private: bytes) -> bytes:
    """Return the Ed25519 public key of 32 private bytes."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    return Ed25519PrivateKey.from_private_bytes(private).public_key().public_bytes_raw()


def sign(private: bytes, message: bytes) -> bytes:
    """Return an Ed25519 signature."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    return Ed25519PrivateKey.from_private_bytes(private).sign(message)


def is_signed(public: bytes, signature: bytes, message: bytes) -> bool:
    """Tell whether an Ed25519 signature is right."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True
