"""What doctor says of the ledger, the files, the reserve and a keyring that lost its entry."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from aikeys import clock, sealing
from aikeys.cli.checks import unlocking
from aikeys.cli.checks.files import file_checks
from aikeys.ledger.store import Act, Ledger
from aikeys.secret import Secret
from aikeys.storage import ballast
from aikeys.vault import changes
from aikeys.vault.opening import Opened, place_of
from aikeys.vault.store import VaultFile
from aikeys.vault.unlock import key_file, methods, os_keyring
from tests.conftest import Aikeys


def _checks(home: Any) -> dict[str, Any]:
    done = home.run("doctor", "--json")
    return {check["name"]: check for check in json.loads(done.stdout)["checks"]}


def test_doctor_says_how_much_of_the_ledger_is_signed(ready_home: Any) -> None:
    ready_home.add("openai", "sk-proj-one")
    assert _checks(ready_home)["ledger"]["finding"].endswith("all signed")
    ledger = Ledger(str(ready_home.home)).open()
    ledger.event(Act("lock", "vault"))
    ledger.close()
    assert _checks(ready_home)["ledger"]["finding"].endswith("the last 1 not signed yet")


def test_doctor_finds_a_clock_that_was_set_back(ready_home: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    now_us = clock.now_us()
    monkeypatch.setattr(clock, "now_us", lambda: now_us + 2 * 3_600_000_000)
    ledger = Ledger(str(ready_home.home)).open()
    ledger.event(Act("lock", "vault"))
    ledger.close()
    assert not _checks(ready_home)["clock"]["ok"]


def test_doctor_finds_a_total_that_was_edited(ready_home: Any) -> None:
    done = ready_home.run("budget", "set", "org", "10")
    assert done.returncode == 0, done.stderr
    ledger = Ledger(str(ready_home.home)).open()
    with ledger.writing() as writer:
        writer.connection.execute("UPDATE budget SET limit_pusd = '99000000000000'")
    ledger.close()
    check = _checks(ready_home)["ledger"]
    assert not check["ok"]
    assert "the budget of org" in check["finding"]


def test_doctor_finds_files_that_others_can_read(ready_home: Any) -> None:
    ready_home.add("openai", "sk-proj-one")
    (ready_home.home / "vault.db").chmod(0o640)
    assert _checks(ready_home)["files"]["hint"] == f"chmod 600 {ready_home.home}/vault.db"
    (ready_home.home / "vault.db").chmod(0o600)
    ready_home.home.chmod(0o750)
    assert _checks(ready_home)["files"]["hint"] == f"chmod 700 {ready_home.home}"
    ready_home.home.chmod(0o700)
    assert "files" not in _checks(ready_home)


def test_doctor_misses_the_reserve_and_the_next_change_makes_it_again(ready_home: Any) -> None:
    reserve = ready_home.home / "ballast"
    reserve.unlink()
    assert not _checks(ready_home)["ballast"]["ok"]
    ready_home.add("openai", "sk-proj-one")
    assert reserve.stat().st_size == ballast.SIZE_BYTES
    assert "ballast" not in _checks(ready_home)


@pytest.mark.parametrize("entry", ["lost", "kept"])
def test_doctor_finds_a_keyring_without_the_vaults_entry(
    ready_home: Any, monkeypatch: pytest.MonkeyPatch, entry: str
) -> None:
    opened = Opened(
        (rows := VaultFile(str(ready_home.home)).read()),
        Secret(methods.open_with(rows.methods[0], key_file.read(str(ready_home.key_file)).reveal(), rows.header)),
        rows.methods[0].id,
    )
    key = b"k" * 32
    new = methods.NewMethod(methods.KEYRING, "keyring.backends.SecretService.Keyring", key)
    rows = changes.add_method(opened, new, 1_800_000_000, os.urandom).rows
    monkeypatch.setattr(os_keyring, "load", lambda *_: Secret(key) if entry == "kept" else None)
    found = {check.name: check for check in unlocking.unlock_checks(rows, None)}
    assert ("keyring" in found) == (entry == "lost")
    if entry == "lost":
        assert found["keyring"].hint.startswith("aikeys unlock-method remove keyring")


def _found(home: Path) -> dict[str, str]:
    checks = file_checks(place_of(str(home)))
    return {check.finding: check.hint for check in checks if check.name == "files"}


def test_doctor_looks_at_every_file_of_the_home_and_says_how_to_mend_it(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir(0o700)
    assert _found(home) == {}
    for name in ("config.toml", "login.json", "ledger.db-wal"):
        (home / name).write_bytes(b"")
    (home / "config.toml").chmod(0o666)
    (home / "login.json").chmod(0o640)
    (home / "ledger.db-wal").chmod(0o600)
    os.mkfifo(home / "prices.jsonl", 0o600)
    (home / "process-1.lock").mkdir()
    assert _found(home) == {
        f"{home}/config.toml can be written by other users": f"run: chmod 600 {home}/config.toml",
        f"{home}/login.json can be read by others": f"chmod 600 {home}/login.json",
        f"{home}/prices.jsonl is a FIFO": f"move it away: mv {home}/prices.jsonl {home}/prices.jsonl.old",
        f"{home}/process-1.lock is a folder": f"move it away: mv {home}/process-1.lock {home}/process-1.lock.old",
    }
    tmp_path.chmod(0o777)
    assert any("is not a safe place" in finding for finding in _found(home))


@pytest.mark.parametrize(
    ("cost", "is_weak"),
    [
        (sealing.STANDARD, False),
        (sealing.DEAREST, False),
        (sealing.CHEAPEST, True),
        (sealing.STANDARD._replace(passes=2), True),
        (sealing.STANDARD._replace(memory_kib=64 * 1024 - 1), True),
    ],
)
def test_a_passphrase_that_is_cheap_to_guess_is_named(ready_home: Any, cost: sealing.Cost, is_weak: bool) -> None:
    rows = VaultFile(str(ready_home.home)).read()
    weak = rows.methods[0]._replace(
        kind=methods.PASSPHRASE, memory_kib=cost.memory_kib, passes=cost.passes, lanes=cost.lanes
    )
    found = [
        check
        for check in unlocking.unlock_checks(rows._replace(methods=(weak,)), None)
        if check.name == "passphrase" and "cheap to guess" in check.finding
    ]
    assert bool(found) is is_weak
    assert not found or "aikeys passphrase" in found[0].hint
    raw = weak._replace(kind=methods.KEY_FILE, place="/none", memory_kib=0, passes=0, lanes=0)
    assert not unlocking.weakness(raw)


def test_who_removes_an_unlock_method_hears_what_an_old_copy_still_opens_and_signs(ready_home: Any) -> None:
    second = ready_home.folder / "second"
    assert ready_home.run("unlock-method", "add", "key-file", str(second)).returncode == 0
    done = ready_home.run("unlock-method", "remove", str(second))
    assert done.returncode == 0, done.stderr
    said = done.stderr.replace("\n", " ")
    for part in (
        "a copy of vault.db from before",
        "still opens the keys",
        "sign tokens and the ledger",
        "--compromised",
    ):
        assert part in said


def test_it_says_where_things_are_and_looks_at_the_env_file_beside_it(ready_home: Aikeys) -> None:
    def said() -> dict[str, str]:
        printed = json.loads(ready_home.run("doctor", "--json").stdout)
        return {row["name"]: row["finding"] for row in printed["checks"]}

    home = ready_home.folder / "home"
    found = said()
    assert (found["home"], found["ledger file"]) == (str(home), str(home / "ledger.db"))
    assert found["settings"] == f"none ({home / 'config.toml'})"
    assert "files" not in found
    key = "gsk_" + "aB3dE5gH7j" * 5 + "ab"
    (ready_home.folder / ".env").write_text(f"DEBUG=1\nGROQ_API_KEY={key}\nOTHER={key}\n")
    assert said()["files"] == f"{ready_home.folder / '.env'} holds 2 keys"
