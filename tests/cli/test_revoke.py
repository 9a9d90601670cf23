"""A revoked key is lent no more; within its grace the vault key alone brings it back."""

from __future__ import annotations

import os

from aikeys.vault import revoked_keys
from tests.conftest import Aikeys, canary


def test_without_a_terminal_it_needs_a_yes(ready_home: Aikeys) -> None:
    ready_home.add("openai", canary())
    done = ready_home.run("revoke", "openai")
    assert (done.returncode, "--yes" in done.stderr) == (3, True)
    assert ready_home.lent("openai")["OPENAI_API_KEY"] == canary()


def test_it_comes_back_as_it_was_and_tokens_do_not_get_it(ready_home: Aikeys) -> None:
    words = (
        "--team",
        "support",
        "--rotate-every",
        "90d",
        "--var",
        "MY_KEY",
        "--base-url",
        "https://eu.api.openai.com/v1",
    )
    ready_home.add("openai", canary(), *words)
    before = ready_home.run("show", "openai", "--json").stdout
    issued = ready_home.run("token", "issue", "--scope", "env:read", "--key", "openai").stdout.strip()
    assert ready_home.run("revoke", "openai", "--yes").returncode == 0
    assert ready_home.run("exec", "openai", "--", "true").returncode == 125
    assert ready_home.run("list").stdout.count("openai") == 0
    done = ready_home.run("revoke", "openai", "--undo")
    assert done.returncode == 0, done.stderr
    lent = ready_home.lent("openai")
    assert (lent["MY_KEY"], lent["OPENAI_BASE_URL"]) == (canary(), "https://eu.api.openai.com/v1")
    after = ready_home.run("show", "openai", "--json").stdout
    changed = [(a, b) for a, b in zip(before.splitlines(), after.splitlines(), strict=True) if a != b]
    assert all('_at"' in a or '"id"' in a for a, _ in changed), changed
    assert ready_home.run("exec", "openai", "--", "true", env={"AIKEYS_TOKEN": issued}).returncode != 0
    assert ready_home.run("revoke", "openai", "--undo").returncode == 10


def test_now_and_the_end_of_the_grace_leave_nothing(ready_home: Aikeys) -> None:
    ready_home.add("openai", canary())
    folder = ready_home.folder / "home" / revoked_keys.KIND
    assert ready_home.run("revoke", "openai", "--now", "--yes").returncode == 0
    assert not folder.exists() or os.listdir(folder) == []
    ready_home.add("openai", canary())
    assert ready_home.run("revoke", "openai", "--yes").returncode == 0
    (name,) = os.listdir(folder)
    assert canary().encode() not in (folder / name).read_bytes()
    os.rename(folder / name, folder / f"1000000000-{name.partition('-')[2]}")
    assert ready_home.run("revoke", "openai", "--undo").returncode == 10
    assert os.listdir(folder) == []


def test_a_record_of_another_vault_or_an_edited_one_is_refused(ready_home: Aikeys) -> None:
    ready_home.add("openai", canary())
    ready_home.run("revoke", "openai", "--yes")
    folder = ready_home.folder / "home" / revoked_keys.KIND
    (name,) = os.listdir(folder)
    (folder / name).write_bytes((folder / name).read_bytes()[:-1] + b"x")
    done = ready_home.run("revoke", "openai", "--undo")
    assert (done.returncode, str(folder / name) in done.stderr) == (13, True)


def test_a_name_that_was_taken_meanwhile_is_said(ready_home: Aikeys) -> None:
    ready_home.add("openai", canary())
    ready_home.run("revoke", "openai", "--yes")
    ready_home.add("openai", canary("new"))
    assert ready_home.run("revoke", "openai", "--undo").returncode not in (0, 70)
    assert ready_home.lent("openai")["OPENAI_API_KEY"] == canary("new")


def test_a_key_is_taken_away_also_where_it_cannot_be_kept(ready_home: Aikeys) -> None:
    ready_home.add("openai", canary())
    (ready_home.folder / "home" / revoked_keys.KIND).write_text("in the way")
    done = ready_home.run("revoke", "openai", "--yes")
    assert (done.returncode, "cannot be brought back" in done.stderr) == (0, True)
