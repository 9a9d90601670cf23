"""`aikeys unlock`: keep the vault open for a while, in the kernel's keyring."""

from __future__ import annotations

from typing import Annotated

import typer

from aikeys import clock
from aikeys.cli import home, terminal
from aikeys.cli.help import epilog, new_app
from aikeys.errors import UsageError

app = new_app()
_EXAMPLES = (("aikeys unlock --ttl 8h", "ask once, then not again for a working day"),)
_LONGEST_S = 30 * 86400


@app.command(epilog=epilog(_EXAMPLES, (0, 1, 2, 3, 10, 11, 12, 13, 14, 20, 21)))
def unlock(ttl: Annotated[str, typer.Option(metavar="8h", help="For how long, at most 30 days.")] = "8h") -> None:
    """Keep the vault open for a while.

    The vault key is kept in the Linux kernel's keyring of this user: never on disk, gone at reboot, at `aikeys lock`
    or when the time is over. Programs of the same user can read it until then.
    """
    from aikeys.ledger.store import Act
    from aikeys.vault.unlock import kernel_keyring
    from aikeys.vault.unlock.order import session_payload

    ttl_s = home.duration_s(ttl)
    if not 0 < ttl_s <= _LONGEST_S:
        raise UsageError(f"{ttl} is not between 1 second and 30 days", "for example --ttl 8h")
    where = home.place()
    opened = home.unlock(where, is_lasting=True).opened
    where.ledger.open().event(Act("unlock", "vault", f"ttl_s={ttl_s}"))
    kernel_keyring.put(opened.rows.header.vault_id.hex(), session_payload(opened), ttl_s)
    terminal.say(f"unlocked until {clock.rfc3339(clock.now_s() + ttl_s)}; close it: aikeys lock")
