"""`aikeys ledger erase`: a person's name goes, and so does a key's secret that a provider once repeated."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from aikeys.cli import home, terminal
from aikeys.cli.render.counted import counted
from aikeys.errors import Cancelled, NotFound, UsageError

if TYPE_CHECKING:
    from aikeys.ledger.store import Ledger, Writer

ERASE = (
    ("aikeys ledger erase --user ana", "the name goes, the totals stay"),
    ("aikeys ledger erase --key openai", "mask the key's secret, where a reply of earlier days brought it"),
)


def erase(
    user: Annotated[str, typer.Option("--user", metavar="NAME", help="The person whose name is erased.")] = "",
    key: Annotated[str, typer.Option("--key", metavar="NAME", help="The key whose secret is masked.")] = "",
) -> None:
    """Erase a person's name, or mask the secret of a key, in the ledger. Totals stay, and everything still verifies.

    It cannot be taken back. Backups and exports made before still have it; so has a tag or an id that somebody wrote
    the name into. A secret stays in archives and in entries that it is part of; these are named, and the key is to be
    rotated. With --key the vault has to be opened.
    """
    if bool(user) == bool(key):
        raise UsageError("say what goes: --user NAME or --key NAME", "aikeys ledger erase --help")
    book = home.present_ledger()
    if user:
        _erase_person(book, user)
    else:
        _mask_secret(book, key)


def _erase_person(book: Ledger, user: str) -> None:
    from aikeys.alerts.outbox import forget_person
    from aikeys.budgets.changes import remove_budgets_of
    from aikeys.ledger.erasure import erase_person
    from aikeys.ledger.listing import require_person

    with book.reading() as connection:
        require_person(connection, user)
    if not terminal.confirm(f"Erase the name {user} from {book.path} for ever?"):
        raise Cancelled("nothing was erased")
    periods: list[str] = []

    def also(writer: Writer, name: str) -> None:
        forget_person(writer, name)
        periods.extend(budget.terms.period for budget in remove_budgets_of(writer, name))

    erase_person(book, user, also)
    if periods:
        terminal.say(
            f"the budget of that user went, too ({', '.join(periods)}): it limits nobody any more; "
            "who comes back under the name needs a new one"
        )
    terminal.say("erased; exports and backups made before still have the name")


def _mask_secret(book: Ledger, name: str) -> None:
    from aikeys.ledger.repeated_secrets import mask, places
    from aikeys.providers.masking import SHORT, Search

    where = home.place()
    opened = home.unlock(where, ledger=book).opened
    key = opened.rows.key_named(name)
    if key is None:
        raise NotFound(f"there is no key {terminal.printable(name)}", "aikeys list")
    secrets = opened.secrets(key)
    if max(map(len, secrets), default=0) < SHORT:
        raise UsageError(
            f"the secret of {key.name} is too short to be told from other text", f"aikeys rotate {key.name}"
        )
    search = Search(secrets)
    found = places(book, search)
    if found.can_be_masked:
        question = f"Mask the secret of {key.name} in {counted(found.can_be_masked, 'place')} of {book.path} for ever?"
        if not terminal.confirm(question):
            raise Cancelled("nothing was masked")
        found = mask(book, search, key.name, opened.signer())
        terminal.say(f"masked in {counted(found.can_be_masked, 'place')}; backups, exports and archives still have it")
    elif not any(found):
        raise NotFound(
            f"the ledger does not hold the secret of {key.name}", "aikeys doctor looks for those of all keys"
        )
    for stays in found.staying:
        terminal.warn(f"the secret of {key.name} stays in {stays}; make it worthless: aikeys rotate {key.name}")
