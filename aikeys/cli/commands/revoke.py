"""`aikeys revoke`: remove a key from the vault."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from aikeys import clock
from aikeys.cli import home, terminal
from aikeys.cli.help import epilog, new_app
from aikeys.cli.render.counted import counted
from aikeys.errors import AikeysError, Cancelled, Damaged, NotFound, UsageError

if TYPE_CHECKING:
    from aikeys.providers.catalogue import Provider
    from aikeys.vault.format import Key
    from aikeys.vault.opening import Opened, Place

app = new_app()
_MOST_NAMED = 5
_EXAMPLES = (
    ("aikeys revoke openai", "remove it; delete it at the provider, too"),
    ("aikeys revoke openai --undo", "bring it back, within its grace"),
    ("aikeys revoke openai --now --yes", "destroy it at once, in a script"),
)


@app.command(epilog=epilog(_EXAMPLES, (0, 2, 3, 10, 11, 12, 13, 14, 20, 21)))
def revoke(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The key.")],
    grace: Annotated[str, typer.Option(metavar="24h", help="How long it is kept, sealed, for --undo.")] = "24h",
    now: Annotated[bool, typer.Option("--now", help="Destroy its secret at once.")] = False,
    undo: Annotated[bool, typer.Option("--undo", help="Bring it back, within its grace.")] = False,
) -> None:
    """Remove a key from the vault.

    The provider goes on accepting the key until you delete it there. Nothing lends it any more, and tokens lose it for
    good; a sealed copy is kept for its grace, for --undo, unless --now. On a terminal this asks first; without one it
    needs --yes. It works with a full disk and without a ledger, too: the entry is then written later. In a vault that
    is damaged elsewhere the secret is destroyed, and the vault stays damaged.
    """
    from aikeys.cli.tokens.register import key_losers, named
    from aikeys.ledger.store import Act
    from aikeys.storage import ballast
    from aikeys.vault.changes import remove_key
    from aikeys.vault.names import exact_key
    from aikeys.vault.writing import Written, write

    if undo:
        _bring_back(name, is_alone=not now)
        return
    grace_s = 0 if now else home.duration_s(grace)
    where = home.place()
    try:
        where, opened = ballast.with_room(where.home, lambda: home.unlock_to_take_away(where))
    except Damaged as damage:
        from aikeys.cli.keys import damaged_vault

        _need_yes(name)
        damaged_vault.revoke_key(where, name, damage)
        return
    key = exact_key(opened.rows, name)
    provider = _provider(where, key)
    _need_yes(key.name)
    kept = f"It is kept for {grace}, for --undo." if grace_s else "Its secret is destroyed."
    question = f"Remove {key.name}? {kept}"
    if not terminal.options.yes and not terminal.confirm(question):
        raise Cancelled(f"{key.name} was not removed")
    place, act = where, Act("revoke", key.name)

    def take_away() -> Written:
        return write(place, opened, act, lambda vault: remove_key(vault, key.name), takes_away=True)

    until_s = _keep(where, opened, key, grace_s)
    losers = key_losers(where, key.id, clock.now_s())
    written = ballast.with_room(where.home, take_away)
    if written.queued:
        terminal.warn("the ledger cannot be written now; the entry is queued in the vault")
    title = provider.title if provider else key.provider
    page = f": {provider.key_page}" if provider and provider.key_page else ""
    if until_s:
        terminal.say(f"kept until {clock.rfc3339(until_s)}: aikeys revoke {key.name} --undo")
    terminal.say(f"{key.name} removed from the vault. STILL VALID at {title} until you delete it{page}")
    if losers:
        names = ", ".join(named(claims) for claims in losers[:_MOST_NAMED])
        more = f" and {len(losers) - _MOST_NAMED} more" if len(losers) > _MOST_NAMED else ""
        terminal.say(f"{counted(len(losers), 'token')} lost it: {names}{more}")


def _need_yes(name: str) -> None:
    """Raise Cancelled where nobody can be asked and nobody said yes."""
    if not terminal.options.yes and not terminal.can_ask():
        raise Cancelled(f"{terminal.printable(name)} was not removed: this is not interactive", "say it: --yes")


def _keep(where: Place, opened: Opened, key: Key, grace_s: int) -> int:
    """Keep a sealed copy of a key for its grace; return when that is over, 0 where there is none."""
    from aikeys.vault.revoked_keys import KIND, packed
    from aikeys.vault.sealed_records import SealedRecords

    records = SealedRecords(where.home, KIND)
    records.forget_old(clock.now_s())
    if not grace_s:
        return 0
    until_s = clock.now_s() + grace_s
    try:
        records.write(opened, until_s, packed(opened, key.name))
    except (AikeysError, OSError):  # whoever takes a key away is never kept from it
        terminal.warn(f"{key.name} cannot be brought back: there was no room to keep it")
        return 0
    return until_s


def _bring_back(name: str, *, is_alone: bool) -> None:
    """Add a revoked key again; NotFound after its grace. Tokens do not get it back."""
    from aikeys.cli.keys.new_keys import store
    from aikeys.vault.revoked_keys import KIND, unpacked
    from aikeys.vault.sealed_records import SealedRecords

    if not is_alone:
        raise UsageError("--undo and --now exclude each other", f"aikeys revoke {terminal.printable(name)} --undo")
    where = home.place()
    opened = home.unlock(where).opened
    records = SealedRecords(where.home, KIND)
    records.forget_old(clock.now_s())
    for record, data in records.read(opened):
        key = unpacked(data)
        if key.name == name:
            store(where, opened, key)
            records.forget(record)
            terminal.say(f"{name} is in the vault again; tokens that had it do not get it back")
            return
    raise NotFound(
        f"no revoked key {terminal.printable(name)} is kept", f"add it again: aikeys add {terminal.printable(name)}"
    )


def _provider(where: Place, key: Key) -> Provider | None:
    """Return the key's provider, for its title and page only: a broken config.toml keeps no key in the vault."""
    from aikeys.providers.catalogue import load

    try:
        return home.catalogue(where).get(key.provider)
    except AikeysError as error:
        terminal.warn(error.message)
        return load().get(key.provider)
