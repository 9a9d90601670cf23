"""Tokens are taken away: by id, label and all, without a ledger, on a full disk, and with what a key's end means."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from aikeys.ledger.store import Ledger
from aikeys.ledger.verify import verify
from aikeys.vault.opening import picture, place_of
from aikeys.vault.tokens import revoking
from aikeys.vault.unlock.order import UnlockInputs, open_rows
from tests.cli.test_questions import on_a_terminal
from tests.cli.test_token import id_of, issue, lending, listed, names
from tests.conftest import Aikeys, canary, make_aikeys

__all__ = ["lending"]
pytestmark = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")


def state(home: Aikeys) -> dict[str, str]:
    return {row["name"]: row["state"] for row in listed(home, "--all")}


def is_let_in(home: Aikeys, token: str) -> bool:
    done = home.run("exec", "openai", "--", "true", env={"AIKEYS_TOKEN": token})
    assert done.returncode in (0, 125), done.stderr
    return done.returncode == 0


def test_revoking_needs_no_key_and_takes_everything_below_with_it(lending: Aikeys) -> None:
    top = issue(lending, "--scope", "env:read", "--scope", "keys:write", "--name", "top")
    child = issue(lending, "--scope", "env:read", "--scope", "keys:write", "--name", "child", token=top)
    issue(lending, "--scope", "env:read", "--name", "grandchild", token=child)
    issue(lending, "--scope", "env:read", "--name", "other")
    lending.key_file.rename(lending.folder / "away")
    done = lending.run("token", "revoke", "top")
    assert (done.returncode, done.stdout) == (0, "")
    assert f"aikeys: revoked token {id_of(lending, top)} (top), and 2 tokens issued with it\n" in done.stderr
    assert state(lending) == {"top": "revoked", "child": "revoked", "grandchild": "revoked", "other": "active"}
    assert not is_let_in(lending, child)
    again = lending.run("token", "revoke", "child")
    assert again.returncode == 0
    assert "was revoked already: 20" in again.stderr
    assert f", with {id_of(lending, top)} (top)" in again.stderr


def test_children_are_kept_by_the_owner_only(lending: Aikeys) -> None:
    top = issue(lending, "--role", "operator", "--scope", "env:read", "--name", "top")
    child = issue(lending, "--scope", "env:read", "--name", "child", token=top)
    denied = lending.run("token", "revoke", "child", "--keep-children", env={"AIKEYS_TOKEN": top})
    assert denied.returncode == 20
    done = lending.run("token", "revoke", "top", "--keep-children")
    assert done.returncode == 0, done.stderr
    assert "kept 1 token that they issued" in done.stderr
    assert state(lending) == {"top": "revoked", "child": "active"}
    assert is_let_in(lending, child)
    assert not is_let_in(lending, top)


class Killed(Exception):
    """The process ends here."""


@pytest.mark.parametrize("of", ["the vault", "another token"])
def test_a_child_kept_by_a_command_that_was_killed_goes_on_and_doctor_says_what_to_repeat(
    lending: Aikeys, monkeypatch: pytest.MonkeyPatch, of: str
) -> None:
    may_issue = ("--scope", "env:read", "--scope", "keys:write")
    top = issue(lending, *may_issue, "--name", "top") if of == "another token" else ""
    middle = issue(lending, *may_issue, "--name", "middle", token=top)
    child = issue(lending, "--scope", "env:read", "--name", "child", token=middle)
    where, middle_id = place_of(str(lending.home)), id_of(lending, middle)
    opened = open_rows(picture(where), UnlockInputs({}, None)).opened

    def killed(_ledger: Ledger) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(Ledger, "writing", killed)
        with pytest.raises(Killed):
            revoking.take_over_children(where, opened, bytes.fromhex(middle_id))
    assert is_let_in(lending, child)
    assert f"aikeys token revoke {middle_id} --keep-children" in hints(lending)
    done = lending.run("token", "revoke", middle_id, "--keep-children")
    assert done.returncode == 0, done.stderr
    assert "kept 1 token that they issued" in done.stderr
    assert state(lending) == {**({"top": "active"} if top else {}), "middle": "revoked", "child": "active"}
    assert is_let_in(lending, child)
    assert not [hint for hint in hints(lending) if "--keep-children" in hint]
    assert lending.run("ledger", "verify").returncode == 0


def hints(home: Aikeys) -> list[str]:
    """Return what doctor advises."""
    return [check["hint"] for check in json.loads(home.run("doctor", "--json").stdout)["checks"]]


def test_a_bearer_does_not_revoke_what_it_descends_from(lending: Aikeys) -> None:
    top = issue(lending, "--role", "operator", "--name", "top")
    child = issue(lending, "--role", "operator", "--name", "child", token=top)
    done = lending.run("token", "revoke", "top", env={"AIKEYS_TOKEN": child})
    assert done.returncode == 20
    assert "from which it descends" in done.stderr
    assert lending.run("token", "revoke", "--all", env={"AIKEYS_TOKEN": child}).returncode == 0
    assert state(lending) == {"top": "active", "child": "revoked"}


def test_a_team_is_revoked_at_once_and_asked_for_on_a_terminal(lending: Aikeys) -> None:
    for team in ("support", "support", "sales"):
        issue(lending, "--team", team, "--name", team)
    with on_a_terminal(lending, "token", "revoke", "--team", "support") as child:
        child.expect_exact("Revoke 2 tokens of team support? [y/N]: ")
        child.sendline("n")
        child.expect_exact("nothing was revoked")
        child.wait()
        assert child.exitstatus == 3
    assert len(listed(lending)) == 3
    done = lending.run("token", "revoke", "--team", "support")
    assert "revoked 2 tokens" in done.stderr
    assert names(listed(lending)) == {"sales"}
    assert lending.run("token", "revoke", "--all", "--yes").returncode == 0
    nothing = lending.run("token", "revoke", "--user", "ana")
    assert (nothing.returncode, "there is no such token that is active" in nothing.stderr) == (0, True)


@pytest.mark.parametrize("args", [[], ["a", "--all"], ["--all", "--team", "x"], ["a", "--user", "b"]])
def test_which_tokens_is_said_in_one_way(lending: Aikeys, args: list[str]) -> None:
    assert lending.run("token", "revoke", *args).returncode == 2


def test_without_a_ledger_the_entry_is_queued_and_told_later(lending: Aikeys) -> None:
    token = issue(lending, "--scope", "env:read", "--name", "build")
    token_id = id_of(lending, token)
    ledger = lending.home / "ledger.db"
    kept = {path.name: path.read_bytes() for path in lending.home.glob("ledger.db*")}
    for name in kept:
        (lending.home / name).unlink()
    ledger.mkdir()
    done = lending.run("token", "revoke", "build")
    assert done.returncode == 0, done.stderr
    assert "the entry is queued in the vault" in done.stderr
    ledger.rmdir()
    for name, data in kept.items():
        (lending.home / name).write_bytes(data)
    assert state(lending) == {"build": "revoked"}
    lending.add("third", canary("three"), "--provider", "openai")
    opened = place_of(str(lending.home)).ledger.open()
    acts = [(entry.act, entry.subject) for entry, _ in opened.entries()]
    verify(opened)
    opened.close()
    assert acts.count(("token revoke", token_id)) == 1


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[Aikeys]:
    """Have a home on a file system of 2 MiB; skips where mounting is not permitted."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2m,mode=0700", "tmpfs", str(disk)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("mount is not permitted")
    home = make_aikeys(tmp_path)
    home.environment["AIKEYS_HOME"] = str(disk / "home")
    try:
        assert home.run("init", "--key-file", str(home.key_file)).returncode == 0
        home.add("openai", canary("one"))
        yield home
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_a_token_is_revoked_on_a_full_disk(full_disk: Aikeys) -> None:
    token = issue(full_disk, "--scope", "env:read", "--name", "build")
    disk = full_disk.folder / "disk"
    with open(disk / "filling", "ab", buffering=0) as file:
        for size in (65536, 4096, 512, 1):
            try:
                while file.write(b"x" * size):
                    continue
            except OSError:
                continue
    assert full_disk.run("token", "issue").returncode == 1
    done = full_disk.run("token", "revoke", "build")
    assert done.returncode == 0, done.stderr
    (disk / "filling").unlink()
    assert not is_let_in(full_disk, token)
    assert state(full_disk) == {"build": "revoked"}


