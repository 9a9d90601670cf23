"""A new vault, by `aikeys init` or offered where a command finds none."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from aikeys.cli import home, terminal
from aikeys.cli.keys.unlock_methods import (
    key_file_method,
    new_passphrase,
    new_recovery,
    passphrase_method,
    show_recovery,
)
from aikeys.config import CONFIG_FILE
from aikeys.errors import BadConfiguration, Cancelled, ExistsAlready, UsageError
from aikeys.vault.unlock.methods import KEYRING, NewMethod

if TYPE_CHECKING:
    from aikeys.vault.opening import Opened, Place


def require_or_offer(where: Place) -> Opened | None:
    """Make sure that there is a vault; one that was wanted and made just now is returned open."""
    from aikeys.vault.opening import is_bereft, require_vault

    if where.vault.exists:
        return None
    is_offered = home.is_interactive() and not is_bereft(where)
    if is_offered and terminal.confirm("There is no vault yet. Make one?", True):
        return make()
    require_vault(where)
    return None


def make(*, passphrase: bool = False, keyring: bool = False, key_file: str = "") -> Opened:
    """Make the vault and return it open."""
    from aikeys.vault.setup import make_vault

    if passphrase + keyring + bool(key_file) > 1:
        raise UsageError("choose one of --passphrase, --keyring and --key-file", "add others: aikeys unlock-method add")
    where = home.place()
    if where.vault.exists:
        raise ExistsAlready(f"there is a vault in {where.home} already", "add a key: aikeys add NAME")
    _ask_if_bereft(where)
    is_new_file = bool(key_file) and not os.path.exists(os.path.expanduser(key_file))
    methods, backend = _choose(passphrase=passphrase, keyring=keyring, key_file=key_file)
    code = ""
    if home.is_interactive():
        code, recovery = new_recovery()
        methods.append(recovery)

    def prepare(opened: Opened) -> None:
        if backend:
            from aikeys.vault.unlock import os_keyring
            from aikeys.vault.unlock.order import entry_name

            name = entry_name(opened.rows.header, opened.rows.methods[0])
            os_keyring.store(backend, name, methods[0].secret)

    try:
        if code:  # first: a code that nobody has seen opens nothing
            show_recovery(code)
        opened = make_vault(where, methods, prepare)
    except BaseException:
        if is_new_file and not where.vault.exists:  # it opens nothing
            os.unlink(methods[0].place)
            terminal.say(f"removed the key file {methods[0].place} again")
        raise
    terminal.say(f"made a vault in {where.home}, opened by {' and '.join(method.kind for method in methods)}")
    terminal.say(f"its ledger: {where.ledger.path}; settings go into {os.path.join(where.home, CONFIG_FILE)}")
    if not code:
        terminal.say("no recovery code was made; make one: aikeys unlock-method add recovery")
    terminal.say("next: aikeys import takes the keys of .env files over, aikeys add NAME asks for one")
    return opened


def _ask_if_bereft(where: Place) -> None:
    """A ledger whose vault is missing gets another one only from who says so: the keys of the old one are not in it."""
    from aikeys.vault.opening import is_bereft

    question = (
        f"The vault of the ledger {where.ledger.path} is missing (aikeys restore FILE brings back a backup). "
        "Make a new, empty vault for this ledger?"
    )
    if is_bereft(where) and not terminal.confirm(question):
        raise Cancelled("no vault was made", "aikeys restore FILE brings back a backup of the missing one")


def _choose(*, passphrase: bool, keyring: bool, key_file: str) -> tuple[list[NewMethod], str]:
    """Return the unlock methods and, for the OS keyring, its backend."""
    if key_file:
        return [key_file_method(key_file)], ""
    if not passphrase:
        from aikeys.vault.unlock.os_keyring import WorkingStore, probe

        found = probe()
        if isinstance(found, WorkingStore):
            return [NewMethod(KEYRING, found.backend, os.urandom(32))], found.backend
        if keyring:
            raise BadConfiguration(f"the OS keyring cannot be used: {found.reason}", "use --passphrase or --key-file")
        terminal.say(f"no OS keyring ({found.reason}): using a passphrase")
    return [passphrase_method(new_passphrase())], ""
