"""`aikeys unlock-method`: the ways to open the vault."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated

import typer

from aikeys import clock
from aikeys.cli import access, home, terminal
from aikeys.cli.help import epilog, new_app
from aikeys.errors import BadConfiguration, ExistsAlready, UsageError

if TYPE_CHECKING:
    from aikeys.vault.opening import Opened
    from aikeys.vault.unlock.methods import NewMethod

app = new_app()
_ADD = (
    ("aikeys unlock-method add recovery", "a code for the day everything else is lost"),
    ("aikeys unlock-method add key-file ~/aikeys.key", "a file, made if need be"),
)
_REMOVE = (("aikeys unlock-method remove keyring", "and give the vault a new key"),)


@app.callback(epilog=epilog(_ADD[:1], (3, 10, 11, 12, 13, 14, 15, 20, 21)))
def unlock_method() -> None:
    """List, add and remove ways to unlock the vault."""


@app.command(
    "list", epilog=epilog((("aikeys unlock-method list", "the ways to open it"),), (0, 10, 12, 13, 14, 20, 21))
)
def list_(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """List the ways to open the vault."""
    from aikeys.cli.render.json_text import document
    from aikeys.cli.render.table import table

    rows, authenticated = access.look(home.place())
    known = [
        {
            "id": method.id.hex(),
            "kind": method.kind,
            "place": method.place or None,
            "created_at": clock.rfc3339(method.created_at),
        }
        for method in rows.methods
    ]
    if as_json:
        terminal.out(document("aikeys.unlock-methods/1", unlock_methods=known, authenticated=authenticated))
        return
    lines = [[str(row["id"]), str(row["kind"]), str(row["place"] or ""), str(row["created_at"])] for row in known]
    terminal.out_styled(table(("ID", "KIND", "PLACE", "SINCE"), lines))


@app.command(epilog=epilog(_ADD, (0, 2, 3, 10, 11, 12, 13, 14, 15, 20, 21)))
def add(
    kind: Annotated[str, typer.Argument(metavar="KIND", help="passphrase, keyring, recovery or key-file.")],
    path: Annotated[str, typer.Argument(metavar="[PATH]", help="The key file.")] = "",
    new_file: Annotated[str, typer.Option("--new-file", metavar="FILE|-", help="Where a new passphrase stands.")] = "",
) -> None:
    """Add a way to open the vault."""
    from aikeys.ledger.store import Act
    from aikeys.vault import changes
    from aikeys.vault.writing import write

    where = home.place()
    opened = home.unlock(where, data_on_stdin=new_file == "-").opened
    if kind == "keyring" and any(method.kind == kind for method in opened.rows.methods):
        raise ExistsAlready(
            "the vault has a keyring already",
            "where its entry was lost: aikeys unlock-method remove keyring, then add it again",
        )
    new, code = _new_method(kind, path, new_file)
    now = clock.now_s()
    act = Act("unlock-method-add", kind)

    def change(vault: Opened) -> Opened:
        changed = changes.add_method(vault, new, now, os.urandom)
        if kind == "keyring":
            from aikeys.vault.unlock import os_keyring
            from aikeys.vault.unlock.order import entry_name

            os_keyring.store(new.place, entry_name(vault.rows.header, changed.rows.methods[-1]), new.secret)
        return changed

    if code:  # first: a code that nobody has seen opens nothing
        from aikeys.cli.keys.unlock_methods import show_recovery

        show_recovery(code)
    write(where, opened, act, change)
    terminal.say(f"the vault opens by {kind}, too")


def _new_method(kind: str, path: str, new_file: str) -> tuple[NewMethod, str]:
    """Return the method and, for a recovery code, the code to show."""
    from aikeys.cli.keys import unlock_methods
    from aikeys.vault.unlock.methods import KEYRING, NewMethod
    from aikeys.vault.unlock.os_keyring import WorkingStore, probe

    if (kind == "key-file") != bool(path):
        raise UsageError("a path goes with key-file, and only with it", "aikeys unlock-method add key-file PATH")
    match kind:
        case "passphrase":
            return unlock_methods.passphrase_method(unlock_methods.new_passphrase(new_file)), ""
        case "key-file":
            return unlock_methods.key_file_method(path), ""
        case "recovery":
            code, method = unlock_methods.new_recovery()
            return method, code
        case "keyring":
            found = probe()
            if not isinstance(found, WorkingStore):
                raise BadConfiguration(f"the OS keyring cannot be used: {found.reason}", "choose another kind")
            return NewMethod(KEYRING, found.backend, os.urandom(32)), ""
        case _:
            raise UsageError(
                f"{terminal.printable(kind)} is not a kind of unlock method",
                "passphrase, keyring, recovery or key-file",
            )


@app.command(epilog=epilog(_REMOVE, (0, 2, 3, 10, 11, 12, 13, 14, 20, 21)))
def remove(
    which: Annotated[str, typer.Argument(metavar="ID|KIND", help="Its id, or its kind where there is one only.")],
    compromised: Annotated[
        bool, typer.Option("--compromised", help="Someone may have it: renew every key of the vault, too.")
    ] = False,
) -> None:
    """Remove a way to open the vault, and give the vault a new key. The last one stays.

    A copy of vault.db from before stays as it was: with it and what is removed here somebody opens the keys that it
    holds, and can sign tokens and the ledger as this vault. With --compromised signing key, gateway key and every data
    key are new as well, and only the unlock method you opened the vault with survives.
    """
    from aikeys.cli.keys.unlock_methods import end_session, forget_removed
    from aikeys.cli.tokens import register as token_register
    from aikeys.ledger.store import Act
    from aikeys.vault import changes
    from aikeys.vault.writing import write

    where = home.place()
    used = home.unlock(where)
    method = changes.find_method(used.opened.rows, which)

    def change(vault: Opened) -> Opened:
        vault = changes.remove_method(vault, method.id, os.urandom)
        if not compromised:
            return vault
        if used.secret is None or used.opened.method_id == method.id:
            raise UsageError(
                "open the vault with another unlock method than the one to remove",
                "aikeys lock, then give the other one",
            )
        return changes.renew_everything(vault, (used.opened.method_id, used.secret.reveal()), os.urandom)

    act = Act("unlock-method-remove", method.kind, "compromised" if compromised else "")
    gone = token_register.active(where, clock.now_s()) if compromised else []
    written = write(where, used.opened, act, change)
    end_session(written.opened)
    forget_removed(used.opened.rows, written.opened.rows)
    terminal.say(f"removed {method.kind}; the vault has a new key")
    if compromised:
        token_register.say_gone(gone)
        terminal.warn("the keys were readable: rotate each of them, and add other unlock methods again")
    else:
        terminal.say(
            f"whoever kept a copy of vault.db from before, and this {method.kind}, still opens the keys in it, and can "
            "sign tokens and the ledger as this vault; if somebody may have both: aikeys passphrase --compromised, and "
            "rotate each key"
        )
