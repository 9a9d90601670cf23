"""How fast the ledger takes, gives and checks calls: `python tests/bench/ledger_speed.py [CALLS] [FOLDER]`.

Makes a file of calls (400 contexts, 180 days), imports, verifies, exports and archives it on a throw-away home, each as
a process of its own as a user would. Prints seconds of wall clock and of the processor, calls a second, and the load.
"""

from __future__ import annotations

import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
START_S = 1_780_000_000
DAYS = 170


def write_calls(path: Path, count: int) -> None:
    """Write calls of 8 teams, 5 projects, 20 users, 30 tokens and 6 models."""
    dice = random.Random(7)
    with path.open("w") as file:
        for number in range(count):
            at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(START_S + number * DAYS * 86400 // count))
            which = number % 400
            row = {
                "id": f"bench-{number}", "at": at, "team": f"team{which % 8}", "project": f"project{which % 5}",
                "user": f"user{which % 20}", "token": f"tok{which % 30}", "key": "openai", "provider": "openai",
                "model": f"gpt-bench-{which % 6}", "input_tokens": dice.randrange(10, 50_000),
                "output_tokens": dice.randrange(1, 4000), "cost_usd": f"0.{dice.randrange(10**9):09d}",
                "cost_source": "billed", "latency_ms": dice.randrange(100, 9000),
            }  # fmt: skip
            file.write(json.dumps(row) + "\n")


def timed(count: int, environment: dict[str, str], *words: str) -> None:
    """Run a command and print its figures."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "aikeys", *words], env=environment, capture_output=True, text=True, check=False
    )
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    load = os.getloadavg()[0]
    print(
        f"{words[1]:8} {wall:7.1f} s wall {cpu:7.1f} s cpu {count / wall:10,.0f}/s wall {count / cpu:10,.0f}/s cpu "
        f"load {load:.1f} peak {after.ru_maxrss // 1024} MiB status {done.returncode} {done.stderr.strip()[-90:]}",
        flush=True,
    )


def main() -> None:
    """Run all."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    with tempfile.TemporaryDirectory(dir=sys.argv[2] if len(sys.argv) > 2 else None) as folder:
        environment = {**os.environ, "AIKEYS_HOME": f"{folder}/home", "PYTHONPATH": str(ROOT), "TZ": "UTC"}
        calls = Path(folder, "calls.jsonl")
        write_calls(calls, count)
        timed(1, environment, "init", "--key-file", f"{folder}/key")
        timed(count, environment, "ledger", "import", str(calls))
        timed(count, environment, "ledger", "verify")
        timed(count, environment, "ledger", "export", "-o", f"{folder}/out.jsonl")
        print(f"ledger.db {os.path.getsize(f'{folder}/home/ledger.db') / count:.0f} bytes a call")


if __name__ == "__main__":
    main()
