"""New ways to open a vault, asked for or made, and what is to be done about those that are gone."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from aikeys.cli import terminal
from aikeys.errors import AikeysError, UsageError
from aikeys.vault.unlock.methods import KEY_FILE, PASSPHRASE, RECOVERY, NewMethod

if TYPE_CHECKING:
    from aikeys.vault.format import Rows
    from aikeys.vault.opening import Opened

_SHORT_PASSPHRASE = 12


def new_passphrase(new_file: str = "", *, from_environment: bool = True) -> str:
    """Return a new passphrase: from a file, from the environment, or asked for twice."""
    from aikeys.vault.unlock.order import given_passphrase, read_passphrase_file

    if new_file == "-":
        text = terminal.read_stdin_secret().decode("utf-8", "surrogateescape").removesuffix("\n").removesuffix("\r")
    elif new_file:
        text = read_passphrase_file(new_file)
    else:
        text = (given_passphrase(os.environ) if from_environment else "") or ""
        if not text:
            way = "name its file with AIKEYS_PASSPHRASE_FILE" if from_environment else "name its file with --new-file"
            text = _typed_twice(way)
    if not text:
        raise UsageError("the passphrase is empty", "choose a passphrase of several words")
    if len(text) < _SHORT_PASSPHRASE:
        terminal.warn(f"a passphrase under {_SHORT_PASSPHRASE} characters can be guessed from a copy of the vault")
    return text


def _typed_twice(way: str) -> str:
    """Return a new passphrase that was typed twice; two that differ are asked for again, three times in all."""
    for left in (2, 1, 0):
        text = terminal.ask_hidden("New passphrase", instead=way)
        if terminal.ask_hidden("The same again", instead=way) == text:
            return text
        if left:
            terminal.say("the two passphrases differ; type both again")
    raise UsageError("the two passphrases differ", "try again")


def passphrase_method(text: str) -> NewMethod:
    """Return the unlock method of a passphrase."""
    from aikeys.sealing import STANDARD
    from aikeys.vault.unlock.methods import passphrase_bytes

    return NewMethod(PASSPHRASE, "", passphrase_bytes(text), STANDARD)


def key_file_method(path: str) -> NewMethod:
    """Return the unlock method of a key file, made where there is none."""
    from aikeys.vault.unlock import key_file

    path = os.path.abspath(os.path.expanduser(path))
    if os.path.exists(path):
        secret = key_file.read(path).reveal()
    else:
        secret = os.urandom(32)
        key_file.create(path, secret)
        terminal.say(f"made the key file {path}: whoever has it and the vault has the keys")
    return NewMethod(KEY_FILE, path, secret)


def new_recovery() -> tuple[str, NewMethod]:
    """Return a recovery code and its unlock method."""
    from aikeys.vault.unlock.recovery_code import encode

    entropy = os.urandom(20)
    return encode(entropy), NewMethod(RECOVERY, "", entropy)


def show_recovery(code: str) -> None:
    """Show a recovery code, once, before it opens a vault; MachineFailed where it cannot be written."""
    terminal.say("recovery code: write it down and keep it away from this machine; it is shown this once:")
    terminal.out(code)
    terminal.flush()


def end_session(opened: Opened) -> None:
    """End a session of `aikeys unlock`: the vault's key has changed."""
    from aikeys.vault.unlock import kernel_keyring

    if kernel_keyring.drop(opened.rows.header.vault_id.hex()):
        terminal.say("the unlocked session has ended; again: aikeys unlock")


def forget_removed(before: Rows, after: Rows) -> None:
    """Delete the OS keyring's entry of a method that is gone; best effort, the entry opens nothing now."""
    from aikeys.vault.unlock import os_keyring
    from aikeys.vault.unlock.order import entry_name

    kept = {method.id for method in after.methods}
    for method in before.methods:
        if method.kind == "keyring" and method.id not in kept:
            try:
                os_keyring.delete(method.place, entry_name(before.header, method))
            except AikeysError as error:
                terminal.detail(f"the old keyring entry stays: {error.message}")
