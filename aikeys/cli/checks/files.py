"""Checks of the files that this home keeps: who owns, writes and reads them, and whether the reserve is there."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING

from aikeys.cli.checks.check import Check
from aikeys.errors import AikeysError

if TYPE_CHECKING:
    from aikeys.vault.opening import Place


_KEPT = (
    "config.toml",
    "prices.jsonl",
    "prices-fetched.jsonl",
    "login.json",
    "allowed.json",
    "ballast",
    "ballast-for-revoking",
    "vault.db",
    "vault.db-journal",
)
_OF_THE_LEDGER = ("ledger.db", "ledger.db-wal", "ledger.db-shm")


def _kept(where: Place) -> Iterator[str]:
    """Yield the places of all files that decide something, whether or not they are there."""
    yield from (os.path.join(where.home, name) for name in _KEPT)
    yield from (os.path.join(where.ledger_directory, name) for name in _OF_THE_LEDGER)
    with suppress(OSError):
        yield from sorted(entry.path for entry in os.scandir(where.ledger_directory) if entry.name.endswith(".lock"))


def _folders(where: Place) -> Iterator[Check]:
    """Yield why the home, or the ledger's folder, is no place that only its owner can change."""
    from aikeys.storage import files, folders

    for folder in dict.fromkeys((where.home, where.ledger_directory)):
        try:
            status = files.status_of(folder)
            if status is None:
                continue
            folders.refuse_unfit(folder)
        except AikeysError as error:
            yield Check("files", error.message, error.hint)
            continue
        if files.is_readable_by_others(status):
            yield Check("files", f"{folder} can be read by others", f"chmod 700 {files.quoted(folder)}")


def _file(path: str) -> Iterator[Check]:
    """Yield what is wrong with a file that the home keeps."""
    from aikeys.storage import files

    try:
        status = files.status_of(path)
    except AikeysError as error:
        yield Check("files", error.message, error.hint)
        return
    if status is None:
        return
    if found := files.fault(path, status):
        yield Check("files", found.message, found.hint)
    elif files.is_unreadable(path, status):
        yield Check("files", f"{path} cannot be read: permission denied", f"chmod 600 {files.quoted(path)}")
    elif files.is_readable_by_others(status) and not path.endswith("config.toml"):
        yield Check("files", f"{path} can be read by others", f"chmod 600 {files.quoted(path)}")


def file_checks(where: Place) -> Iterator[Check]:
    """Yield which files others own, can write or read, or are none, and whether the reserve is there."""
    from shlex import quote

    from aikeys.cli import authority
    from aikeys.storage import ballast
    from aikeys.vault.unlock import key_file

    yield from _folders(where)
    for path in _kept(where):
        yield from _file(path)
    given = os.environ.get("AIKEYS_PASSPHRASE_FILE", "")
    if given and os.path.isfile(given) and key_file.readable_by_others(given):
        yield Check("passphrase file", f"{given} can be read by others", f"chmod 600 {quote(given)}")
    if os.path.exists(where.vault.path) and not authority.is_holder() and not ballast.is_there(where.home):
        finding = "a reserve that lets calls be recorded and keys be revoked on a full disk is missing"
        yield Check("ballast", finding, "make room on the disk; the next change of the vault makes it again")
