"""Budget targets as typed on the command line: a token by its id, the beginning of it, or its name.

Calls are counted by a token's whole id, so that is what a budget is kept for. Ids stand in the ledger, also those of a
run (`exec --metered`); names in the vault, where there is one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aikeys.errors import NotFound

if TYPE_CHECKING:
    from aikeys.budgets.who import Who
    from aikeys.ledger.store import Ledger

_LEAST_DIGITS = 4


def whom(text: str, ledger: Ledger) -> Who:
    """Return a WHO with the token it names; UsageError, NotFound where no token or several fit."""
    from aikeys.budgets.who import EACH, TOKEN, parse_who
    from aikeys.cli.tokens.register import refuse_secret
    from aikeys.names import QUOTE

    kind, _, name = text.partition(":")
    if kind != TOKEN or name in ("", EACH) or name.startswith(QUOTE):
        return parse_who(text)
    return parse_who(f"{TOKEN}:{_id_of(refuse_secret(name), ledger)}")


def whom_asked(text: str, ledger: Ledger) -> Who:
    """Return the same where nothing is set: a whole id is taken as it is, no call need ever have had it."""
    from aikeys.budgets.who import parse_who
    from aikeys.errors import UsageError

    try:
        return parse_who(text)
    except UsageError:
        return whom(text, ledger)


def whom_as_stored(text: str, ledger: Ledger) -> str:
    """Return the same as text, unchanged where it names no token: a budget may stand for what is gone."""
    from aikeys.errors import UsageError
    from aikeys.secret import refuse_secret

    refuse_secret(text)
    try:
        return str(whom(text, ledger))
    except (NotFound, UsageError):
        return text


def _id_of(wanted: str, ledger: Ledger) -> str:
    """Return a token's id: a whole one that the ledger knows, what the vault knows by it, a run by its beginning."""
    from aikeys.cli import authority
    from aikeys.ledger.token_acts import family, read_tokens

    sight = authority.sight()
    with ledger.reading() as connection:
        every = tuple(read_tokens(connection))
        known = every if sight.sees_calls or sight.sees_budgets else family(connection, sight.token)
    digits = wanted.strip().lower()
    if digits in every:  # who knows a whole id is told nothing by it
        return digits
    try:
        return _id_in_vault(wanted)
    except NotFound:
        found = [each for each in known if len(digits) >= _LEAST_DIGITS and each.startswith(digits)]
        if len(found) != 1:
            raise
        return found[0]


def _id_in_vault(wanted: str) -> str:
    """Return the id of a token in the vault, among those that whoever asks may see."""
    from aikeys.cli import home
    from aikeys.cli.tokens import register as token_register
    from aikeys.tokens.finding import find_token

    where = home.place()
    if not where.vault.exists:
        return find_token({}, wanted, 0).shown_id
    chain = token_register.read(where).token(wanted)
    return chain[0].shown_id