def test_a_revocation_that_was_deleted_is_named_and_still_counts(lending: Aikeys) -> None:
    import sqlite3

    token = issue(lending, "--scope", "env:read", "--name", "build")
    assert lending.run("token", "revoke", "build").returncode == 0
    connection = sqlite3.connect(lending.home / "vault.db")
    connection.execute("DELETE FROM revocation")
    connection.commit()
    connection.close()
    done = lending.run("token", "list", "--all", "--json")
    assert done.returncode == 13
    assert json.loads(done.stdout)["tokens"][0]["state"] == "revoked"
    assert not is_let_in(lending, token)
    checks = json.loads(lending.run("doctor", "--json").stdout)["checks"]
    assert any("its revocation was removed" in check["finding"] for check in checks)


def test_prune_deletes_what_is_over_and_leaves_the_rest(lending: Aikeys) -> None:
    issue(lending, "--name", "kept")
    issue(lending, "--name", "gone")
    assert lending.run("token", "revoke", "gone").returncode == 0
    assert "deleted 1 token\n" in lending.run("token", "prune").stderr
    assert state(lending) == {"kept": "active"}
    assert "there is nothing to delete" in lending.run("token", "prune").stderr


def test_revoking_a_key_names_the_tokens_that_lose_it(lending: Aikeys) -> None:
    token = issue(lending, "--scope", "env:read", "--key", "openai", "--name", "build")
    issue(lending, "--scope", "env:read", "--key", "work", "--name", "other")
    done = lending.run("revoke", "openai", "--yes")
    assert f"aikeys: 1 token lost it: {id_of(lending, token)} (build)\n" in done.stderr
    assert {row["name"]: row["keys"] for row in listed(lending)} == {"build": [], "other": ["work"]}


