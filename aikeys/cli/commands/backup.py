"""`aikeys backup`: one encrypted file."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from aikeys.cli import home, terminal
from aikeys.cli.help import epilog, new_app
from aikeys.cli.render.counted import counted
from aikeys.errors import UsageError

app = new_app()
_EXAMPLES = (
    ("aikeys backup ~/usb/aikeys-2026-11.backup", "then try it: aikeys --home /tmp/try restore FILE"),
    ("aikeys backup - | ssh nas 'cat > aikeys.backup'", "into a pipe"),
)


@app.command(epilog=epilog(_EXAMPLES, (0, 1, 2, 10, 13, 14, 15, 20, 21)))
def backup(file: Annotated[str, typer.Argument(metavar="FILE", help="A new file; - for standard output.")]) -> None:
    """Write an encrypted backup: the vault as it is, opened by the same passphrase, code or key file."""
    from aikeys.vault.backup import backup as write_backup
    from aikeys.vault.backup import backup_to_pipe
    from aikeys.vault.opening import picture

    if not file:
        raise UsageError("a backup needs a file of its own", "name a new file: aikeys backup FILE")
    if file == "-" and terminal.on_terminal(sys.stdout):
        raise UsageError("a backup is not for a terminal", "name a new file, or pipe it on: aikeys backup - > FILE")
    where = home.place()
    rows = picture(where)
    if file == "-":
        backup_to_pipe(where, rows, terminal.out_raw)
        terminal.say(f"wrote a backup to standard output: {counted(len(rows.keys), 'key')}")
        return
    write_backup(where, rows, os.path.abspath(file))
    terminal.say(f"wrote {file}: {counted(len(rows.keys), 'key')}")
