"""Make the vectors of vault format 1: what opens, and one file for every way in which a vault fails to.

`python tests/vault/vectors/generate.py` writes v1/; tokens.py beside it makes those of tokens. Dice and clock are fixed, so the same rows come out
every time, but for the HPKE envelopes (of unlock methods and grants): those of the files that are there already are
kept, for the manifest's digest and the ledger cover the first, too. Everything in here is test data.

A vector is text: lines `name: value`, a blank line, vault.db, a blank line, ledger.db, both zlib in base64.
"""

from __future__ import annotations

import sqlite3
import sys
import tempfile
from base64 import b64decode, b64encode
from contextlib import ExitStack, closing
from functools import partial
from hashlib import sha256
from itertools import count
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING, NamedTuple
from unittest.mock import patch
from zlib import compress, decompress

HERE = Path(__file__).resolve().parent
V1 = HERE / "v1"
TOKENS = V1 / "tokens"
sys.path.insert(0, str(HERE.parents[2]))

from aikeys import sealing  # noqa: E402  a checkout is not always installed
from aikeys.ledger.store import Act  # noqa: E402
from aikeys.tokens import grants  # noqa: E402
from aikeys.vault import changes, opening, writing  # noqa: E402
from aikeys.vault.format import Content, KeyVersion, checksum  # noqa: E402
from aikeys.vault.unlock import methods, recovery_code  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from aikeys.tokens.claims import Claims

    Envelopes = Mapping[bytes, bytes]

NOW_S = 1_790_000_000
DAY_S = 24 * 3600
PASSPHRASE = "correct horse battery stäple"
RECOVERY = bytes(range(20))
KEY_FILE = bytes(range(32))
SECRETS = {"openai": "sk-test-openai-second", "anthropic": "sk-ant-test-anthropic"}
EARLIER = "sk-test-openai-first"
STATUS = {"ok": 0, "wrong passphrase": 12, "damaged": 13, "bad configuration": 14, "token refused": 21}


class Vector(NamedTuple):
    """One file: what it says, and the two databases."""

    says: dict[str, str]
    vault: bytes
    ledger: bytes


def dice(seed: str) -> Callable[[int], bytes]:
    """Return dice that always fall the same: blocks SHA-256(seed, 64-bit big-endian counter), one after the other."""
    numbers = count()
    left = bytearray()

    def roll(size: int) -> bytes:
        while len(left) < size:
            left.extend(sha256(seed.encode() + next(numbers).to_bytes(8, "big")).digest())
        taken = bytes(left[:size])
        del left[:size]
        return taken

    return roll


def vectors(kept: Envelopes) -> dict[str, Vector]:
    """Return every vector by its name; envelopes come from `kept` where it has the method's id."""
    with tempfile.TemporaryDirectory() as folder, fixed(kept):
        earlier, success = history(folder)
    with tempfile.TemporaryDirectory() as folder, fixed(kept):
        plain = with_plain_http(folder)

    def failing(expect: str, vault: bytes, about: str, **says: str) -> Vector:
        first = {"about": about, "expect": expect, "status": str(STATUS[expect])}
        rest = {name: value for name, value in success.says.items() if name not in first}
        return Vector(first | rest | says, vault, success.ledger)

    def failing_by(expect: str, edit: Callable[[sqlite3.Connection], None], about: str) -> Vector:
        return failing(expect, edited(success.vault, edit), about)

    return {
        "success": success,
        "plain-http": plain,
        "wrong-passphrase": failing(
            "wrong passphrase",
            success.vault,
            "one letter of the passphrase is another",
            passphrase=PASSPHRASE[:-1] + "a",
        ),
        "damaged-header": failing_by("damaged", _damage_header, "one bit of the header's commitment is another"),
        "damaged-entry": failing_by("damaged", _damage_entry, "one bit of anthropic's sealed content is another"),
        "swapped-entries": failing_by("damaged", _swap, "two keys have exchanged their secrets, checksums are right"),
        "deleted-entry": failing_by("damaged", _delete, "the key anthropic is gone, with its secret"),
        "rolled-back": failing("damaged", earlier, "vault.db as it was one epoch earlier"),
        "unsupported-version": failing_by("bad configuration", _raise_version, "the file says that it has format 2"),
    }


