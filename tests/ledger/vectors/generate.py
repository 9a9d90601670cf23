"""Make the vectors of ledger format 2: a ledger that is valid, and one file for every way in which one fails to be.

`python tests/ledger/vectors/generate.py` writes v2/; those of v1/ were made before, and stay as they are. Clock, dice and the user's name are fixed, so the same rows come
out every time. Everything in here is test data.

A vector is text: lines `name: value`, a blank line, ledger.db in base64 of zlib; the vector `archived` has a segment
after a further blank line, in the same way. What is to be checked with it: the public key, and the receipt where one
stands there.
"""

from __future__ import annotations

import sqlite3
import sys
import tempfile
from base64 import b64decode, b64encode
from contextlib import ExitStack, closing
from hashlib import sha256
from itertools import count
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING, NamedTuple
from unittest.mock import patch
from zlib import compress, decompress

HERE = Path(__file__).resolve().parent
V1, V2 = HERE / "v1", HERE / "v2"
sys.path.insert(0, str(HERE.parents[2]))

from aikeys import sealing  # noqa: E402  a checkout is not always installed
from aikeys.ledger import archive, importing, rollups  # noqa: E402
from aikeys.ledger.calendar import Calendar  # noqa: E402
from aikeys.ledger.calls import Call, Context, Labels  # noqa: E402
from aikeys.ledger.erasure import erase_person  # noqa: E402
from aikeys.ledger.receipts import receipt_of, receipt_text  # noqa: E402
from aikeys.ledger.recording import append_call  # noqa: E402
from aikeys.ledger.store import Act, Ledger, Signer  # noqa: E402
from aikeys.providers.usage import Usage  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Callable

START_US = 1_790_000_000_000_000
DAY_US = 86_400_000_000
ZONE = "Europe/Berlin"
PRIVATE = bytes(range(32))
SIGNER = Signer(sealing.signing_public(PRIVATE), lambda message: sealing.sign(PRIVATE, message))
LEDGER_ID, VAULT_ID = bytes(range(16)), bytes(range(16, 32))
_IMPORT = b'{"id": "elsewhere-1", "at": "2026-09-20T10:00:00Z", "provider": "p", "model": "m", "cost_usd": "1.5"}\n'


class Vector(NamedTuple):
    """One file: what it says, the ledger, and a segment or nothing."""

    says: dict[str, str]
    ledger: bytes
    segment: bytes = b""


def vectors() -> dict[str, Vector]:
    """Return every vector by its name."""
    with tempfile.TemporaryDirectory() as folder, _fixed():
        good = _history(folder)
        archived = _archived(folder, good)

    def failing(place: str, edit: Callable[[sqlite3.Connection], object], about: str, **more: str) -> Vector:
        says = good.says | {"about": about, "expect": "damaged", "status": "13", "place": place} | more
        for name in ("signed-to", "unsigned", "receipt"):
            if name not in more:
                says.pop(name)
        return Vector(says, _edited(good.ledger, edit))

    return {
        "good": good,
        "archived": archived,
        "entry-changed": failing("entry 2", _change, "a call costs one pico-dollar less"),
        "column-edited": failing("call 2", _edit_column, "a call is found by the id of another"),
        "fact-changed": failing("entry 18", _change_fact, "an act says something else"),
        "entry-removed": failing("entry 3", _remove, "a call is gone"),
        "word-renamed": failing("entry 2", _rename, "the team support is called sale"),
        "roll-up-edited": failing("2026-09-21 (rollup_day)", _edit_roll_up, "a day's total is one token less"),
        "token-edited": failing("token 0202020202020202", _unrevoke, "a revoked token is not revoked any more"),
        "checkpoint-forged": failing("checkpoint at entry 9", _forge, "the checkpoint has the signature of another"),
        "tail-cut": failing(
            "ends at entry 17",
            _cut,
            "the last entry is cut off; valid but for the receipt",
            receipt=good.says["receipt"],
        ),
    }


def _fixed() -> ExitStack:
    """Fix what a ledger takes from its surroundings: time, salts, the user's name."""
    ticks, salts = count(START_US, 1000), count()
    stack = ExitStack()
    stack.enter_context(patch("aikeys.clock.now_us", lambda: next(ticks)))
    stack.enter_context(
        patch("aikeys.ledger.store.os.urandom", lambda size: sha256(b"salt %d" % next(salts)).digest()[:size])
    )
    stack.enter_context(patch("aikeys.ledger.store._user_name", lambda: "tester"))
    return stack


