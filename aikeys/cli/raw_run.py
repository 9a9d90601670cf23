"""Raw lending: keys that are handed out themselves. Refused where a budget limits them; recorded before they go.

Part of `exec`'s hot path: imports next to nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aikeys.errors import AikeysError, BadConfiguration, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aikeys.ledger.store import Act, Ledger
    from aikeys.tokens.claims import Claims
    from aikeys.vault.format import Key
    from aikeys.vault.opening import Opened
    from aikeys.vault.tokens.admission import Access


def refuse_limited(ledger: Ledger, opened: Opened | Access, keys: list[Key]) -> None:
    """Raise UsageError where a budget limits a key, the token or one above it: its spending would not be counted.

    A token made with a budget is refused also where that one was removed: it says so itself.
    """
    from aikeys.budgets.raw_use import first_limited

    holder = getattr(opened, "holder", None)
    line = (holder.claims, *holder.above) if holder is not None else ()
    whos = [*(f"token:{claims.shown_id}" for claims in line), *(f"key:{key.name}" for key in keys)]
    if line and line[0].budget_pusd is not None:
        limited: str | None = whos[0]
    else:
        with ledger.reading() as connection:
            limited = first_limited(connection, whos)
    if limited is not None:
        raise UsageError(
            f"{_limited(limited, line)}, and what a program does with the key itself is not metered",
            "to have it metered: --metered; to lend the key all the same: --unmetered",
        )


def _limited(who: str, line: Sequence[Claims]) -> str:
    """Say what has a budget, as far as whoever asks may know."""
    from aikeys.budgets.who import HIGHER
    from aikeys.tokens.sight import sight_of

    kind, _, name = who.partition(":")
    if line and not sight_of(line[0], line[1:]).tells(who):
        return f"{HIGHER} stands over token {line[0].shown_id}"
    return f"{'token ' if kind == 'token' else ''}{name} has a budget"


def record(ledger: Ledger, opened: Opened | Access, keys: list[Key], how: str) -> None:
    """Write the audit entry, signed; no entry, no key. The file closes when this process becomes a program."""
    from aikeys.ledger.store import Act

    names = ",".join(key.name for key in keys)
    try:
        _write(ledger, Act("exec", names, how), opened)
    except AikeysError as error:
        raise BadConfiguration(f"the run cannot be recorded, so no key is lent: {error.message}", error.hint) from None


def _write(ledger: Ledger, act: Act, opened: Opened | Access) -> None:
    """Write the entry; by a token it names the token, and a single-use one is used up in the same transaction."""
    holder = getattr(opened, "holder", None)
    if holder is None:
        ledger.event(act, signer=opened.signer())
        return
    from aikeys.ledger.token_acts import use_up

    with ledger.writing() as writer:
        if holder.claims.is_once:
            use_up(writer, holder.shown_id)
        writer.act(act._replace(detail=f"{act.detail} token={holder.shown_id}"))
