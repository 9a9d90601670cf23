"""`aikeys lock`: forget the unlocked session at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aikeys import clock
from aikeys.cli import home, terminal
from aikeys.cli.help import epilog, new_app
from aikeys.errors import AikeysError, Damaged, MachineFailed

if TYPE_CHECKING:
    from aikeys.vault.opening import Place

app = new_app()
_EXAMPLES = (("aikeys lock", "leave the desk"),)


@app.command(epilog=epilog(_EXAMPLES, (0, 10, 13, 14, 20, 21)))
def lock() -> None:
    """Close the vault now: ends what `aikeys unlock` began."""
    from aikeys.vault.opening import picture_without_ledger
    from aikeys.vault.unlock import kernel_keyring

    where = home.place()
    try:
        dropped = bool(kernel_keyring.drop(picture_without_ledger(where).header.vault_id.hex()))
    except AikeysError as error:
        dropped = bool(kernel_keyring.drop_all())
        if dropped:
            terminal.say("which vault this is cannot be read: every unlocked session of this user was ended")
        if not isinstance(error, Damaged | MachineFailed):
            raise
        terminal.warn(error.message)
    terminal.say("locked" if dropped else "there was no unlocked session")
    if dropped:
        _record(where)


def _record(where: Place) -> None:
    """Put it into the ledger, or into the vault until the ledger can be written."""
    from aikeys.ledger.store import Act
    from aikeys.storage import ballast
    from aikeys.vault import store
    from aikeys.vault.damaged import own_ledger

    def queue() -> None:
        with where.vault.writing() as connection:
            store.queue(connection, store.Queued(clock.now_us(), "lock", "vault"))

    try:
        own_ledger(where).event(Act("lock", "vault"))
    except AikeysError as error:
        terminal.warn(f"the ledger cannot be written now ({error.message}); the entry is queued in the vault")
        try:
            ballast.with_room(where.home, queue)
        except AikeysError:
            terminal.warn("the vault cannot be written either: this lock is not recorded")
