"""The recovery code as people write it down: 160 bits as Crockford base32 with a checksum, in 7 groups of 5.

Rules: pure; a typo is told apart from a wrong code by the checksum; no message repeats what was typed.
"""

from __future__ import annotations

from aikeys.errors import WrongPassphrase
from aikeys.secret import Secret

ENTROPY_BYTES = 20
_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_ENTROPY_CHARS = 32
_CHECKSUM_CHARS = 3
_CHARS = _ENTROPY_CHARS + _CHECKSUM_CHARS
_GROUP = 5
_CHECKSUM_BITS = 5 * _CHECKSUM_CHARS
_READ_AS = str.maketrans("OIL", "011", "-‐‑‒–—−")  # word processors turn dashes into others


def encode(entropy: bytes) -> str:
    """Return the code of 20 random bytes: 32 characters and a checksum of 3, as XXXXX-XXXXX-…."""
    if len(entropy) != ENTROPY_BYTES:
        raise ValueError("a recovery code is made of 20 bytes")
    number = int.from_bytes(entropy, "big") << _CHECKSUM_BITS | _checksum(entropy)
    chars = "".join(_ALPHABET[number >> 5 * place & 31] for place in reversed(range(_CHARS)))
    return "-".join(chars[start : start + _GROUP] for start in range(0, _CHARS, _GROUP))


def looks_like(text: str) -> bool:
    """Say whether a text has a recovery code's form; the checksum is left to `decode`."""
    chars = _normal(text)
    return len(chars) == _CHARS and all(char in _ALPHABET for char in chars)


def decode(text: str) -> Secret:
    """Return the 20 bytes a code stands for; upper or lower case, spaces and dashes do not matter."""
    if not looks_like(text):
        raise WrongPassphrase(
            "this is not a recovery code",
            "a recovery code is 7 groups of 5 letters and digits; the letter U is not used",
        )
    number = 0
    for char in _normal(text):
        number = number << 5 | _ALPHABET.index(char)
    entropy = (number >> _CHECKSUM_BITS).to_bytes(ENTROPY_BYTES, "big")
    if number & (1 << _CHECKSUM_BITS) - 1 != _checksum(entropy):
        raise WrongPassphrase(
            "the recovery code has a typo: its checksum does not match",
            "compare it with what you wrote down, group by group, and type it again",
        )
    return Secret(entropy)


def _normal(text: str) -> str:
    return "".join(text.split()).upper().translate(_READ_AS)


def _checksum(entropy: bytes) -> int:
    from hashlib import sha256

    digest = sha256(b"aikeys recovery code" + entropy).digest()
    return int.from_bytes(digest[:2], "big") >> 16 - _CHECKSUM_BITS
