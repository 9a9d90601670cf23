"""The ways in which a provider may repeat a secret, written here by hand: the filter's own tables are not asked."""

from __future__ import annotations

import re
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Iterator

_ESCAPED = re.compile(rb"\\u([0-9a-fA-F]{4})|\\([\"\\/])|%([0-9a-fA-F]{2})")


def json_escaped(secret: bytes, every: int = 1, *, upper: bool = False) -> bytes:
    """Every n-th character as \\u00XX."""
    style = "\\u%04X" if upper else "\\u%04x"
    return b"".join((style % sign).encode() if n % every == 0 else bytes((sign,)) for n, sign in enumerate(secret))


def percent(secret: bytes, every: int = 1, *, upper: bool = False) -> bytes:
    """Every n-th character as %XX."""
    style = "%%%02X" if upper else "%%%02x"
    return b"".join((style % sign).encode() if n % every == 0 else bytes((sign,)) for n, sign in enumerate(secret))


def forms(secret: bytes) -> dict[str, bytes]:
    """Every form of the contract, by name; of base64 only the letters that are the secret's alone."""
    found = {
        "raw": secret,
        "json slash": secret.replace(b"/", rb"\/"),
        "hex": secret.hex().encode(),
        "HEX": secret.hex().upper().encode(),
        "percent of what must be": re.sub(rb"[^A-Za-z0-9._~-]", lambda sign: b"%%%02X" % sign[0][0], secret),
    }
    for every in (1, 2, 3, len(secret)):
        for upper in (False, True):
            found[f"json {every} {upper}"] = json_escaped(secret, every, upper=upper)
            found[f"percent {every} {upper}"] = percent(secret, every, upper=upper)
    for before in range(3):
        first = -(-8 * before // 6)
        whole = 8 * (before + len(secret)) // 6
        for name, encode in (("base64", b64encode), ("base64url", urlsafe_b64encode)):
            found[f"{name} {before}"] = encode(b"\xa5" * before + secret + b"\xa5\xa5")[first:whole]
    return found


def readings(data: bytes) -> Iterator[bytes]:
    """Yield a text as it is, and as who undoes its escapes, hex or base64 reads it: where a secret could be found."""
    yield data
    yield _ESCAPED.sub(lambda found: bytes((int((found[1] or found[3] or b"%x" % found[2][0])[-2:], 16),)), data)
    for run in re.findall(rb"[0-9a-fA-F]{16,}", data):
        for shift in (0, 1):
            part = run[shift:]
            yield bytes.fromhex(part[: len(part) // 2 * 2].decode())
    for run in re.findall(rb"[A-Za-z0-9+/_-]{10,}", data):
        text = run.replace(b"-", b"+").replace(b"_", b"/")
        for shift in range(4):
            yield _from_base64(text[shift:])


def _from_base64(text: bytes) -> bytes:
    from base64 import b64decode

    return b64decode(text[: len(text) // 4 * 4])


def shows(data: bytes, secret: bytes) -> str:
    """Return in which form data holds a secret, "" where it holds it in none."""
    lower = data.lower()
    for name, form in forms(secret).items():
        if form in data or (name in ("hex", "HEX") and form.lower() in lower):
            return name
    return "some mix" if any(secret in reading for reading in readings(data)) else ""
