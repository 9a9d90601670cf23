"""Many clients at one budget, and a look at the ledger all the while."""

from __future__ import annotations

import asyncio
import re
import sqlite3
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from typing import Any, NamedTuple

from aikeys.money import PUSD_PER_USD, parse_usd
from aikeys.vault.tokens.issuing import Issued
from tests.gateway.process import Answer, Client, House

CLIENTS = 64
_SHORT = re.compile(r"at least \$([0-9.]+)\), and \$([0-9.]+) of \$([0-9.]+) is spent")
_ROUNDINGS_PUSD = (200_000_000, 10_500_000_000)
"""Messages show four digits after the point below a dollar, else two; three amounts, each up to half of the last."""
_DEADLINE_S = 20.0


class Looked(NamedTuple):
    """How often the ledger was looked at, and what was wrong: (who, limit, spent, reserved)."""

    times: list[int]
    wrong: list[tuple[str, int, int, int]]


@contextmanager
def watched(house: House) -> Iterator[Looked]:
    """Look again and again whether any budget is overdrawn: by what is spent, or by that and what is reserved."""
    over, found = threading.Event(), Looked([0], [])
    query = (
        "SELECT b.who, b.limit_pusd, c.spent, c.reserved FROM budget b JOIN counter c USING (who, period) "
        "WHERE b.at_limit != 'warn'"
    )

    def look() -> None:
        with closing(sqlite3.connect(f"file:{house.ledger_path}?mode=ro", uri=True, timeout=30)) as connection:
            while not over.wait(0.001):
                for who, *amounts in connection.execute(query):
                    limit, spent, reserved = map(int, amounts)
                    if spent + reserved > limit:
                        found.wrong.append((who, limit, spent, reserved))
                found.times[0] += 1

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield found
    finally:
        over.set()
        thread.join()
    assert found.times[0] > 3
    assert not found.wrong, found.wrong[:3]


async def exhaust(client: Client, tokens: Sequence[Issued], spec: str, **fields: Any) -> Counter[str]:
    """Let 64 clients ask until the budget refuses them; return how often they were answered how."""
    answers: Counter[str] = Counter()

    async def one(number: int) -> None:
        token, times = tokens[number % len(tokens)], 0
        while True:
            times += 1
            answer = await client.chat(token, f"{spec} who={number} turn={times}", **fields)
            answers[answer.code or str(answer.status)] += 1
            if answer.status == 402:
                refused_rightly(answer)
                return
            assert answer.status in (200, 429), answer
            if answer.status == 429:
                assert answer.code == "budget_busy", answer
                assert answer.took_s > _DEADLINE_S, answer
                assert int(answer.headers["retry-after"]) > 0

    await asyncio.gather(*(one(number) for number in range(CLIENTS)))
    return answers


def refused_rightly(answer: Answer) -> None:
    """Check a 402: what was left did not pay for the least this call could cost, and no SDK tries again."""
    assert answer.code == "budget_exceeded", answer
    assert answer.headers["x-should-retry"] == "false"
    assert "retry-after" not in answer.headers
    shown = _SHORT.search(answer.told.error["message"])
    assert shown, answer
    floor, spent, limit = (parse_usd(text) for text in shown.groups())
    assert limit - spent < floor + _ROUNDINGS_PUSD[limit > PUSD_PER_USD], answer
