"""`aikeys restore`: bring a backup back."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Annotated, BinaryIO, NamedTuple

import typer

from aikeys.cli import home, terminal
from aikeys.cli.help import epilog, new_app
from aikeys.cli.render.counted import counted
from aikeys.errors import Cancelled, MachineFailed, UsageError

if TYPE_CHECKING:
    from aikeys.vault.backup import Restored
    from aikeys.vault.format import Rows
    from aikeys.vault.opening import Opened

app = new_app()
_EXAMPLES = (
    ("aikeys restore ~/usb/aikeys-2026-11.backup", "in place of the vault that is here"),
    ("ssh nas 'cat aikeys.backup' | aikeys --yes restore -", "from a pipe"),
)


@app.command(epilog=epilog(_EXAMPLES, (0, 1, 2, 3, 10, 11, 12, 13, 14, 20, 21)))
def restore(
    file: Annotated[str, typer.Argument(metavar="FILE", help="What aikeys backup wrote; - for standard input.")],
    keep_tokens: Annotated[
        bool, typer.Option("--keep-tokens", help="Keep tokens, those of the backup too, but for revoked ones.")
    ] = False,
) -> None:
    """Bring a backup back in place of the vault that is here.

    Its unlock methods are those of the day it was made; tokens are revoked. Also the way on after a vault or its ledger
    was lost or damaged. Asks before it replaces a vault; without a terminal give --yes.
    """
    from contextlib import nullcontext

    from aikeys.vault import backup_file

    stream = _stream(file)
    shown = "from standard input" if file == "-" else file
    opened = nullcontext() if stream is None or file == "-" else stream
    with opened, backup_file.kept(stream, shown) if stream else nullcontext(os.path.abspath(file)) as path:
        restored = _restored(_Source(path, shown, is_piped=stream is not None), keep_tokens=keep_tokens)
    if restored.aside:
        terminal.warn(f"the damaged vault was moved to {restored.aside}")
    terminal.say(f"restored {counted(len(restored.opened.rows.keys), 'key')}")
    if restored.revoked:
        terminal.say(f"revoked {counted(restored.revoked, 'token')}; issue what is needed again: aikeys token issue")


class _Source(NamedTuple):
    """A backup's file, how it is called, and whether it came on a pipe, which may be standard input."""

    path: str
    shown: str
    is_piped: bool


def _stream(file: str) -> BinaryIO | None:
    """Return what is to be read once, None for a file that stays."""
    from aikeys.vault.backup_file import is_pipe

    if file == "-":
        if sys.stdin is None or sys.stdin.closed or terminal.on_terminal(sys.stdin):
            raise UsageError(
                "there is no backup on standard input", "pipe it in, or name the file: aikeys restore FILE"
            )
        return sys.stdin.buffer
    if not is_pipe(file):
        return None
    try:
        return open(file, "rb")
    except OSError as error:
        raise MachineFailed(f"cannot read {file}: {error.strerror}", "check its owner and permissions") from None


def _restored(source: _Source, *, keep_tokens: bool) -> Restored:
    from aikeys.vault.backup import read_backup
    from aikeys.vault.backup import restore as bring_back
    from aikeys.vault.unlock.order import open_rows

    where = home.place()
    read_backup(source.path, source.shown)  # before anybody is asked
    question = f"Replace the vault in {where.home} by {source.shown}?"
    if (
        where.vault.exists
        and not terminal.options.yes
        and not terminal.confirm(question, data_on_stdin=source.is_piped)
    ):
        raise Cancelled("nothing was restored")

    def unlock(rows: Rows) -> Opened:
        return open_rows(rows, home.means(data_on_stdin=source.is_piped)).opened

    return bring_back(where, source.path, unlock, keep_tokens=keep_tokens)
