"""`aikeys login`: which gateway this home uses, and its token."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated

import typer

from aikeys.cli import home, terminal
from aikeys.cli.help import epilog, new_app
from aikeys.errors import Denied

if TYPE_CHECKING:
    from aikeys.remote.client import Gateway
    from aikeys.secret import Secret

app = new_app()
_EXAMPLES = (
    ("aikeys login https://aikeys.example.com", "asks for the token, hidden"),
    ("aikeys login http://127.0.0.1:8787 --stdin --file < token.txt", "on a machine without a keyring"),
)
_NOTES = """
From then on prompt, models, report, log, top, audit, budget list and check, and token issue, list and revoke ask that
gateway; everything else is about the vault of this machine, as before. exec --metered never uses a gateway elsewhere.

AIKEYS_GATEWAY and AIKEYS_TOKEN do the same without a login, and stand above one. A token in AIKEYS_TOKEN alone is for
the vault of this machine: it is never sent to an address that was stored.
"""


@app.command(epilog=epilog(_EXAMPLES, (0, 1, 2, 3, 11, 14, 20, 21, 30, 31), _NOTES))
def login(
    url: Annotated[str, typer.Argument(metavar="URL", help="The gateway's address.")],
    stdin: Annotated[bool, typer.Option("--stdin", help="Read the token from standard input.")] = False,
    file: Annotated[bool, typer.Option("--file", help="Keep the token in a file of the home (0600).")] = False,
) -> None:
    """Use a gateway from here: its address and your token are kept, in the system's keyring unless --file.

    The gateway is asked whether it takes the token before anything is kept.
    """
    from aikeys.remote import login as logins
    from aikeys.remote.client import Gateway, checked_url
    from aikeys.tokens import text

    address = checked_url(url)
    secret = _token(from_stdin=stdin)
    text.read(secret.reveal().decode("ascii", "replace"))
    _check(Gateway(address, secret))
    where = logins.keep(home.folder(), address, secret, in_file=file)
    terminal.say(f"logged in at {address}; the token is in {where if file else 'the keyring of the system'}")
    terminal.say("next: aikeys models shows what you may ask, aikeys budget check what is left")
    if os.environ.get("AIKEYS_GATEWAY", "").strip():
        terminal.warn("AIKEYS_GATEWAY is set and overrides this login")


def _token(*, from_stdin: bool) -> Secret:
    from aikeys.secret import Secret

    if from_stdin:
        return Secret(terminal.read_stdin_secret().strip())
    question = "Token (aik_…)"
    return Secret(terminal.ask_hidden(question, instead="pipe it in with --stdin").strip().encode())


def _check(gateway: Gateway) -> None:
    """Ask for what every token may see: itself."""
    from aikeys.remote import tokens

    known = tokens.lent(gateway, 0)
    own = next((one for one in known if one.claims.shown_id == gateway.token_id), None)
    if own is None:
        raise Denied("the gateway does not show this token to itself", "ask whoever runs the gateway")
    if own.claims.holds_raw_keys:
        terminal.warn("this token has env:read: with a copy of the vault it opens its keys by itself")
