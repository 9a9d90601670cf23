"""Every way to press a budget, against a real gateway: `python tests/bench/gateway_budgets.py [WORD…]`.

64 clients, budgets for 10 and for 400 calls, honest max_tokens and none, streams and not, 1 and 4 workers, one token and
eight children of one. A line each: calls, how much of the limit is used, refusals, how often the ledger was looked at
meanwhile (never was a budget overdrawn, or it ends here), seconds. Only lines that have every WORD are run.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from itertools import product
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.gateway.load import exhaust, watched  # noqa: E402
from tests.gateway.process import gateway, house_at, talk  # noqa: E402
from tests.gateway.test_budgets_hold import CALL_PUSD, FLOOR_PUSD, SPEC, WAYS  # noqa: E402


def run(name: str, calls: int, way: dict[str, object], workers: int, children: int) -> None:
    """Press one budget until everybody is refused, check the books, print a line."""
    limit = calls * CALL_PUSD
    with tempfile.TemporaryDirectory() as folder, house_at(Path(folder)) as house:
        parent = house.issue("chat:write", "keys:write")
        who = f"token:{parent.claims.shown_id}" if children else "org"
        house.budget(who, limit)
        tokens = [house.issue("chat:write", parent=parent) for _ in range(children)] or [parent]
        with gateway(house, "--workers", str(workers)) as running, watched(house) as looked:
            started_s = time.monotonic()
            answers = talk(running, lambda client: exhaust(client, tokens, SPEC, **way))
            took_s = time.monotonic() - started_s
        spent, reserved = house.counter(who)
        assert reserved == 0 == house.reserved
        assert spent == house.provider.billed_pusd <= limit
        assert limit - spent < FLOOR_PUSD
        assert calls < 400 or spent >= limit * 97 // 100
        assert len(house.entries()) == len(house.provider.served) == answers["200"]
        house.verify()
    print(
        f"{name:48} {answers['200']:5} calls {100 * spent / limit:7.2f} % used  {answers['budget_exceeded']:3} × 402 "
        f"{answers['budget_busy']:3} × 429  {looked.times[0]:6} looks {took_s:6.2f} s",
        flush=True,
    )


def main(words: list[str]) -> None:
    """Run what has all of these words in its name."""
    print(f"load {os.getloadavg()[0]:.2f} on {os.cpu_count()} cores")
    for calls, (way, fields), workers, children in product((10, 400), WAYS, (1, 4), (0, 8)):
        name = f"{calls} {way} {workers}-workers {'children' if children else 'alone'}"
        if all(word in name for word in words):
            run(name, calls, fields, workers, children)
    print(f"load {os.getloadavg()[0]:.2f}")


if __name__ == "__main__":
    main(sys.argv[1:])
