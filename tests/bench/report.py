"""How long a month's report and the ledger's verification take, by the size of the ledger. Run by hand, quiet machine:

    .venv/bin/python tests/bench/report.py [--rounds 15] [--ten-million] [--keep FOLDER]

Needs an installation that is not editable, with its byte code. Ledgers of 10⁵ and 10⁶ calls (10⁷ on demand: 4 GB) over
a year are written in bulk, with the chain and roll-ups that `verify` asks for. The report is timed as a whole process
beside a bare interpreter, all in turns.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

from aikeys import clock
from aikeys.ledger.calendar import HOUR_US, Calendar
from aikeys.ledger.calls import Call, Context, Labels, call_bytes, extra_bytes, numbers_of
from aikeys.ledger.recording import file_context
from aikeys.ledger.rollups import KEPT_HOURS, OF_CALLS
from aikeys.ledger.store import Ledger, Writer
from aikeys.ledger.verify import verify
from aikeys.providers.usage import Usage

DAY_US = 24 * HOUR_US
FIRST_US = 1_759_269_600_000_000  # 2025-10-01T00:00 in Berlin
YEAR_US = 365 * DAY_US
MONTH = "2026-09"
_INSERT = f"INSERT INTO call VALUES ({', '.join('?' * 19)})"  # noqa: S608
TEAMS, MODELS = 20, 10
PRICE = "@2026-10-01:bundled input=1250000/1 cache_read=125000/1 output=10000000/1"


def main() -> None:
    """Build the ledgers, time, print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--ten-million", action="store_true")
    parser.add_argument("--keep", help="build there, and use what is there already")
    chosen = parser.parse_args()
    sizes = [10**5, 10**6] + ([10**7] if chosen.ten_million else [])
    with tempfile.TemporaryDirectory() as folder:
        root = Path(chosen.keep or folder)
        homes = {size: root / f"home-{size}" for size in sizes}
        for size, home in homes.items():
            build(home, size)
        time_reports(homes, chosen.rounds)
        for size, home in homes.items():
            time_verify(home, size)


def build(home: Path, size: int) -> None:
    """Write a ledger of that many calls, unless it is there."""
    ledger = Ledger(str(home))
    if ledger.exists:
        return
    start = time.perf_counter()
    ledger.open_or_create(bytes(16), "Europe/Berlin")
    clock.now_us = lambda: FIRST_US + YEAR_US
    with ledger.writing() as writer:
        connection = writer.connection
        connection.executemany(_INSERT, _rows(writer, size))
        oldest = writer.now_us // HOUR_US - KEPT_HOURS
        connection.execute("UPDATE ledger SET hours_from = ?", (oldest,))
        slots = "FROM call JOIN context c ON c.id = call.context"
        for table, when, what, where in (
            ("rollup_day", "day", "c.slot", ""),
            ("rollup_token", "day", "c.token", ""),
            ("rollup_hour", f"at_us / {HOUR_US}", "c.slot", f"WHERE at_us >= {oldest * HOUR_US}"),
        ):
            connection.execute(
                f"INSERT INTO {table} SELECT {when}, {what}, source, {OF_CALLS} {slots} {where} GROUP BY 1, 2, 3"
            )
    ledger.close()
    print(f"built {size:,} calls in {time.perf_counter() - start:.0f} s, {_size(home):,} bytes", flush=True)


def _rows(writer: Writer, size: int) -> Iterator[tuple[object, ...]]:
    calendar = Calendar("Europe/Berlin")
    contexts = [
        Context(
            Labels(f"team-{team:02d}", f"project-{team % 7}", "prod", f"user-{team % 11}"),
            *(f"tok{team:04d}", "openai", "openai", f"openai/gpt-{model}", "", f"openai/gpt-{model}{PRICE}"),
            door="gateway",
        )
        for team in range(TEAMS)
        for model in range(MODELS)
    ]
    filed = [file_context(writer, context) for context in contexts]
    usage = Usage(1200, 300, 0, 0, 450, 100)
    made = Call(0, 0, contexts[0], usage, cost_pusd=5_662_500_000, latency_ms=900, first_token_ms=210,
                reservation=bytes(16), request_digest=bytes(32), reply_digest=bytes(32))  # fmt: skip
    extra = extra_bytes(made)
    digest = writer.head.hash
    for number in range(1, size + 1):
        at_us = FIRST_US + (number - 1) * YEAR_US // size
        context = filed[number * 7919 % len(filed)]
        numbers = (number, at_us, at_us + 900_000, *usage[:6], made.cost_pusd + number % 997, 900, 210, 0)
        if number == 1:
            assert numbers == numbers_of(
                1, made._replace(at_us=at_us, settled_us=at_us + 900_000, cost_pusd=numbers[9])
            )
        digest = sha256(digest + call_bytes(numbers, b"computed", b"ok", context.digest, extra)).digest()
        yield (*numbers, "computed", "ok", context.id, extra, calendar.day_of(at_us), digest)


def time_reports(homes: dict[int, Path], rounds: int) -> None:
    """Print the median of every command, and its ratio to the bare interpreter of the same round."""
    aikeys = str(Path(sys.executable).with_name("aikeys"))
    report = [aikeys, "report", "--by", "team,model", "--month", MONTH]
    env = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    commands = {"bare interpreter": ([sys.executable, "-c", "pass"], env)}
    for size, home in homes.items():
        commands[f"report, {size:>10,} calls"] = (report, {**env, "AIKEYS_HOME": str(home)})
    times: dict[str, list[float]] = {name: [] for name in commands}
    for number in range(rounds + 3):
        for name, (command, its_env) in commands.items():
            start = time.perf_counter()
            subprocess.run(command, env=its_env, check=True, stdout=subprocess.DEVNULL)
            if number >= 3:
                times[name].append((time.perf_counter() - start) * 1e3)
    print(f"load {os.getloadavg()[0]:.2f}, {rounds} rounds")
    for name, taken in times.items():
        ratios = [one / bare for one, bare in zip(taken, times["bare interpreter"], strict=True)]
        middle, least = statistics.median(taken), min(taken)
        print(f"{name:28} {middle:7.1f} ms (least {least:6.1f})  {statistics.median(ratios):5.2f} x bare")


def time_verify(home: Path, size: int) -> None:
    """Print how many entries a second are verified: the chain alone, and everything."""
    ledger = Ledger(str(home)).open()
    passed: list[float] = []
    start = time.perf_counter()
    verify(ledger, advance=lambda _: passed.append(time.perf_counter() - start))
    whole = time.perf_counter() - start
    steps = len(passed) - 1
    walk = (passed[-1] - passed[0]) / steps if steps > 1 else 0.0
    speed = (size - size % (1 << 14)) / steps / walk if walk else 0.0
    print(
        f"verify, {size:>10,} entries     {whole:7.2f} s, {size / whole:>9,.0f} entries/s in all; "
        f"{speed:>9,.0f}/s the chain; load {os.getloadavg()[0]:.2f}",
        flush=True,
    )
    ledger.close()


def _size(home: Path) -> int:
    return sum(file.stat().st_size for file in home.iterdir())


if __name__ == "__main__":
    main()
