"""Tokens with what is left of their budgets and their last calls, as `aikeys token list` and `show` print them."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from aikeys import clock

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aikeys.cli.render.token_rows import TokenRow
    from aikeys.cli.tokens.register import Chain, Register
    from aikeys.vault.opening import Place


def rows(where: Place, register: Register, chains: Iterable[Chain]) -> list[TokenRow]:
    """Return tokens with what is left of their budgets and their last calls, as far as this home's ledger knows.

    A token's holder is told what they may see of them.
    """
    from aikeys.budgets.remaining import Remaining, remaining
    from aikeys.budgets.who import TOKEN, Somebody, somebody
    from aikeys.cli import authority
    from aikeys.cli.render.token_rows import TokenRow
    from aikeys.ledger.calendar import date_of
    from aikeys.ledger.token_acts import last_call_days
    from aikeys.vault.tokens.issuing import names_of

    tokens, chains, sight = register.tokens, list(chains), authority.sight()
    left: dict[Somebody, Remaining] = {}
    days: dict[str, int] = {}
    now_us = clock.now_us()
    with closing(where.ledger) as ledger:
        if ledger.exists and ledger.open().ledger_id == tokens.rows.header.ledger_id:
            told = [chain[0].shown_id for chain in chains if sight.tells_budget_of(chain)]
            left = remaining(ledger, [somebody(TOKEN, each) for each in told], now_us)
            with ledger.reading() as connection:
                days = last_call_days(connection)
    found = []
    for claims, *above in chains:
        gone = next((each.id for each in tokens.chains[claims.id] if each.id in tokens.revoked_us), None)
        day = days.get(claims.shown_id) if sight.tells_calls_of((claims, *above)) else None
        its = left.get(somebody(TOKEN, claims.shown_id))
        found.append(
            TokenRow(
                claims,
                names_of(tokens.rows, claims),
                tokens.state(claims.id, now_us // 1_000_000),
                None if gone is None else tokens.revoked_us[gone] // 1_000_000,
                None if its is None else its.pusd,
                None if day is None else date_of(day).isoformat(),
                is_soft=its is not None and its.is_soft,
            )
        )
    return found
