"""`aikeys init`: make a vault and the ways to open it."""

from __future__ import annotations

from typing import Annotated

import typer

from aikeys.cli.help import epilog, new_app

app = new_app()
_EXAMPLES = (
    ("aikeys init", "use the OS keyring where it works, else ask for a passphrase"),
    ("aikeys init --key-file ~/.config/aikeys.key", "for a machine that runs on its own"),
)


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
    from aikeys.cli.keys.new_vault import make

    make(passphrase=passphrase, keyring=keyring, key_file=key_file)
