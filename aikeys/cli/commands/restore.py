"""`aikeys restore`: bring a backup back."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated

import typer

from aikeys.cli import home, terminal
from aikeys.cli.help import epilog, new_app
from aikeys.cli.render.counted import counted
from aikeys.errors import Cancelled

if TYPE_CHECKING:
    from aikeys.vault.format import Rows
    from aikeys.vault.opening import Opened

app = new_app()
_EXAMPLES = (("aikeys restore ~/usb/aikeys-2026-11.backup", "in place of the vault that is here"),)


@app.command(epilog=epilog(_EXAMPLES, (0, 1, 2, 3, 10, 11, 12, 13, 14, 20, 21)))
def restore(
    file: Annotated[str, typer.Argument(metavar="FILE", help="What aikeys backup wrote.")],
    keep_tokens: Annotated[
        bool, typer.Option("--keep-tokens", help="Keep tokens, those of the backup too, but for revoked ones.")
    ] = False,
) -> None:
    """Bring a backup back in place of the vault that is here.

    Its unlock methods are those of the day it was made; tokens are revoked. Also the way on after a vault or its ledger
    was lost or damaged. Asks before it replaces a vault; without a terminal give --yes.
    """
    from aikeys.vault.backup import read_backup
    from aikeys.vault.backup import restore as bring_back
    from aikeys.vault.unlock.order import open_rows

    where = home.place()
    backup = os.path.abspath(file)
    read_backup(backup)  # before anybody is asked
    if (
        where.vault.exists
        and not terminal.options.yes
        and not terminal.confirm(f"Replace the vault in {where.home} by {file}?")
    ):
        raise Cancelled("nothing was restored")

    def unlock(rows: Rows) -> Opened:
        return open_rows(rows, home.means()).opened

    restored = bring_back(where, backup, unlock, keep_tokens=keep_tokens)
    if restored.aside:
        terminal.warn(f"the damaged vault was moved to {restored.aside}")
    terminal.say(f"restored {counted(len(restored.opened.rows.keys), 'key')}")
    if restored.revoked:
        terminal.say(f"revoked {counted(restored.revoked, 'token')}; issue anew what is needed: aikeys token issue")
