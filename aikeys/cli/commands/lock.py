"""`aikeys lock`: forget the unlocked session at once."""

from __future__ import annotations

from aikeys import clock
from aikeys.cli import home, terminal
from aikeys.cli.help import epilog, new_app
from aikeys.errors import AikeysError

app = new_app()
_EXAMPLES = (("aikeys lock", "leave the desk"),)


@app.command(epilog=epilog(_EXAMPLES, (0, 10, 13, 14, 20, 21)))
def lock() -> None:
    """Close the vault at once: ends what `aikeys unlock` began."""
    from aikeys.ledger.store import Act
    from aikeys.vault import store
    from aikeys.vault.unlock import kernel_keyring

    where = home.place()
    try:
        dropped = kernel_keyring.drop(where.vault.read().header.vault_id.hex())
    except AikeysError:
        if kernel_keyring.drop_all():
            terminal.say("which vault this is cannot be read: every unlocked session of this user was ended")
        raise
    terminal.say("locked" if dropped else "there was no unlocked session")
    if not dropped:
        return
    try:
        where.ledger.open().event(Act("lock", "vault"))
    except AikeysError as error:
        terminal.warn(f"the ledger cannot be written now ({error.message}); the entry is queued in the vault")
        try:
            with where.vault.writing() as connection:
                store.queue(connection, store.Queued(clock.now_us(), "lock", "vault"))
        except AikeysError:
            terminal.warn("the vault cannot be written either: this lock is not recorded")
