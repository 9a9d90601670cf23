"""The home as commands use it: where it is, how it may be opened, what was typed."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from aikeys import clock
from aikeys.cli import terminal
from aikeys.errors import BadConfiguration, Cancelled, Damaged, MachineFailed, NotFound, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from aikeys.ledger.store import Ledger
    from aikeys.names import Label
    from aikeys.providers.catalogue import Provider
    from aikeys.secret import Secret
    from aikeys.vault.format import Rows
    from aikeys.vault.opening import Opened, Place
    from aikeys.vault.unlock.order import UnlockedBy, UnlockInputs

_INVISIBLE = "\ufeff\u200b"  # a byte order mark, and what copying from a web page leaves behind
_WHITE = " \t\n\r\v\f"


def place() -> Place:
    """Return where the vault and the ledger live: --home, AIKEYS_HOME, or the user's data directory."""
    from aikeys.vault.opening import place_of

    return place_of(folder(), os.environ.get("AIKEYS_LEDGER"))


def folder() -> str:
    """Return the home's directory."""
    chosen = terminal.options.home or default_home(os.environ)
    try:
        return os.path.abspath(chosen)
    except FileNotFoundError:
        raise NotFound("the current folder was deleted, and --home is below it", "give the whole path") from None


def ledger(*, of_any_vault: bool = False) -> Ledger:
    """Return the ledger for what needs no vault; Damaged where the vault that is here names another one.

    Most of the vault's modules stay unloaded: a report starts faster.
    """
    from aikeys.ledger.store import FOREIGN_HINT, Ledger

    found = Ledger(os.path.abspath(os.environ.get("AIKEYS_LEDGER") or folder()))
    of_any_vault = of_any_vault or bool(os.environ.get("AIKEYS_TOKEN", "").strip())  # a copy has a ledger of its own
    if not of_any_vault and found.exists and _named_ledger() not in (None, found.open().ledger_id):
        raise Damaged(f"{found.path} belongs to another vault", FOREIGN_HINT)
    return found


def present_ledger(*, of_any_vault: bool = False) -> Ledger:
    """Return the same, opened; NotFound without one, Damaged where the vault that is here has lost it."""
    from aikeys.ledger.store import MISSING_HINT

    found = ledger(of_any_vault=of_any_vault)
    if found.exists:
        return found.open()
    if _named_ledger() is not None:
        raise Damaged(
            f"the ledger of this vault is missing: {found.path}",
            "put an unchanged copy of ledger.db back; without one: aikeys ledger import --new-ledger",
        )
    raise NotFound(f"there is no ledger at {found.path}", MISSING_HINT)


def _named_ledger() -> bytes | None:
    """Return the id of the ledger that the vault in the home names, None without a vault; raises Damaged."""
    from aikeys.storage.files import is_there

    if not is_there(os.path.join(folder(), "vault.db")):
        return None
    from aikeys.vault.store import VaultFile

    return VaultFile(folder()).ledger_id()


def default_home(environ: Mapping[str, str]) -> str:
    """Return AIKEYS_HOME, or where the user's data belongs on this system; an empty variable counts as unset."""
    chosen = environ.get("AIKEYS_HOME")
    if chosen:
        return os.path.abspath(os.path.expanduser(chosen))
    if sys.platform != "linux":
        from platformdirs import user_data_dir

        return user_data_dir("aikeys", appauthor=False)
    data = environ.get("XDG_DATA_HOME", "")
    if not os.path.isabs(data):  # the XDG rules: a relative path is ignored
        data = os.path.join(environ.get("HOME") or os.path.expanduser("~"), ".local", "share")
    return os.path.join(data, "aikeys")


def means(*, data_on_stdin: bool = False, before_asking: Callable[[], object] = lambda: None) -> UnlockInputs:
    """Return how the vault may be opened now; without a terminal nothing is asked."""
    from aikeys.vault.unlock.order import UnlockInputs

    def ask(question: str) -> str:
        before_asking()
        return terminal.ask_hidden(question, data_on_stdin=data_on_stdin)

    return UnlockInputs(os.environ, ask if terminal.can_ask(data_on_stdin=data_on_stdin) else None)


