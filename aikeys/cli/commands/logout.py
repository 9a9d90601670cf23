"""`aikeys logout`: forget the gateway and its token."""

from __future__ import annotations

from aikeys.cli import home, terminal
from aikeys.cli.help import epilog, new_app

app = new_app()


@app.command(epilog=epilog((("aikeys logout", "commands are about the vault of this machine again"),), (0, 1, 11)))
def logout() -> None:
    """Forget the gateway that this home is logged in at, and its token. The token itself stays valid.

    Take it away with aikeys token revoke, before or elsewhere.
    """
    from aikeys.remote import login

    url = login.remove(home.folder())
    terminal.say(f"logged out of {url}; the token stays valid until it is revoked" if url else "there was no login")