def test_a_restored_vault_has_revoked_its_tokens_and_those_issued_since(lending: Aikeys) -> None:
    old = issue(lending, "--scope", "env:read", "--name", "old", "--ttl", "30d")
    backup = str(lending.folder / "backup")
    assert lending.run("backup", backup).returncode == 0
    new = issue(lending, "--scope", "env:read", "--name", "new", "--ttl", "30d")
    done = lending.run("restore", backup, "--yes")
    assert "revoked 2 tokens; issue what is needed again: aikeys token issue" in done.stderr
    assert state(lending) == {"old": "revoked", "new": "revoked"}
    assert not is_let_in(lending, old)
    assert not is_let_in(lending, new)
    ledger = place_of(str(lending.home)).ledger.open()
    verify(ledger)
    ledger.close()


def test_tokens_are_kept_by_a_restore_that_is_told_to_but_for_revoked_ones(lending: Aikeys) -> None:
    tokens = {name: issue(lending, "--scope", "env:read", "--name", name, "--ttl", "30d") for name in ("old", "lost")}
    backup = str(lending.folder / "backup")
    assert lending.run("backup", backup).returncode == 0
    tokens["new"] = issue(lending, "--scope", "env:read", "--name", "new", "--ttl", "30d")
    assert lending.run("token", "revoke", "lost").returncode == 0
    assert lending.run("token", "prune").returncode == 0
    assert lending.run("restore", backup, "--yes", "--keep-tokens").returncode == 0
    assert state(lending) == {"old": "active", "new": "active", "lost": "revoked"}
    assert {name: is_let_in(lending, token) for name, token in tokens.items()} == {
        "old": True, "new": True, "lost": False,
    }  # fmt: skip


@pytest.mark.parametrize("keep", [True, False])
def test_a_vault_restored_where_none_was_has_its_tokens_only_if_told(
    lending: Aikeys, tmp_path: Path, keep: bool
) -> None:
    top = issue(lending, "--scope", "env:read", "--scope", "keys:write", "--name", "top", "--ttl", "30d")
    child = issue(lending, "--scope", "env:read", "--name", "child", token=top)
    backup = str(lending.folder / "backup")
    assert lending.run("backup", backup).returncode == 0
    elsewhere = Aikeys(lending.folder, {**lending.environment, "AIKEYS_HOME": str(tmp_path / "elsewhere")})
    done = elsewhere.run("restore", backup, *(["--keep-tokens"] if keep else []))
    assert done.returncode == 0, done.stderr
    assert state(elsewhere) == ({"top": "active", "child": "active"} if keep else {})
    assert is_let_in(elsewhere, child) is keep
    assert elsewhere.run("rotate", "openai", "--stdin", "--no-verify", input=canary("new")).returncode == 0
    assert is_let_in(elsewhere, top) is keep


