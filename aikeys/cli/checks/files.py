"""Checks of the files that this home keeps: who can read them, and whether the reserve is there."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

from aikeys.cli.checks.check import Check

if TYPE_CHECKING:
    from aikeys.vault.opening import Place


def file_checks(where: Place) -> Iterator[Check]:
    """Yield which files others can read, and whether the reserve is there."""
    from shlex import quote

    from aikeys.cli import authority
    from aikeys.storage import ballast
    from aikeys.vault.unlock import key_file

    for path in (where.home, where.vault.path, where.ledger.path):
        if key_file.readable_by_others(path):
            mode = "700" if os.path.isdir(path) else "600"
            yield Check("files", f"{path} can be read by others", f"chmod {mode} {quote(path)}")
    given = os.environ.get("AIKEYS_PASSPHRASE_FILE", "")
    if given and os.path.isfile(given) and key_file.readable_by_others(given):
        yield Check("passphrase file", f"{given} can be read by others", f"chmod 600 {quote(given)}")
    if not authority.is_bearer() and not ballast.is_there(where.home):
        finding = "the reserve that lets revoke work on a full disk is missing"
        yield Check("ballast", finding, "make room on the disk; the next change of the vault makes it again")
