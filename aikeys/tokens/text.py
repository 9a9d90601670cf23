"""The text of a token: `aik_`, 76 base62 digits of id, vault fingerprint and secret, 6 of their CRC-32.

A secret scanner recognises it, and a typo is told before anything is looked up.
"""

from zlib import crc32

from aikeys.errors import TokenRefused
from aikeys.secret import TOKEN_PREFIX, Secret
from aikeys.storage.canonical import sha256
from aikeys.storage.record import NamedTuple

PREFIX = TOKEN_PREFIX
ID_BYTES, FINGERPRINT_BYTES, SECRET_BYTES = 8, 16, 32
_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_VALUES = {digit: value for value, digit in enumerate(_DIGITS)}
_BODY_DIGITS, _CHECK_DIGITS = 76, 6
LENGTH = len(PREFIX) + _BODY_DIGITS + _CHECK_DIGITS
_HINT = "copy the whole token again, from aik_ to its last character"


class TokenText(NamedTuple):
    """A token taken apart. `id` and `fingerprint` are no secrets."""

    id: bytes
    fingerprint: bytes
    secret: Secret

    @property
    def name(self) -> str:
        """Return the id as it is shown."""
        return self.id.hex()


def fingerprint(signing_public: bytes) -> bytes:
    """Return the 128 bits of a vault's signing key that stand in its tokens."""
    return sha256(b"aikeys/1/vault-fingerprint" + signing_public)[:FINGERPRINT_BYTES]


def written(token: TokenText) -> str:
    """Return the text of a token: the secret itself."""
    body = _digits(int.from_bytes(token.id + token.fingerprint + token.secret.reveal(), "big"), _BODY_DIGITS)
    return PREFIX + body + _check(body)


def read(text: str) -> TokenText:
    """Take a token apart, white space around it aside; TokenRefused (21) for a typo, without repeating the text."""
    text = text.strip()
    if not text.startswith(PREFIX):
        raise TokenRefused("this is not a token of aikeys: tokens begin with aik_", _HINT)
    if len(text) != LENGTH:
        raise TokenRefused(
            f"the token has {len(text)} characters instead of {LENGTH}: a part is missing or doubled", _HINT
        )
    body, check = text[len(PREFIX) : -_CHECK_DIGITS], text[-_CHECK_DIGITS:]
    if _check(body) != check:
        raise TokenRefused("the token has a typo: its checksum is wrong", _HINT)
    try:
        raw = _number(body).to_bytes(ID_BYTES + FINGERPRINT_BYTES + SECRET_BYTES, "big")
    except (KeyError, OverflowError):
        raise TokenRefused("the token has a typo: a character that cannot be there", _HINT) from None
    return TokenText(raw[:ID_BYTES], raw[ID_BYTES:-SECRET_BYTES], Secret(raw[-SECRET_BYTES:]))


def _check(body: str) -> str:
    return _digits(crc32((PREFIX + body).encode("utf-8", "replace")), _CHECK_DIGITS)


def _digits(number: int, count: int) -> str:
    digits = []
    for _ in range(count):
        number, digit = divmod(number, 62)
        digits.append(_DIGITS[digit])
    return "".join(reversed(digits))


def _number(digits: str) -> int:
    number = 0
    for digit in digits:
        number = number * 62 + _VALUES[digit]
    return number
