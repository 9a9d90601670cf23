"""What the holder of a token meets at the commands: its own keys and nothing of others, on a copy, and once it ended."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.cli.test_token import id_of, issue, lending
from tests.conftest import Aikeys, canary
from tests.spending.conftest import WHOLE_STREAM, FakeProvider, Seen, answer, stream

__all__ = ["lending"]


def bearing(token: str, **more: str) -> dict[str, str]:
    return {"AIKEYS_TOKEN": token, **more}


@pytest.fixture
def copy(lending: Aikeys) -> Aikeys:
    """Have a CI machine with a copy of vault.db and nothing else."""
    folder = lending.folder / "ci"
    folder.mkdir(mode=0o700)
    shutil.copy(lending.home / "vault.db", folder / "vault.db")
    return Aikeys(lending.folder, {**lending.environment, "AIKEYS_HOME": str(folder)})


def copied(lending: Aikeys, copy: Aikeys) -> None:
    """Bring the copy up to date."""
    shutil.copy(lending.home / "vault.db", Path(copy.environment["AIKEYS_HOME"]) / "vault.db")


# --- what stands in AIKEYS_TOKEN -----------------------------------------------------------------------------------


@pytest.mark.parametrize("args", [("list",), ("show", "openai"), ("exec", "openai", "--", "true")])
def test_a_token_of_blanks_is_none(lending: Aikeys, args: tuple[str, ...]) -> None:
    assert lending.run(*args, env=bearing(" \t")).returncode == 0


def test_a_token_that_is_no_text_is_refused_in_a_sentence_at_a_gateway_too(lending: Aikeys) -> None:
    given = os.fsdecode(b"aik_\xff\xfe")
    for more in ({}, {"AIKEYS_GATEWAY": "http://127.0.0.1:9"}):
        done = lending.run("report", env=bearing(given, **more))
        assert done.returncode == 21, done.stderr
        assert "internal" not in done.stderr


# --- among its own keys --------------------------------------------------------------------------------------------


def test_exec_chooses_among_the_keys_that_the_token_is_for(lending: Aikeys) -> None:
    token = issue(lending, "--scope", "env:read", "--key", "work")
    for which in ((), ("--all",)):
        assert lending.lent(*which, env=bearing(token))["OPENAI_API_KEY"] == canary("two")
    none = issue(lending, "--scope", "env:read", "--key", "work", "--name", "none")
    assert lending.run("revoke", "work", "--yes").returncode == 0
    done = lending.run("exec", "--", "true", env=bearing(none))
    assert done.returncode == 125
    assert "the token is for no key of this vault" in done.stderr


def test_prompt_takes_the_tokens_key_of_a_provider_and_says_which_it_is_not_for(lending: Aikeys) -> None:
    lending.add("claude", canary("three"), "--provider", "anthropic")
    token = issue(lending, "--scope", "env:read", "--scope", "chat:write", "--key", "work")
    ask = ("prompt", "--dry-run", "--json", "Hello", "-m")
    assert lending.run(*ask, "openai/gpt-4.1").returncode == 0  # the owner has a default key
    done = lending.run(*ask, "openai/gpt-4.1", env=bearing(token))
    assert done.returncode == 0, done.stderr
    assert '"work"' in done.stdout
    elsewhere = lending.run(*ask, "anthropic/claude-sonnet-4-5", env=bearing(token))
    assert elsewhere.returncode == 20
    assert "is not for the key claude" in elsewhere.stderr


def test_a_stand_in_that_the_token_is_not_for_is_passed_over(lending: Aikeys) -> None:
    lending.add("claude", canary("three"), "--provider", "anthropic")
    (lending.home / "config.toml").write_text('[fallbacks]\n"openai/gpt-4.1" = ["anthropic/claude-sonnet-4-5"]\n')
    token = issue(lending, "--scope", "env:read", "--scope", "chat:write", "--key", "work")
    done = lending.run("prompt", "--dry-run", "Hello", "-m", "openai/gpt-4.1", env=bearing(token))
    assert done.returncode == 0, done.stderr


def test_models_lists_what_the_tokens_keys_reach(lending: Aikeys) -> None:
    lending.add("claude", canary("three"), "--provider", "anthropic")
    token = issue(lending, "--scope", "chat:read", "--key", "work")
    rows = json.loads(lending.run("models", "--json", env=bearing(token)).stdout)["models"]
    assert {key for row in rows for key in row["keys"]} == {"work"}
    assert {row["model"].partition("/")[0] for row in rows} == {"openai"}


def test_a_shell_is_offered_only_what_the_token_is_for_and_nothing_once_it_ended(lending: Aikeys) -> None:
    issue(lending, "--name", "of-somebody-else", "--team", "b")
    token = issue(lending, "--scope", "env:read", "--key", "work", "--team", "a")
    own = id_of(lending, token)
    assert lending.run("__names", env=bearing(token)).stdout == "work\n"
    assert lending.run("__names", "tokens", env=bearing(token)).stdout == f"{own}\n"
    assert lending.run("token", "revoke", own).returncode == 0
    acts = lending.run("audit", "--json").stdout
    for of in ((), ("tokens",)):
        done = lending.run("__names", *of, env=bearing(token))
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert lending.run("audit", "--json").stdout == acts


# --- words ---------------------------------------------------------------------------------------------------------


def test_a_list_without_keys_says_that_the_token_is_for_none(lending: Aikeys) -> None:
    token = issue(lending, "--scope", "usage:read", "--name", "reader")
    done = lending.run("list", env=bearing(token))
    assert done.returncode == 0
    assert f"token {id_of(lending, token)} is for no key" in done.stderr
    assert "add one" not in done.stderr


def test_a_child_without_any_scope_is_not_issued(lending: Aikeys) -> None:
    token = issue(lending, "--scope", "env:read", "--scope", "keys:write")
    done = lending.run("token", "issue", env=bearing(token))
    assert (done.returncode, done.stdout) == (2, "")
    assert "the token would have no scope" in done.stderr
    assert "env:read, keys:write" in done.stderr


@pytest.mark.parametrize("limit", [("--model", "openai/*"), ("--rpm", "1"), ("--tpm", "5")])
def test_who_may_take_the_key_itself_is_said_to_be_bound_by_no_limit(lending: Aikeys, limit: tuple[str, str]) -> None:
    warning = "bound by neither"
    done = lending.run("token", "issue", "--scope", "env:read", *limit)
    assert warning in done.stderr
    assert warning not in lending.run("token", "issue", "--scope", "chat:write", *limit).stderr
    assert warning not in lending.run("token", "issue", "--scope", "env:read").stderr


# --- verify and doctor ---------------------------------------------------------------------------------------------


def test_a_bearer_with_audit_read_verifies_the_ledger_here_and_the_copys_own(lending: Aikeys, copy: Aikeys) -> None:
    token = issue(lending, "--scope", "audit:read", "--scope", "env:read")
    copied(lending, copy)
    here = lending.run("ledger", "verify", env=bearing(token))
    assert here.returncode == 0, here.stderr
    assert "signed" in here.stdout
    assert "the public key itself was not checked" in here.stdout
    there = copy.run("ledger", "verify", env=bearing(token))
    assert there.returncode == 0, there.stderr
    assert "no public key to check signatures with" in there.stdout
    lending.key_file.rename(lending.folder / "away")
    assert lending.run("ledger", "verify").returncode == 0


def found(home: Aikeys, token: str) -> tuple[int, dict[str, dict[str, Any]]]:
    done = home.run("doctor", "--json", env=bearing(token))
    return done.returncode, {check["name"]: check for check in json.loads(done.stdout)["checks"]}


def test_doctor_tells_a_bearer_of_its_token_and_nothing_of_others(lending: Aikeys, copy: Aikeys) -> None:
    issue(lending, "--name", "of-somebody-else")
    token = issue(lending, "--scope", "env:read", "--key", "work", "--name", "mine")
    copied(lending, copy)
    for home in (lending, copy, copy):  # twice on the copy: by then it has a ledger of its own
        status, checks = found(home, token)
        assert status == 0, checks
        assert "(mine) is valid, expires in" in checks["token"]["finding"]
        assert checks["opens"]["finding"] == "work"
        assert not {"tokens", "open", "unlock", "ledger"} & set(checks)
        assert ("this copy" in checks["vault"]["finding"]) == (home is copy)
        assert home.run("exec", "work", "--", "true", env=bearing(token)).returncode == 0


def test_doctor_shows_a_refused_token_that_it_is_refused_and_nothing_else(lending: Aikeys) -> None:
    token = issue(lending, "--scope", "env:read", "--name", "mine")
    lending.run("token", "revoke", "mine")
    for given, words in ((token, "was revoked"), (token[:-1] + ("a" if token[-1] != "a" else "b"), "")):
        status, checks = found(lending, given)
        assert status == 25
        assert set(checks) == {"token"}
        assert words in checks["token"]["finding"]


def test_doctor_says_which_keys_a_token_opens_without_opening_any_for_a_gateways(lending: Aikeys) -> None:
    for scope, words in (
        ("usage:read", "no key: its scopes need none"),
        ("chat:write", "2 keys, through a gateway only"),
    ):
        status, checks = found(lending, issue(lending, "--scope", scope))
        assert (status, checks["opens"]["finding"]) == (0, words)


# --- on a copy -----------------------------------------------------------------------------------------------------


def test_on_a_copy_a_token_neither_issues_nor_revokes(lending: Aikeys, copy: Aikeys) -> None:
    token = issue(lending, "--scope", "env:read", "--scope", "keys:write")
    child = issue(lending, "--scope", "env:read", "--name", "child", token=token)
    copied(lending, copy)
    for args in (("token", "issue", "--scope", "env:read"), ("token", "revoke", "child")):
        done = copy.run(*args, env=bearing(token))
        assert (done.returncode, done.stdout) == (20, "")
        assert "this is a copy of the vault" in done.stderr
        assert "revoked token" not in done.stderr
    assert copy.run("exec", "work", "--", "true", env=bearing(child)).returncode == 0
    assert lending.run("token", "revoke", "child", env=bearing(token)).returncode == 0


# --- once it ended -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("args", [("log", "--follow", "--json"), ("log", "--follow")])
def test_who_follows_the_log_is_turned_away_once_the_token_is_revoked(lending: Aikeys, args: tuple[str, ...]) -> None:
    token = issue(lending, "--scope", "usage:read", "--name", "reader")
    process = subprocess.Popen(
        lending.argv(*args), env=lending.env(bearing(token)), cwd=lending.folder,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8",
    )  # fmt: skip
    try:
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(2)
        assert lending.run("token", "revoke", "reader").returncode == 0
        _, said = process.communicate(timeout=20)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 21, said
    assert "was revoked" in said


def test_a_prompt_is_not_tried_again_once_its_token_is_revoked(ready_home: Aikeys) -> None:
    provider = FakeProvider()
    try:
        ready_home.add("openai", canary(), "--base-url", f"{provider.url}/v1")
        token = issue(ready_home, "--scope", "env:read", "--scope", "chat:write", "--name", "mine")

        def busy(connection: socket.socket, seen: Seen) -> None:
            if len(provider.seen) == 1:
                assert ready_home.run("token", "revoke", "mine").returncode == 0
            answer(429, {"error": {"message": "busy"}}, retry_after="0")(connection, seen)

        provider.plays = [busy, stream(*WHOLE_STREAM)]
        done = ready_home.run("prompt", "-m", "openai/gpt-4.1", "Hello", env=bearing(token))
        assert (done.returncode, done.stdout) == (32, "")
        assert "was revoked" in done.stderr
        assert len(provider.seen) == 1
    finally:
        provider.close()


def test_top_draws_no_further_picture_once_the_token_is_revoked(lending: Aikeys) -> None:
    import pexpect

    token = issue(lending, "--scope", "usage:read", "--name", "reader")
    argv = lending.argv("top")
    child = pexpect.spawn(argv[0], argv[1:], env=lending.env(bearing(token, TERM="xterm")), timeout=20)
    try:
        child.expect("no calls")
        assert lending.run("token", "revoke", "reader").returncode == 0
        child.expect("was revoked")
        child.expect(pexpect.EOF)
        child.wait()
        assert child.exitstatus == 21
    finally:
        child.close(force=True)
