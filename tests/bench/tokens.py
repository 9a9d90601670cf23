"""What tokens cost: python tests/bench/tokens.py. Renewal of 1,000 grants, a token checked, a token issued.

On a home of its own in a temporary directory; beside the figures stand the load and what one write to disk takes.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from hashlib import sha256
from pathlib import Path
from statistics import median

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from aikeys import clock  # noqa: E402
from aikeys.tokens.token_request import TokenRequest  # noqa: E402
from aikeys.vault.opening import place_of  # noqa: E402
from aikeys.vault.setup import make_vault  # noqa: E402
from aikeys.vault.tokens import issuing  # noqa: E402
from aikeys.vault.tokens.admission import TokenVerifier  # noqa: E402
from aikeys.vault.unlock import methods  # noqa: E402
from tests.vault.conftest import Home  # noqa: E402
from tests.vault.tokens_at_hand import MAY_ISSUE, Office  # noqa: E402


def timed(times: int, what: Callable[[], object]) -> list[float]:
    taken = []
    for _ in range(times):
        start = time.perf_counter()
        what()
        taken.append(time.perf_counter() - start)
    return sorted(taken)


def told(name: str, taken: list[float], unit_s: float, unit: str) -> None:
    ninetieth = taken[len(taken) * 9 // 10]
    sys.stdout.write(f"{name:<44} p50 {median(taken) / unit_s:9.1f} {unit}   p90 {ninetieth / unit_s:9.1f} {unit}\n")


def synced(folder: str) -> None:
    handle = os.open(os.path.join(folder, "sync"), os.O_WRONLY | os.O_CREAT, 0o600)
    os.write(handle, b"x" * 4096)
    os.fsync(handle)
    os.close(handle)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        key = os.urandom(32)
        home = Home(place_of(os.path.join(folder, "home")), Path(folder, "key"), key)
        make_vault(home.place, [methods.NewMethod(methods.KEY_FILE, str(home.key_path), key)])
        home.add("openai", "sk-first")
        office, place = Office(home), home.place
        sys.stdout.write(f"load {os.getloadavg()[0]:.1f}, {os.cpu_count()} cores\n")
        told("one write and fsync of 4 KiB", timed(50, lambda: synced(folder)), 1e-3, "ms")
        office.rotate("openai", "sk-before")
        told("rotate without tokens", timed(5, lambda: office.rotate("openai", os.urandom(8).hex())), 1e-3, "ms")
        opened = home.open()
        token_request = TokenRequest(scopes=("env:read",), keys=("openai",))
        told(
            "issue, in-process, vault open", timed(20, lambda: issuing.issue(place, opened, token_request)), 1e-3, "ms"
        )
        parent = office.issue(*MAY_ISSUE)
        child = office.child(parent)
        now_s = clock.now_s()
        for how, digest in (("remembered", lambda raw: sha256(raw).digest()), ("checked anew", None)):
            token_verifier = TokenVerifier(place, place.ledger, digest)
            for name, each in (("a root", parent), ("a child", child)):
                token_verifier.admit(each.text, now_s)
                told(f"admit {name}, {how}", timed(3000, partial(token_verifier.admit, each.text, now_s)), 1e-6, "us")
            token_verifier.close()
        told("admit a child, process just started", timed(50, lambda: office.admit(child)), 1e-3, "ms")
        office.many(1000 - len(office.rows().links))
        told("rotate with 1,000 tokens", timed(5, lambda: office.rotate("openai", os.urandom(8).hex())), 1e-3, "ms")


if __name__ == "__main__":
    main()