def test_after_a_compromise_every_token_is_gone_and_named_to_be_issued_anew(lending: Aikeys) -> None:
    token = issue(lending, "--scope", "env:read", "--name", "build", "--team", "support")
    token_id = id_of(lending, token)
    assert lending.run("unlock-method", "add", "key-file", str(lending.folder / "second")).returncode == 0
    (lending.folder / "second").unlink()
    done = lending.run("unlock-method", "remove", str(lending.folder / "second"), "--compromised")
    assert done.returncode == 0, done.stderr
    assert f"aikeys: revoked token {token_id} (build), team support; issue it again" in done.stderr
    assert listed(lending, "--all") == []
    refused = lending.run("exec", "openai", "--", "true", env={"AIKEYS_TOKEN": token})
    assert "belongs to another vault, or to this one before it was compromised" in refused.stderr


def test_what_ends_within_three_days_is_said_by_list_doctor_and_an_alert(
    lending: Aikeys, monkeypatch: pytest.MonkeyPatch
) -> None:
    from aikeys import clock
    from aikeys.secret import Secret
    from aikeys.tokens.token_request import TokenRequest
    from aikeys.vault.opening import Opened
    from aikeys.vault.tokens import issuing
    from aikeys.vault.unlock import key_file, methods

    place = place_of(str(lending.home))
    rows = place.vault.read()
    method = rows.methods[0]
    secret = key_file.read(str(lending.key_file)).reveal()
    opened = Opened(rows, Secret(methods.open_with(method, secret, rows.header)), method.id)
    now = clock.now_s()
    monkeypatch.setattr(clock, "now_s", lambda: now - 28 * 86400)
    old = issuing.issue(place, opened, TokenRequest(name="build", ttl_s=30 * 86400)).claims
    monkeypatch.undo()
    issue(lending, "--ttl", "1h", "--name", "short")
    sentence = f"token {old.shown_id} (build) expires in 2 days"
    assert f"aikeys: {sentence}\n" in lending.run("list").stderr
    checks: list[dict[str, Any]] = json.loads(lending.run("doctor", "--json").stdout)["checks"]
    told = [check for check in checks if check["name"].startswith("token ")]
    assert [(check["name"], check["finding"]) for check in told] == [
        (f"token {old.shown_id} (build)", "expires in 2 days")
    ]
    script = lending.folder / "told"
    script.write_text(f"#!/bin/sh\ncat >> {lending.folder}/messages\n")
    os.chmod(script, 0o700)
    assert lending.run("alert", "add", "ops", "--command", str(script)).returncode == 0
    for _ in range(2):
        assert lending.run("alert", "deliver").returncode == 0
    messages = (lending.folder / "messages").read_text()
    assert messages.count(f"token {old.shown_id} (build) expires on") == 1
    assert "short" not in messages


def test_a_name_means_the_active_token_where_an_older_one_had_it(lending: Aikeys) -> None:
    old = issue(lending, "--scope", "env:read", "--name", "build")
    assert lending.run("token", "revoke", "build").returncode == 0
    new = issue(lending, "--scope", "env:read", "--name", "build")
    shown = lending.run("token", "show", "build")
    assert id_of(lending, new) in shown.stdout
    assert id_of(lending, old) not in shown.stdout
    done = lending.run("token", "revoke", "build")
    assert (done.returncode, "revoked token" in done.stderr) == (0, True), done.stderr
    assert not is_let_in(lending, new)


def test_a_name_of_two_active_tokens_is_warned_of_and_revokes_neither(lending: Aikeys) -> None:
    one = issue(lending, "--scope", "env:read", "--name", "build")
    again = lending.run("token", "issue", "--scope", "env:read", "--name", "build")
    assert again.returncode == 0
    assert f"warning: token {id_of(lending, one)} is called build, too" in again.stderr
    done = lending.run("token", "revoke", "build")
    assert done.returncode == 2
    ids = sorted([id_of(lending, one), id_of(lending, again.stdout.strip())])
    assert "error: 2 tokens fit build: " in done.stderr
    assert all(f"{each} (active, ends in 60 minutes)" in done.stderr for each in ids), done.stderr
    assert is_let_in(lending, one)


def test_several_tokens_that_are_over_are_told_apart(lending: Aikeys) -> None:
    for _ in range(2):
        issue(lending, "--scope", "env:read", "--name", "build")
        assert lending.run("token", "revoke", "build").returncode == 0
    done = lending.run("token", "revoke", "build")
    assert done.returncode == 2
    assert done.stderr.count("(revoked") == 2
