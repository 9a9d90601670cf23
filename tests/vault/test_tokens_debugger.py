"""With a debugger's eye: everything a thief holds, tried on every wrapped blob of the file. Only what is granted opens.

The thief reads the tables raw, asks no program for permission, and has old copies, old passphrases and foreign tokens.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from aikeys import sealing
from aikeys.errors import AikeysError, Damaged
from aikeys.storage.canonical import pack
from aikeys.tokens.text import TokenText
from aikeys.vault import changes
from aikeys.vault.format import decode_content
from aikeys.vault.unlock import methods
from tests.vault.conftest import BASE_URL, Home
from tests.vault.tokens_at_hand import Office, taken_apart

PURPOSES = ("verifier", "private", "child-signing")
KINDS = ("data-key", "secret", "grant-gateway", "grant-raw-token", "grant-gateway-token")


class File(NamedTuple):
    """What stands in a vault.db, read without this program."""

    blobs: dict[str, bytes]
    contexts: frozenset[bytes]
    vault_id: bytes


def read(path: Path) -> File:
    with closing(sqlite3.connect(path)) as connection:
        connection.row_factory = sqlite3.Row
        header = connection.execute("SELECT * FROM header").fetchone()
        tables = {
            "unlock_method": ("envelope", "binding"),
            "key_version": ("wrapped_key", "sealed"),
            "token_grant": ("envelope",),
            "header": ("signing_sealed", "gateway_sealed"),
        }
        blobs = {
            f"{table}.{column} {number}": row[column]
            for table, columns in tables.items()
            for number, row in enumerate(connection.execute(f"SELECT * FROM {table}"))  # noqa: S608
            for column in columns
        }
        return File(blobs, frozenset(_contexts(connection, header["vault_id"])), header["vault_id"])


def _contexts(connection: sqlite3.Connection, vault_id: bytes) -> Iterator[bytes]:
    """Yield every context that could be right for something, for every row."""
    yield b""
    for purpose in ("signing-key", "gateway-key"):
        yield pack(f"aikeys/1/{purpose}", vault_id)
    for (method,) in connection.execute("SELECT id FROM unlock_method"):
        for purpose in ("binding", "envelope"):
            yield pack(f"aikeys/1/{purpose}", vault_id, method)
    tokens = [row[0] for row in connection.execute("SELECT id FROM token")]
    query = "SELECT k.id, k.name, k.provider, v.base_url, v.version FROM key k JOIN key_version v ON v.key_id = k.id"
    for lock in connection.execute(query).fetchall():
        for kind in KINDS:
            yield pack(f"aikeys/1/{kind}", vault_id, *lock)
            for token in tokens:
                yield pack(f"aikeys/1/{kind}", token, vault_id, *lock)


def derived(tokens: Iterable[TokenText]) -> set[bytes]:
    """Return every key that follows from tokens, and from them mixed up with one another."""
    found: set[bytes] = set()
    for secret, other in product(tokens, repeat=2):
        raw = secret.secret.reveal()
        infos = [pack(f"aikeys/1/token-{purpose}", other.fingerprint, other.id) for purpose in PURPOSES]
        found |= {raw, *(sealing.derive(raw, info) for info in [b"", *infos])}
    return found


def opened_by(file: File, keys: set[bytes]) -> dict[str, bytes]:
    """Try every key on every blob with every context, and what comes out as further keys, until nothing new opens."""
    found: dict[str, bytes] = {}
    waiting, tried = set(keys), set()
    while waiting:
        key = waiting.pop()
        tried.add(key)
        inner = {f"{name} inside": data for name, data in found.items() if len(data) > 40}
        for name, blob in {**file.blobs, **inner}.items():
            if name not in found and (data := _opened(blob, key, file.contexts)) is not None:
                found[name] = data
                if len(data) == 32:
                    waiting.add(data)
                elif len(data) > 40:  # a blob of its own, for every key there is
                    waiting |= tried
                waiting -= {key}
    return found


def _opened(blob: bytes, key: bytes, contexts: frozenset[bytes]) -> bytes | None:
    for context in contexts:
        for way in (sealing.unseal, sealing.take_over):
            try:
                return way(key, blob, context)
            except Damaged:
                continue
    return None


def secrets_in(found: dict[str, bytes]) -> set[str]:
    secrets = set()
    for data in found.values():
        try:
            secrets.add(decode_content(data).secret.decode())
        except (AikeysError, ValueError, TypeError):
            continue
    return secrets


@pytest.fixture
def office(make_home: Any) -> Office:
    home: Home = make_home(passphrase=True)
    home.add("openai", "sk-A")
    home.add("work", "sk-B")
    return Office(home)


def test_the_thief_can_open_what_there_is_to_open(office: Office) -> None:
    """The search itself works: with the vault key it finds everything."""
    office.issue(*("env:read",))
    found = opened_by(read(office.home.vault), {office.home.open().vault_key.reveal()})
    assert secrets_in(found) == {"sk-A", "sk-B"}
    assert {"header.gateway_sealed 0", "header.signing_sealed 0"} <= set(found)


def test_a_token_with_raw_keys_opens_its_key_and_nothing_else(office: Office) -> None:
    mine = office.issue("env:read", "chat:write", keys=("openai",))
    office.issue("env:read", keys=("work",))
    office.issue("chat:write")
    found = opened_by(read(office.home.vault), derived([taken_apart(mine)]))
    assert secrets_in(found) == {"sk-A"}
    assert len(found) == 2, sorted(found)  # its grant, and the one value it is for


@pytest.mark.parametrize("scopes", [("chat:write",), ("usage:read",), ("keys:write", "chat:write", "native:all")])
def test_a_token_without_env_read_opens_no_key_whatever_its_scope(office: Office, scopes: tuple[str, ...]) -> None:
    mine = office.issue(*scopes)
    office.issue("env:read", keys=("openai",))
    found = opened_by(read(office.home.vault), derived([taken_apart(mine)]))
    assert secrets_in(found) == set()
    assert all(name.startswith("token_grant") and len(data) > 40 for name, data in found.items()), sorted(found)


def test_the_gateway_key_alone_opens_nothing_and_with_a_token_only_its_keys(office: Office) -> None:
    mine = office.issue("chat:write", keys=("openai",))
    office.issue("chat:write", keys=("work",))
    file, gateway = read(office.home.vault), office.gateway().reveal()
    assert opened_by(file, {gateway}) == {}
    both = opened_by(file, {gateway, *derived([taken_apart(mine)])})
    assert secrets_in(both) == {"sk-A"}


def test_many_tokens_together_open_only_what_they_open_apart(office: Office) -> None:
    mine = [office.issue("env:read", keys=("openai",)), office.issue("chat:write"), office.issue("keys:write")]
    mine.append(office.child(office.issue("env:read", "keys:write", keys=("openai",)), "env:read"))
    found = opened_by(read(office.home.vault), derived(map(taken_apart, mine)))
    assert secrets_in(found) == {"sk-A"}


def test_a_parent_without_raw_keys_hands_on_what_it_cannot_open_itself(office: Office) -> None:
    parent = office.issue("chat:write", "keys:write", keys=("openai",))
    child = office.access_of(parent, office.gateway())
    from aikeys.tokens.token_request import TokenRequest
    from aikeys.vault.tokens import issuing

    made = issuing.issue_child(office.home.place, child, TokenRequest(scopes=("chat:write",)))
    found = opened_by(read(office.home.vault), derived(map(taken_apart, (parent, made))))
    assert secrets_in(found) == set()
    assert office.secret(made, gateway=office.gateway()) == "sk-A"


def test_after_a_rotation_old_copy_old_passphrase_and_tokens_open_only_what_the_tokens_are_for(
    office: Office, tmp_path: Path
) -> None:
    mine = office.issue("env:read", keys=("openai",))
    idle = office.issue("usage:read")
    old = office.copy(tmp_path / "old")
    known = _with_old_passphrase(old)
    assert secrets_in(opened_by(read(old.home.vault), known)) == {"sk-A", "sk-B"}
    office.home.change("passphrase", lambda vault: changes.rekey(vault, os.urandom))
    office.rotate("openai", "sk-A2")
    office.rotate("work", "sk-B2")
    everything = known | derived([taken_apart(mine), taken_apart(idle)])
    found = opened_by(read(office.home.vault), everything)
    assert secrets_in(found) - {"sk-A", "sk-B"} == {"sk-A2"}
    assert not any(name.startswith("header") for name in found)


def test_after_a_compromise_nothing_old_opens_anything_new(office: Office, tmp_path: Path) -> None:
    mine, spender = office.issue("env:read", keys=("openai",)), office.issue("chat:write")
    old = office.copy(tmp_path / "old")
    known = _with_old_passphrase(old) | derived([taken_apart(mine), taken_apart(spender)])
    known |= set(opened_by(read(old.home.vault), known).values())  # with it: signing key and gateway key
    opened = office.home.open()
    survivor = (opened.method_id, office.home.key)
    office.home.change("passphrase", lambda vault: changes.renew_everything(vault, survivor, os.urandom))
    fresh = office.issue("chat:write")
    new = read(office.home.vault)
    assert opened_by(new, {key for key in known if len(key) == 32}) == {}
    found = opened_by(new, {key for key in known if len(key) == 32} | derived([taken_apart(fresh)]))
    assert secrets_in(found) == set()


def _with_old_passphrase(old: Office) -> set[bytes]:
    """Return what an old passphrase gives with an old copy."""
    rows = old.home.place.vault.read()
    method = next(row for row in rows.methods if row.kind == methods.PASSPHRASE)
    return {methods.open_with(method, old.home.passphrase, rows.header)}


def test_no_context_is_left_out() -> None:
    """The thief's list is that of man/aikeys-vault.5: a further purpose must be added to it."""
    page = (Path(__file__).parents[2] / "man" / "aikeys-vault.5").read_text().replace("\\-", "-")
    for kind in KINDS:
        assert f"aikeys/1/{kind}" in page
    assert BASE_URL.startswith("https")
