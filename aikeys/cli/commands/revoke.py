"""`aikeys revoke`: remove a key from the vault."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from aikeys import clock
from aikeys.cli import home, terminal
from aikeys.cli.help import epilog, new_app
from aikeys.cli.render.counted import counted
from aikeys.errors import AikeysError, Cancelled, Damaged

if TYPE_CHECKING:
    from aikeys.providers.catalogue import Provider
    from aikeys.vault.format import Key
    from aikeys.vault.opening import Place

app = new_app()
_MOST_NAMED = 5
_EXAMPLES = (("aikeys revoke openai", "remove it; delete it at the provider, too"),)


@app.command(epilog=epilog(_EXAMPLES, (0, 3, 10, 11, 12, 13, 14, 20, 21)))
def revoke(name: Annotated[str, typer.Argument(metavar="NAME", help="The key.")]) -> None:
    """Remove a key from the vault.

    The provider goes on accepting the key until you delete it there. On a terminal this asks first, unless --yes.
    It works with a full disk and without a ledger, too: the entry is then written later. In a vault that is damaged
    elsewhere the secret is destroyed, and the vault stays damaged.
    """
    from aikeys.cli.tokens.register import key_losers, named
    from aikeys.ledger.store import Act
    from aikeys.storage import ballast
    from aikeys.vault.changes import remove_key
    from aikeys.vault.names import exact_key
    from aikeys.vault.writing import Written, write

    where = home.place()
    try:
        where, opened = ballast.with_room(where.home, lambda: home.unlock_to_take_away(where))
    except Damaged as damage:
        from aikeys.cli.keys import damaged_vault

        damaged_vault.revoke_key(where, name, damage)
        return
    key = exact_key(opened.rows, name)
    provider = _provider(where, key)
    question = f"Remove {key.name}? Its secret is destroyed."
    if not terminal.options.yes and terminal.can_ask() and not terminal.confirm(question):
        raise Cancelled(f"{key.name} was not removed")
    place, act = where, Act("revoke", key.name)

    def take_away() -> Written:
        return write(place, opened, act, lambda vault: remove_key(vault, key.name), takes_away=True)

    losers = key_losers(where, key.id, clock.now_s())
    written = ballast.with_room(where.home, take_away)
    if written.queued:
        terminal.warn("the ledger cannot be written now; the entry is queued in the vault")
    title = provider.title if provider else key.provider
    page = f": {provider.key_page}" if provider and provider.key_page else ""
    terminal.say(f"{key.name} removed from the vault. STILL VALID at {title} until you delete it{page}")
    if losers:
        names = ", ".join(named(claims) for claims in losers[:_MOST_NAMED])
        more = f" and {len(losers) - _MOST_NAMED} more" if len(losers) > _MOST_NAMED else ""
        terminal.say(f"{counted(len(losers), 'token')} lost it: {names}{more}")


def _provider(where: Place, key: Key) -> Provider | None:
    """Return the key's provider, for its title and page only: a broken config.toml keeps no key in the vault."""
    from aikeys.providers.catalogue import load

    try:
        return home.catalogue(where).get(key.provider)
    except AikeysError as error:
        terminal.warn(error.message)
        return load().get(key.provider)