def unlock(
    where: Place,
    *,
    data_on_stdin: bool = False,
    ledger: Ledger | None = None,
    check: Callable[[Rows], object] = lambda _rows: None,
    is_lasting: bool = False,
) -> UnlockedBy:
    """Check and open the vault. A ledger that is given stays open for what is done next.

    `check` looks at the rows before anything is asked, so that nobody types a passphrase for a name that is wrong.
    `is_lasting`: what is opened stays open, so nothing is said of `aikeys unlock`.
    """
    from aikeys.vault.opening import picture
    from aikeys.vault.unlock.order import open_rows

    rows = picture(where, ledger)
    asked: list[object] = []
    opened = open_rows(
        rows, means(data_on_stdin=data_on_stdin, before_asking=lambda: asked.append(asked or check(rows)))
    )
    if asked and not is_lasting:
        terminal.say("to type it once for eight hours: aikeys unlock")
    return opened


def unlock_to_take_away(where: Place) -> tuple[Place, Opened]:
    """Check and open the vault for what only takes access away: a ledger that is of no use is no reason to stop.

    Returns where to write it. Raises Damaged where the vault itself is, or is older than its ledger has seen.
    """
    from aikeys.vault.opening import LedgerMissing, NotRecorded, picture, picture_without_ledger, without_ledger
    from aikeys.vault.unlock.order import open_rows

    try:
        rows = picture(where)
    except NotRecorded:
        raise
    except (Damaged, MachineFailed, BadConfiguration) as error:  # the last: its ledger is one that others can write
        rows = picture_without_ledger(where)
        terminal.warn(error.message)
        if not isinstance(error, LedgerMissing | MachineFailed):
            where = without_ledger(where)
    return where, open_rows(rows, means()).opened


def catalogue(where: Place) -> dict[str, Provider]:
    """Return the providers, those of config.toml included."""
    from aikeys import config
    from aikeys.providers.catalogue import load

    settings = config.load(where.home)
    return load(settings.providers, settings.reported)


def read_secret(question: str, *, from_stdin: bool) -> Secret:
    """Read a key from stdin or a hidden question; what stands around it unseen is taken off, and that is said."""
    from aikeys.providers.recognition import assigned, unfit
    from aikeys.secret import Secret

    way = "pipe it in with --stdin"
    data = terminal.read_stdin_secret() if from_stdin else terminal.ask_hidden(question, instead=way).encode()
    try:
        text = data.decode()
    except UnicodeDecodeError:
        raise UsageError("the key is not text in UTF-8", "check what was piped in") from None
    key = text.strip(_INVISIBLE + _WHITE)
    if not key and not from_stdin:
        raise Cancelled("no key was typed", "type it at the question, or pipe it in with --stdin")
    if not key:
        raise UsageError("the key is empty", "pipe it in with --stdin, or type it at the question")
    if reason := unfit(key):
        raise UsageError(f"the key {reason}", "give one key at a time")
    name, value = assigned(key)
    if value and not from_stdin and terminal.confirm(f"This begins with {name}=. Take only what comes after it?", True):
        key = value
    around = text.replace(key, "", 1)
    if any(mark in around for mark in _INVISIBLE):
        terminal.say("an invisible mark (U+FEFF or U+200B) around the key was taken off")
    elif len(around) > (1 if from_stdin and around.endswith("\n") else 0):
        terminal.say("white space around the key was taken off")
    return Secret(key.encode())


def duration_s(text: str) -> int:
    """Return a duration such as 24h, 90d or 30m in seconds; raises UsageError."""
    found_s = clock.duration_s(text)
    if found_s is None:
        raise UsageError(f"{terminal.printable(text)} is not a duration", "write 30m, 24h, 90d or 12w")
    return found_s


def date_s(text: str) -> int:
    """Return the end of a day such as 2027-03-31 (UTC) in seconds since 1970; raises UsageError."""
    from datetime import UTC, datetime, timedelta

    try:
        day = datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
        return int((day + timedelta(days=1)).timestamp())
    except (ValueError, OverflowError):
        raise UsageError(f"{terminal.printable(text)} is not a date", "write it as 2027-03-31") from None


def labels_text(**given: Label | None) -> str:
    """Return labels in their stored form: one `name=value` a line, sorted."""
    return "\n".join(f"{name}={value}" for name, value in sorted(given.items()) if value)


def labels_of(text: str) -> dict[str, Label]:
    """Return stored labels by name."""
    return dict(line.split("=", 1) for line in text.splitlines() if "=" in line)  # type: ignore[return-value]  # checked when stored


def is_interactive() -> bool:
    """Tell whether a person sits at a terminal."""
    return sys.stdin is not None and terminal.can_ask()