def fixed(kept: Envelopes) -> ExitStack:
    """Fix what a vault takes from its surroundings: time, salt of a person, the user's name, envelopes."""
    ticks, salts, fresh = count(NOW_S * 1_000_000, 1000), dice("salts"), methods.envelope

    def envelope(public: bytes, vault_id: bytes, method_id: bytes, vault_key: bytes) -> bytes:
        return kept.get(method_id) or fresh(public, vault_id, method_id, vault_key)

    fresh_grant = grants.hand_over

    def grant(claims: Claims, lock: grants.Lock, payload: bytes) -> bytes:
        return kept.get(_grant_id(claims.id, lock.key_id, lock.version)) or fresh_grant(claims, lock, payload)

    stack = ExitStack()
    stack.enter_context(patch("aikeys.clock.now_us", lambda: next(ticks)))
    stack.enter_context(patch("aikeys.clock.now_s", lambda: NOW_S + DAY_S))
    stack.enter_context(patch("aikeys.tokens.grants.hand_over", grant))
    stack.enter_context(patch("aikeys.ledger.store.os.urandom", salts))
    stack.enter_context(patch("aikeys.storage.ballast.load", lambda _home: None))  # it would take of the salts
    stack.enter_context(patch("aikeys.ledger.store._user_name", lambda: "tester"))
    stack.enter_context(patch("aikeys.vault.unlock.methods.envelope", envelope))
    return stack


def history(folder: str) -> tuple[bytes, Vector]:
    """Make a vault, add two keys, rotate one; return vault.db before the last act, and the vector of the end."""
    roll = dice("aikeys vault format 1")
    place = opening.place_of(folder)
    opened = _made(place, roll)
    for name, secret in {"openai": EARLIER, "anthropic": SECRETS["anthropic"]}.items():
        add = partial(changes.add_key, new=_key(name, secret), now_s=NOW_S, dice=roll)
        opened = writing.write(place, opened, Act("add", name), add).opened
    earlier = Path(place.vault.path).read_bytes()
    opened = writing.write(
        place,
        opened,
        Act("rotate", "openai"),
        lambda vault: changes.replace_secret(
            vault,
            "openai",
            changes.Replacement(SECRETS["openai"].encode(), False, NOW_S + 2 * DAY_S),
            NOW_S + DAY_S,
            roll,
        ),
    ).opened
    says = {
        "about": "a vault that opens: two keys, one of them rotated, its earlier secret in grace",
        "expect": "ok",
        "status": "0",
        "passphrase": PASSPHRASE,
        "recovery-code": recovery_code.encode(RECOVERY),
        "key-file": KEY_FILE.hex(),
        "vault-id": opened.rows.header.vault_id.hex(),
        "vault-key": opened.vault_key.reveal().hex(),
        "anchor-epoch": str(opened.rows.manifest.epoch),
        "secret openai": SECRETS["openai"],
        "earlier secret openai": EARLIER,
        "secret anthropic": SECRETS["anthropic"],
    }
    return earlier, Vector(says, Path(place.vault.path).read_bytes(), Path(place.ledger.path).read_bytes())


def with_plain_http(folder: str) -> Vector:
    """Make a vault with a key that may travel over plain http in a private network."""
    roll = dice("aikeys vault format 1, plain http")
    place = opening.place_of(folder)
    new = _key("lan", "sk-lan-0123456789")
    new = new._replace(base_url="http://10.9.9.9/v1", content=new.content._replace(allows_http=True))
    opened = writing.write(
        place, _made(place, roll), Act("add", "lan"), partial(changes.add_key, new=new, now_s=NOW_S, dice=roll)
    ).opened
    says = {
        "about": "a vault with a key whose sealed content has the seventh field: plain http to a private network",
        "expect": "ok",
        "status": "0",
        "passphrase": PASSPHRASE,
        "vault-id": opened.rows.header.vault_id.hex(),
        "secret lan": "sk-lan-0123456789",
        "plain-http": "lan",
    }
    return Vector(says, Path(place.vault.path).read_bytes(), Path(place.ledger.path).read_bytes())


def _grant_id(token_id: bytes, key_id: bytes, version: int) -> bytes:
    return token_id + key_id + version.to_bytes(8, "big")


def _made(place: opening.Place, roll: Callable[[int], bytes]) -> opening.Opened:
    ledger = place.ledger.open_or_create(roll(16))
    new = [
        methods.NewMethod(methods.PASSPHRASE, "", methods.passphrase_bytes(PASSPHRASE), sealing.CHEAPEST),
        methods.NewMethod(methods.RECOVERY, "", RECOVERY),
        methods.NewMethod(methods.KEY_FILE, "/nowhere/aikeys.key", KEY_FILE),
    ]
    opened = changes.new_vault(new, ledger.ledger_id, NOW_S, roll)
    intent = ledger.intent(Act("init", "vault"), opened.rows.header.vault_id, 1)
    opened = opened._replace(rows=writing.signed(opened, 1, intent))
    place.vault.create(opened.rows)
    ledger.outcome(intent.number, "ok", opening.anchored(opened.rows))
    ledger.close()
    return opened


