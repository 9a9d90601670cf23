"""Sealed records beside a vault: what was taken away and may be brought back until its time is over.

One file a record in a folder of the home, 0600, sealed under the vault key and bound to its name, which begins with
when its time is over (seconds since 1970). It is on the disk when `write` returns.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from aikeys import sealing
from aikeys.errors import Damaged
from aikeys.storage import folders
from aikeys.storage.canonical import pack

if TYPE_CHECKING:
    from aikeys.vault.opening import Opened

_SUFFIX = ".sealed"
_LARGEST = 16 << 20


class SealedRecords(NamedTuple):
    """The records of one kind: `kind` is the folder's name, and part of what each is sealed with."""

    home: str
    kind: str

    def write(self, opened: Opened, until_s: int, plain: bytes) -> str:
        """Put a record on the disk and return its name; MachineFailed."""
        folder = os.path.join(self.home, self.kind)
        folders.make(folder)
        name = f"{until_s}-{os.urandom(6).hex()}{_SUFFIX}"
        nonce = os.urandom(sealing.NONCE_BYTES)
        folders.write_kept(
            folder, name, sealing.seal(opened.vault_key.reveal(), nonce, plain, self._context(opened, name))
        )
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        return name

    def read(self, opened: Opened) -> Iterator[tuple[str, bytes]]:
        """Yield names and contents, the one that ends last first; Damaged for one that this vault did not write."""
        for name in self._names():
            data = folders.read_kept(os.path.join(self.home, self.kind), name, _LARGEST, private=True)
            if data is None:
                continue
            try:
                yield name, sealing.unseal(opened.vault_key.reveal(), data, self._context(opened, name))
            except Damaged:
                path = os.path.join(self.home, self.kind, name)
                hint = "it was edited, or is of another vault key: remove it"
                raise Damaged(f"{path} cannot be opened", hint) from None

    def forget(self, name: str) -> None:
        """Delete a record."""
        with suppress(FileNotFoundError):
            os.unlink(os.path.join(self.home, self.kind, name))

    def forget_old(self, now_s: int) -> None:
        """Delete the records whose time is over."""
        for name in self._names():
            until = name.partition("-")[0]
            if until.isdigit() and int(until) <= now_s:
                self.forget(name)

    def _names(self) -> list[str]:
        try:
            found = os.listdir(os.path.join(self.home, self.kind))
        except OSError:  # there is none, or what is there is no folder
            return []
        return sorted((name for name in found if name.endswith(_SUFFIX)), reverse=True)

    def _context(self, opened: Opened, name: str) -> bytes:
        return pack(f"aikeys/1/{self.kind}", opened.rows.header.vault_id, name)
