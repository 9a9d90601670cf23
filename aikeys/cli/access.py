"""Access for whoever runs this command: the vault as its owner opens it, or what a token's holder may see and open."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aikeys.cli import authority, home, terminal
from aikeys.errors import BadConfiguration, WrongPassphrase

if TYPE_CHECKING:
    from aikeys.ledger.store import Ledger
    from aikeys.vault.format import Rows
    from aikeys.vault.opening import Opened, Place
    from aikeys.vault.tokens.admission import Access


def open_keys(where: Place, *, data_on_stdin: bool = False, ledger: Ledger | None = None) -> Opened | Access:
    """Return what opens keys: the vault, or with AIKEYS_TOKEN what that token may hold. A ledger given stays open."""
    if not authority.is_holder():
        return home.unlock(where, data_on_stdin=data_on_stdin, ledger=ledger).opened
    access = authority.access()
    if ledger is not None:
        authority.ledger_of_copy(where, ledger)
    return access


def rows(where: Place, ledger: Ledger | None = None) -> Rows:
    """Return the vault's rows, checked as far as one can without opening it; a token's holder may hold a copy."""
    from aikeys.vault.opening import picture

    return authority.token_verifier().rows if authority.is_holder() else picture(where, ledger)


def look(where: Place) -> tuple[Rows, bool]:
    """Return the rows for a listing, and whether a key vouched for them; says so when none did."""
    from aikeys.vault.opening import picture
    from aikeys.vault.unlock.order import quietly

    if authority.is_holder():
        return authority.rows_in_scope(), True
    rows = picture(where)
    authenticated = False
    try:
        authenticated = quietly(rows, home.means()) is not None
    except (WrongPassphrase, BadConfiguration) as error:  # a stale AIKEYS_PASSPHRASE is no reason to list nothing
        terminal.warn(error.message)
    if not authenticated:
        terminal.say("the vault is locked; names are shown without full verification")
    return rows, authenticated