def _key(name: str, secret: str) -> changes.NewKey:
    variable = f"{name.upper()}_API_KEY"
    content = Content(
        secret.encode(), (variable,), (f"{name.upper()}_BASE_URL",), "", (("EXTRA", "ü"),), ("OTHER_KEY", "ANOTHER")
    )
    return changes.NewKey(name, name, "", f"https://{name}.invalid/v1", "", False, 90 * DAY_S, 0, content)


def edited(vault: bytes, edit: Callable[[sqlite3.Connection], None]) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "vault.db")
        path.write_bytes(vault)
        with closing(sqlite3.connect(path)) as connection, connection:
            edit(connection)
        return path.read_bytes()


def _flipped(data: bytes) -> bytes:
    return data[:-1] + bytes([data[-1] ^ 1])


def _damage_header(connection: sqlite3.Connection) -> None:
    (value,) = connection.execute("SELECT commitment FROM header").fetchone()
    connection.execute("UPDATE header SET commitment = ?", (_flipped(value),))


def _damage_entry(connection: sqlite3.Connection) -> None:
    (row,) = _versions(connection, "anthropic")
    connection.execute("UPDATE key_version SET sealed = ? WHERE key_id = ?", (_flipped(row.sealed), row.key_id))


def _swap(connection: sqlite3.Connection) -> None:
    one, other = _versions(connection, "openai")[-1], _versions(connection, "anthropic")[0]
    for row, source in ((one, other), (other, one)):
        new = row._replace(wrapped_key=source.wrapped_key, sealed=source.sealed)
        connection.execute(
            "UPDATE key_version SET wrapped_key = ?, sealed = ?, checksum = ? WHERE key_id = ? AND version = ?",
            (new.wrapped_key, new.sealed, checksum(new), new.key_id, new.version),
        )


def _delete(connection: sqlite3.Connection) -> None:
    (row,) = _versions(connection, "anthropic")
    connection.execute("DELETE FROM key WHERE id = ?", (row.key_id,))
    connection.execute("DELETE FROM key_version WHERE key_id = ?", (row.key_id,))


def _raise_version(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA user_version = 2")
    connection.execute("UPDATE header SET format = 2")


def _versions(connection: sqlite3.Connection, name: str) -> list[KeyVersion]:
    columns = ", ".join(KeyVersion._fields)
    query = f"SELECT {columns} FROM key_version WHERE key_id = (SELECT id FROM key WHERE name = ?) ORDER BY version"  # noqa: S608
    return [KeyVersion(*row) for row in connection.execute(query, (name,))]


def encode(vector: Vector) -> str:
    """Return a vector's text."""
    parts = [f"{name}: {value}" for name, value in vector.says.items()]
    for data in (vector.vault, vector.ledger):
        parts += ["", *wrap(b64encode(compress(data, 9)).decode(), 100)]
    return "\n".join(parts) + "\n"


def decode(text: str) -> Vector:
    """Read what `encode` wrote."""
    lines, vault, ledger = text.split("\n\n")
    says = dict(line.split(": ", 1) for line in lines.splitlines())
    return Vector(says, decompress(b64decode(vault)), decompress(b64decode(ledger)))


def read(name: str) -> Vector:
    """Return a committed vector."""
    return decode((V1 / f"{name}.txt").read_text(encoding="utf-8"))


def envelopes(vault: bytes) -> dict[bytes, bytes]:
    """Return the envelopes of a vault by their methods' ids, those of grants by token, key and version."""
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.deserialize(vault)
        found = dict(connection.execute("SELECT id, envelope FROM unlock_method"))
        rows = connection.execute("SELECT token_id, key_id, version, envelope FROM token_grant")
        return found | {_grant_id(*row[:3]): row[3] for row in rows}


def kept_envelopes() -> dict[bytes, bytes]:
    """Return every envelope of the committed vectors, nothing where there are none."""
    found: dict[bytes, bytes] = {}
    for name in ("success", "plain-http", "tokens/good"):
        if (V1 / f"{name}.txt").exists():
            found |= envelopes(read(name).vault)
    return found


def main() -> None:
    """Write every vector."""
    kept = kept_envelopes()
    write(V1, vectors(kept))


def write(folder: Path, made: Mapping[str, Vector]) -> None:
    """Write vectors into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, vector in made.items():
        (folder / f"{name}.txt").write_text(encode(vector), encoding="utf-8")
        print((folder / f"{name}.txt").relative_to(HERE))


if __name__ == "__main__":
    main()
