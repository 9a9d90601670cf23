"""How many calls one process reserves and settles, each on disk first: `python tests/bench/reserver.py [PAIRS] [DIR]`.

Tasks of one event loop reserve, think for a moment and settle, all against one budget; 1, 8, 32, 64 and 256 at once.
Prints pairs a second by wall clock and by processor time, the wait for a reservation, the disk's sync time and the load.
Checks chain, roll-ups, counters and budgets at the end.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from aikeys.budgets.changes import set_budget  # noqa: E402
from aikeys.budgets.decisions import Ask  # noqa: E402
from aikeys.budgets.reservations import Reservation, ReserveRequest  # noqa: E402
from aikeys.budgets.sqlite_rounds import SqliteRounds  # noqa: E402
from aikeys.budgets.terms import Terms  # noqa: E402
from aikeys.budgets.verify import verify_budgets  # noqa: E402
from aikeys.budgets.who import parse_who  # noqa: E402
from aikeys.gateway.reserver import LoopReserver  # noqa: E402
from aikeys.ledger.calls import Call, Context, Labels  # noqa: E402
from aikeys.ledger.store import Ledger  # noqa: E402
from aikeys.ledger.verify import verify  # noqa: E402
from aikeys.providers.usage import Usage  # noqa: E402

WORST, COST = 1_000_000, 400_000


def context_of(number: int) -> Context:
    """Return one of 40 contexts: 8 teams, 5 tokens each."""
    labels = Labels(f"team{number % 8}", "atlas", "prod", "")
    return Context(labels, f"tok{number % 40}", "openai", "openai", "openai/gpt-bench", "", "bench", "", "gateway")


async def pairs(reserver: LoopReserver, number: int, count: int, waits: list[float]) -> None:
    """Reserve and settle so many times."""
    context = context_of(number)
    request = ReserveRequest(context, Ask(WORST, WORST // 4))
    for _ in range(count):
        start = time.perf_counter()
        reservation: Reservation = await reserver.reserve(request)
        waits.append(time.perf_counter() - start)
        call = Call(0, reservation.at_us, context, Usage(100, 0, 0, 0, 40), cost_pusd=COST, latency_ms=5)
        await reserver.settle(reservation, call)


async def run(folder: str, tasks: int, total: int) -> None:
    """Print one line of figures."""
    reserver = LoopReserver(SqliteRounds(folder), asyncio.get_running_loop())
    waits: list[float] = []
    await asyncio.gather(*(pairs(reserver, number, 10, []) for number in range(tasks)))
    wall, cpu = time.perf_counter(), time.process_time()
    await asyncio.gather(*(pairs(reserver, number, total // tasks, waits) for number in range(tasks)))
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    done = len(waits)
    await asyncio.to_thread(reserver.close)
    waits.sort()
    print(
        f"{tasks:4} tasks {done / wall:8,.0f} pairs/s wall {done / cpu:8,.0f} pairs/s cpu  reserved after "
        f"p50 {at(waits, 0.5):6.2f} ms p99 {at(waits, 0.99):6.2f} ms  load {os.getloadavg()[0]:.1f}",
        flush=True,
    )


def at(waits: Sequence[float], share: float) -> float:
    """Return a percentile in milliseconds."""
    return waits[int(len(waits) * share)] * 1000


def sync_us(folder: str) -> float:
    """Return how long the disk takes to sync a page."""
    with Path(folder, "sync").open("wb", buffering=0) as file:
        start = time.perf_counter()
        for _ in range(200):
            file.write(b"x" * 4096)
            os.fdatasync(file.fileno())
    return (time.perf_counter() - start) / 200 * 1e6


def main() -> None:
    """Run all."""
    total = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    loop: Any = asyncio.run
    with tempfile.TemporaryDirectory(dir=sys.argv[2] if len(sys.argv) > 2 else None) as folder:
        ledger = Ledger(folder).open_or_create(b"B" * 16)
        with ledger.writing() as writer:
            set_budget(writer, parse_who("org"), Terms(10**18, "month", "block", (80, 100)))
        print(f"disk: fdatasync {sync_us(folder):.0f} µs")
        for tasks in (1, 8, 32, 64, 256):
            loop(run(folder, tasks, total if tasks > 1 else total // 10))
        print("verified:", verify(ledger).head.number, "entries,", verify_budgets(ledger), "budget")
        ledger.close()


if __name__ == "__main__":
    main()