def _history(folder: str) -> Vector:
    """Acts and calls of every kind: 1 act, 2-5 calls, 6-7 an act on a vault, 8 erasure, 9 signed, 10-18 after it.

    12-15 are about two tokens.
    """
    ledger = Ledger(folder).open_or_create(LEDGER_ID, ZONE)
    with ledger.writing() as writer:
        rollups.declare_tag(writer, "client")
    full = Context(
        Labels("support", "website", "production", "ana", (("branch", "main"), ("client", "acme"))),
        "tok1", "openai", "openai", "openai/gpt-5", "gpt-5-2026", "openai/gpt-5@x input=1250000/1", "192.0.2.1", "gateway",
    )  # fmt: skip
    usage = Usage(1000, 300, 20, 10, 500, 200, (("web_searches", 2),))
    plain = Context(Labels(team="sales"), provider="mistral", model="mistral/large", door="prompt")
    at = START_US - DAY_US // 2
    with ledger.writing() as writer:
        for call in (
            Call(at, at + 5, full, usage, (("web_searches", 2),), 6_375_000_000, "computed", "ok", 900, 80, None,
                 b"r" * 16, "req_1", b"q" * 32, b"a" * 32, "msg_1", "run-1", doubt_pusd=17, request_content=b"c" * 32),
            Call(at + DAY_US, at + DAY_US + 5, plain, Usage(10), cost_pusd=123, cost_source="worst_case", status="lost"),
            Call(at, at + 9, plain, cost_pusd=-23, cost_source="billed", corrects=3),
            Call(at, at, plain, Usage(7), (("input_tokens", 7),), 0, "unpriced", unread=("usage.new", "usage.x.y")),
        ):  # fmt: skip
            append_call(writer, call, Calendar(ZONE))
    intent = ledger.intent(Act("add", "openai"), VAULT_ID, 2)
    ledger.outcome(intent.number, "ok", b"m" * 64)
    erase_person(ledger, "192.0.2.1")
    ledger.event(Act("sign", "ledger"), signer=SIGNER)
    ledger.intent(Act("rotate", "openai"), VAULT_ID, 3)
    importing.import_calls(ledger, [_IMPORT], append_call, lambda call: call, lambda _: None)
    parent, child = "01" * 8, "02" * 8
    ledger.event(Act("token issue", parent, "expires=2026-10-21T14:13:20Z scopes=env:read,keys:write", "ana"))
    ledger.event(Act("token issue", child, f"parent={parent} expires=2026-10-21T14:13:20Z scopes=env:read"))
    ledger.event(Act("token use", child), "denied")
    ledger.event(Act("token revoke", child))
    ledger.event(Act("exec", "openai", "", "bob"), "locked")
    ledger.event(Act("exec", "openai", facts=(("program", "make it"), ("token", child))))
    receipt = receipt_text(receipt_of(ledger))
    says = {
        "about": "acts and calls of every kind, signed to entry 9",
        "expect": "valid",
        "status": "0",
        "public-key": SIGNER.public.hex(),
        "ledger-id": LEDGER_ID.hex(),
        "zone": ZONE,
        "head": str(ledger.head().number),
        "signed-to": "9",
        "unsigned": str(ledger.head().number - 9),
        "receipt": receipt,
    }
    return Vector(says, _bytes(ledger))


def _archived(folder: str, good: Vector) -> Vector:
    """Archive the first five entries of the same ledger."""
    ledger = Ledger(folder).open()
    last = archive.last_before(ledger, 1 << 62, 6)
    segment = archive.write(ledger, last, SIGNER, folder)
    archive.remove(ledger, segment, SIGNER)
    says = good.says | {
        "about": "the same after its first five entries were archived",
        "head": str(ledger.head().number),
        "signed-to": str(ledger.head().number),
        "unsigned": "0",
    }
    return Vector(says, _bytes(ledger), Path(segment.path).read_bytes())


def _bytes(ledger: Ledger) -> bytes:
    ledger.truncate_log()
    ledger.close()
    return Path(ledger.path).read_bytes()


def _edited(data: bytes, edit: Callable[[sqlite3.Connection], object]) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "ledger.db")
        path.write_bytes(data)
        with closing(sqlite3.connect(path)) as connection:
            with connection:
                edit(connection)
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return path.read_bytes()


def _change(connection: sqlite3.Connection) -> None:
    connection.execute("UPDATE call SET cost_pusd = cost_pusd - 1 WHERE id = 2")


def _edit_column(connection: sqlite3.Connection) -> None:
    connection.execute("UPDATE call SET message_id = 'msg_2' WHERE id = 2")


def _change_fact(connection: sqlite3.Connection) -> None:
    facts = connection.execute("SELECT facts FROM entry WHERE id = 18").fetchone()[0]
    connection.execute("UPDATE entry SET facts = ? WHERE id = 18", (facts.replace(b"make", b"fake"),))


def _remove(connection: sqlite3.Connection) -> None:
    connection.execute("DELETE FROM call WHERE id = 3")


def _rename(connection: sqlite3.Connection) -> None:
    connection.execute("UPDATE word SET text = 'sale' WHERE text = 'support'")


def _edit_roll_up(connection: sqlite3.Connection) -> None:
    connection.execute("UPDATE rollup_day SET input = input - 1 WHERE input = 1000")


def _unrevoke(connection: sqlite3.Connection) -> None:
    connection.execute("UPDATE token SET revoked_us = 0")


def _forge(connection: sqlite3.Connection) -> None:
    number, digest, at_us = connection.execute("SELECT number, hash, at_us FROM checkpoint").fetchone()
    signature = sealing.sign(bytes(32), b"%d%b%d" % (number, digest, at_us))
    connection.execute("UPDATE checkpoint SET signature = ?", (signature,))


def _cut(connection: sqlite3.Connection) -> None:
    connection.execute("DELETE FROM entry WHERE id = (SELECT max(id) FROM entry)")
    connection.execute("DELETE FROM raw_runs")


def encode(vector: Vector) -> str:
    """Return a vector's text."""
    parts = [f"{name}: {value}" for name, value in vector.says.items()]
    for data in (vector.ledger, vector.segment):
        if data:
            parts += ["", *wrap(b64encode(compress(data, 9)).decode(), 100)]
    return "\n".join(parts) + "\n"


def decode(text: str) -> Vector:
    """Read what `encode` wrote."""
    lines, *files = text.split("\n\n")
    says = dict(line.split(": ", 1) for line in lines.splitlines())
    return Vector(says, *(decompress(b64decode(data)) for data in files))


def read(name: str, folder: Path = V2) -> Vector:
    """Return a committed vector."""
    return decode((folder / f"{name}.txt").read_text(encoding="utf-8"))


def main() -> None:
    """Write every vector."""
    V2.mkdir(exist_ok=True)
    for name, vector in vectors().items():
        (V2 / f"{name}.txt").write_text(encode(vector), encoding="utf-8")
        print(f"v2/{name}.txt")


if __name__ == "__main__":
    main()
