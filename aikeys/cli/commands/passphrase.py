"""`aikeys passphrase`: change the passphrase. The vault gets a new key."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from aikeys import clock
from aikeys.cli import home, terminal
from aikeys.cli.help import epilog, new_app

app = new_app()
_EXAMPLES = (("aikeys passphrase", "ask for the new one"), ("aikeys passphrase --new-file -", "read it from stdin"))


@app.command(epilog=epilog(_EXAMPLES, (0, 2, 3, 10, 11, 12, 13, 14, 20, 21)))
def passphrase(
    new_file: Annotated[str, typer.Option("--new-file", metavar="FILE|-", help="Where the new one stands.")] = "",
    compromised: Annotated[
        bool, typer.Option("--compromised", help="Someone may know it: renew every key of the vault, too.")
    ] = False,
) -> None:
    """Change the passphrase.

    The vault gets a new key, so the old passphrase with an old copy of the vault opens nothing that is added later.
    With --compromised signing key, gateway key and every data key are new as well, and every other unlock method is
    removed: the keys' secrets themselves were readable, so rotate them.
    """
    from aikeys.cli.keys.unlock_methods import end_session, forget_removed, new_passphrase, passphrase_method
    from aikeys.cli.tokens import register as token_register
    from aikeys.ledger.store import Act
    from aikeys.vault import changes
    from aikeys.vault.opening import Opened
    from aikeys.vault.unlock.methods import PASSPHRASE
    from aikeys.vault.writing import write

    where = home.place()
    used = home.unlock(where, data_on_stdin=new_file == "-")
    text = new_passphrase(new_file, from_environment=False)
    new = passphrase_method(text)
    now = clock.now_s()

    def change(vault: Opened) -> Opened:
        kept = tuple(row for row in vault.rows.methods if row.kind != PASSPHRASE)
        vault = vault._replace(rows=vault.rows._replace(methods=kept))
        vault = changes.add_method(vault, new, now, os.urandom)
        if compromised:
            return changes.renew_everything(vault, (vault.rows.methods[-1].id, new.secret), os.urandom)
        return changes.rekey(vault, os.urandom)

    act = Act("passphrase", "vault", "compromised" if compromised else "")
    tokens = token_register.active(where, clock.now_s()) if compromised else []
    written = write(where, used.opened, act, change)
    end_session(written.opened)
    forget_removed(used.opened.rows, written.opened.rows)
    terminal.say("the passphrase is changed")
    if compromised:
        gone = sorted(row.kind for row in used.opened.rows.methods if row.kind != PASSPHRASE)
        terminal.say(f"removed, too: {', '.join(gone)}" if gone else "there was no other unlock method to remove")
        token_register.say_gone(tokens)
        terminal.warn("the keys were readable: rotate each of them, and add other unlock methods again")
