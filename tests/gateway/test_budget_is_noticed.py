"""Whether there is any budget is asked once in a turn of the loop: one that another process sets counts in the next."""

from __future__ import annotations

import asyncio
from pathlib import Path

from aikeys.budgets.changes import remove_budget, set_budget
from aikeys.budgets.terms import Terms
from aikeys.budgets.who import parse_who
from tests.gateway.in_process import gateway


def test_a_budget_that_somebody_else_sets_is_noticed_at_the_next_request(tmp_path: Path) -> None:
    async def look() -> None:
        async with gateway(tmp_path, {"openai": "https://api.openai.example/v1"}) as running:
            state, ledger = running.state, running.place.ledger.open()
            assert not state.is_anybody_blocked()
            with ledger.writing() as writer:
                set_budget(writer, parse_who("team:support"), Terms(10**12, at_limit="warn"))
            await asyncio.sleep(0)
            assert not state.is_anybody_blocked()
            with ledger.writing() as writer:
                set_budget(writer, parse_who("org"), Terms(10**12))
            await asyncio.sleep(0)
            assert state.is_anybody_blocked()
            with ledger.writing() as writer:
                remove_budget(writer, "org", "month")
            await asyncio.sleep(0)
            assert not state.is_anybody_blocked()
            ledger.close()

    asyncio.run(look())
