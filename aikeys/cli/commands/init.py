"""`aikeys init`: make a vault and the ways to open it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated

import typer

from aikeys.cli import home, terminal
from aikeys.cli.help import epilog, new_app
from aikeys.errors import BadConfiguration, Cancelled, ExistsAlready, Usage
from aikeys.vault.unlock.methods import KEY_FILE, KEYRING, PASSPHRASE, RECOVERY, NewMethod

if TYPE_CHECKING:
    from aikeys.vault.opening import Opened, Place

app = new_app()
_EXAMPLES = (
    ("aikeys init", "use the OS keyring where it works, else ask for a passphrase"),
    ("aikeys init --key-file ~/.config/aikeys.key", "for a machine that runs on its own"),
)
_SHORT_PASSPHRASE = 12


@app.command(epilog=epilog(_EXAMPLES, (0, 2, 3, 13, 14, 15, 20, 21)))
def init(
    passphrase: Annotated[bool, typer.Option("--passphrase", help="Open the vault with a passphrase.")] = False,
    keyring: Annotated[bool, typer.Option("--keyring", help="Open the vault with the OS keyring.")] = False,
    key_file: Annotated[
        str, typer.Option(metavar="PATH", help="Open the vault with a key file, made if need be.")
    ] = "",
) -> None:
    """Make a vault.

    Without a choice the OS keyring is used where it works, else a passphrase: from AIKEYS_PASSPHRASE_FILE or
    AIKEYS_PASSPHRASE, or asked for. On a terminal a recovery code is made and shown once. Beside a ledger whose vault
    is missing it asks first; without a terminal give --yes.
    """
    make(passphrase=passphrase, keyring=keyring, key_file=key_file)


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
        raise Usage("choose one of --passphrase, --keyring and --key-file", "add others: aikeys unlock-method add")
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
    if not code:
        terminal.say("no recovery code was made; make one: aikeys unlock-method add recovery")
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
        from aikeys.vault.unlock.os_keyring import Found, probe

        found = probe()
        if isinstance(found, Found):
            return [NewMethod(KEYRING, found.backend, os.urandom(32))], found.backend
        if keyring:
            raise BadConfiguration(f"the OS keyring cannot be used: {found.reason}", "use --passphrase or --key-file")
        terminal.say(f"no OS keyring ({found.reason}): using a passphrase")
    return [passphrase_method(new_passphrase())], ""


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
            text = terminal.ask_hidden("New passphrase", instead=way)
            if terminal.ask_hidden("The same again", instead=way) != text:
                raise Usage("the two passphrases differ", "try again")
    if not text:
        raise Usage("the passphrase is empty", "choose a passphrase of several words")
    if len(text) < _SHORT_PASSPHRASE:
        terminal.warn(f"a passphrase under {_SHORT_PASSPHRASE} characters can be guessed from a copy of the vault")
    return text


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
