"""Responsible for unpacking a reply a bounded piece at a time (pure): a small body can hold gigabytes.

No packed reply is asked for; gzip and deflate are understood because some send them all the same.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator

_PIECE_BYTES = 1 << 16
_WINDOWS = {"gzip": 16 + zlib.MAX_WBITS, "x-gzip": 16 + zlib.MAX_WBITS, "deflate": zlib.MAX_WBITS}


class NotUnpacked(ValueError):
    """A reply is packed in a way that is not understood, or not as it says."""


class Unpacker:
    """Unpacks one body. `is_whole`: what came is not the beginning of more."""

    def __init__(self, encoding: str) -> None:
        self._encoding = encoding
        self._inflate = zlib.decompressobj(_WINDOWS[encoding])
        self._has_begun = False
        self.is_whole = True

    def __call__(self, raw: bytes) -> Iterator[bytes]:
        """Yield what the next bytes hold; NotUnpacked."""
        if not self._has_begun and raw and self._encoding == "deflate" and raw[0] & 0x0F != 8:
            self._inflate = zlib.decompressobj(-zlib.MAX_WBITS)  # some send it without the header of RFC 1950
        self._has_begun = self._has_begun or bool(raw)
        while raw:
            if self._inflate.eof:  # another member follows (RFC 1952)
                self._inflate = zlib.decompressobj(_WINDOWS[self._encoding])
            try:
                piece = self._inflate.decompress(raw, _PIECE_BYTES)
            except zlib.error:
                raise NotUnpacked("the reply is compressed in a way that cannot be read") from None
            raw = self._inflate.unconsumed_tail or self._inflate.unused_data
            if piece:
                yield piece
            elif not raw:
                break
        self.is_whole = self._inflate.eof


def unpacker(encoding: str) -> Unpacker | None:
    """Return what unpacks a body with this Content-Encoding, None where it is not packed; NotUnpacked."""
    name = encoding.strip().lower()
    if name in ("", "identity"):
        return None
    if name not in _WINDOWS:
        raise NotUnpacked("the reply is compressed in a way that was not asked for")
    return Unpacker(name)
