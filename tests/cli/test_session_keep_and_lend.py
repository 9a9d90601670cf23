"""Keep and lend, end to end: what a newcomer does first, as real processes."""

from __future__ import annotations

import json
import os
import re
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from tests.conftest import CANARY, Aikeys, canary

Run = Callable[..., subprocess.CompletedProcess[str]]
PASSPHRASE = {"AIKEYS_PASSPHRASE": "correct horse battery"}
PAGE = "https://platform.openai.com/api-keys"
GONE = "aikeys: error: there is no key named openai\naikeys: hint: add one: aikeys add NAME\n"
SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGWINCH")
STATUS = ["cat", "/proc/self/status"]
LISTENER = """
import signal
for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGWINCH"):
    signal.signal(getattr(signal, name), lambda number, frame: print("got", signal.Signals(number).name, flush=True))
print("ready", flush=True)
while True:
    signal.pause()
"""
KEY_ROW = {
    "name", "provider", "region", "base_url", "labels", "default", "admin", "version",
    "created_at", "rotate_every_s", "expires_at", "grace_until", "due",
}  # fmt: skip


def key_names(aikeys: Aikeys) -> list[str]:
    done = aikeys.run("list", "--json")
    assert done.returncode == 0, done.stderr
    return [row["name"] for row in json.loads(done.stdout)["keys"]]


def one_error(done: subprocess.CompletedProcess[str], status: int, sentence: str) -> None:
    assert done.returncode == status, done.stderr
    assert done.stderr.startswith(f"aikeys: error: {sentence}"), done.stderr
    assert done.stderr.count("aikeys: error:") == 1


# --- the story -----------------------------------------------------------------------------------------------------


def test_init_says_what_it_made_and_how_to_get_a_recovery_code(bare_home: Aikeys) -> None:
    done = bare_home.run("init", "--key-file", str(bare_home.key_file))
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr == (
        f"aikeys: made the key file {bare_home.key_file}: whoever has it and the vault has the keys\n"
        f"aikeys: made a vault in {bare_home.home}, opened by key-file\n"
        f"aikeys: its ledger: {bare_home.home}/ledger.db; settings go into {bare_home.home}/config.toml\n"
        "aikeys: no recovery code was made; make one: aikeys unlock-method add recovery\n"
        "aikeys: next: aikeys import takes the keys of .env files over, aikeys add NAME asks for one\n"
    )


def test_a_key_is_added_lent_rotated_rotated_back_and_revoked(ready_home: Aikeys) -> None:
    done = ready_home.add("openai", canary("one"))
    assert done.stderr.endswith("aikeys: added openai (OpenAI)\naikeys: next: aikeys exec openai -- COMMAND\n")
    assert ready_home.lent("openai")["OPENAI_API_KEY"] == canary("one")

    done = ready_home.run("rotate", "openai", "--stdin", "--no-verify", input=canary("two"))
    assert done.returncode == 0
    assert done.stderr.startswith(f"aikeys: make a new key at {PAGE}\n")
    rotated = rf"aikeys: rotated openai; the old one is kept until \S+Z\. Delete the old one at {re.escape(PAGE)}\n"
    assert re.search(rotated, done.stderr)
    assert ready_home.lent("openai")["OPENAI_API_KEY"] == canary("two")

    done = ready_home.run("rotate", "openai", "--undo")
    assert done.returncode == 0
    assert done.stderr.startswith("aikeys: openai is back at its earlier secret; the newer one is kept until ")
    assert ready_home.lent("openai")["OPENAI_API_KEY"] == canary("one")

    done = ready_home.run("revoke", "openai", "--yes", "--now")
    said = f"aikeys: openai removed from the vault. STILL VALID at OpenAI until you delete it: {PAGE}\n"
    assert (done.returncode, done.stderr) == (0, said)
    done = ready_home.run("exec", "openai", "--", "true")
    assert (done.returncode, done.stderr) == (125, GONE)
    done = ready_home.run("show", "openai")
    assert (done.returncode, done.stderr) == (10, GONE)


def test_list_prints_its_rows_under_the_frozen_names(ready_home: Aikeys) -> None:
    ready_home.add("openai", canary(), "--team", "support", "--rotate-every", "90d")
    printed = json.loads(ready_home.run("list", "--json").stdout)
    assert printed["schema"] == "aikeys.keys/1"
    assert printed["authenticated"] is True
    (row,) = printed["keys"]
    assert set(row) >= KEY_ROW
    assert (row["name"], row["provider"], row["default"], row["version"]) == ("openai", "openai", True, 1)
    assert (row["labels"], row["rotate_every_s"]) == ({"team": "support"}, 90 * 86400)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", row["created_at"])


def test_show_gives_the_secret_only_when_asked_for_it(ready_home: Aikeys) -> None:
    ready_home.add("openai", canary())
    assert ready_home.run("show", "openai").returncode == 0
    done = ready_home.run("show", "openai", "--reveal", "--raw", reveals=True)
    assert (done.returncode, done.stdout) == (0, canary())


def test_adding_a_name_twice_is_refused_and_both_ways_on_are_named(ready_home: Aikeys) -> None:
    ready_home.add("openai", canary("one"))
    done = ready_home.run("add", "openai", "--stdin", "--no-verify", input=canary("two"))
    one_error(done, 15, "a key named openai exists\n")
    assert "aikeys rotate openai" in done.stderr
    assert "aikeys add openai-2" in done.stderr
    assert ready_home.lent("openai")["OPENAI_API_KEY"] == canary("one")


def test_white_space_around_a_key_is_taken_off_and_that_is_said(ready_home: Aikeys) -> None:
    done = ready_home.add("openai", f"  {canary()}\t\n")
    assert "aikeys: white space around the key was taken off\n" in done.stderr
    assert ready_home.lent("openai")["OPENAI_API_KEY"] == canary()


@pytest.mark.parametrize("text", ["", "\n", "   \n"])
def test_an_empty_secret_is_refused(ready_home: Aikeys, text: str) -> None:
    done = ready_home.run("add", "openai", "--stdin", "--no-verify", input=text)
    assert done.returncode == 2
    assert "empty" in done.stderr
    assert key_names(ready_home) == []


@pytest.mark.parametrize("name", ["../x", "x" * 300, "\U0001f600", ""], ids=["path", "long", "emoji", "empty"])
def test_an_impossible_name_is_refused_with_one_sentence(aikeys: Run, name: str) -> None:
    done = aikeys("add", name, "--provider", "openai", "--stdin", "--no-verify", input=canary())
    one_error(done, 2, "")
    assert [line.split(":")[1] for line in done.stderr.splitlines()] == [" error", " hint"]


def test_the_name_help_is_help_and_behind_the_dashes_no_name(ready_home: Aikeys) -> None:
    done = ready_home.run("add", "--help", "--stdin", input=canary())
    assert (done.returncode, done.stdout[:6]) == (0, "Usage:")
    done = ready_home.run("add", "--provider", "openai", "--stdin", "--no-verify", "--", "--help", input=canary())
    one_error(done, 2, "'--help' cannot be a key's name\n")
    assert key_names(ready_home) == []


def test_a_key_is_edited_and_renamed_and_keeps_its_secret(ready_home: Aikeys) -> None:
    ready_home.add("openai", canary())
    assert ready_home.run("edit", "openai", "--rename", "work", "--team", "support").returncode == 0
    assert key_names(ready_home) == ["work"]
    row = json.loads(ready_home.run("show", "work", "--json").stdout)["key"]
    assert row["labels"] == {"team": "support"}
    assert ready_home.lent("work")["OPENAI_API_KEY"] == canary()


def test_import_takes_the_keys_of_a_dotenv_file_and_names_the_lines_to_delete(ready_home: Aikeys) -> None:
    file = ready_home.folder / ".env"
    file.write_text(f"# mine\nexport OPENAI_API_KEY=\"{canary('one')}\"\nANTHROPIC_API_KEY='{canary('two')}'\nA=b\n")
    done = ready_home.run("import", "--yes", str(file))
    assert done.returncode == 0, done.stderr
    assert key_names(ready_home) == ["anthropic", "openai"]
    assert f"{file}:2 OPENAI_API_KEY" in done.stderr
    assert f"{file}:3 ANTHROPIC_API_KEY" in done.stderr
    lent = ready_home.lent("--all")
    assert (lent["OPENAI_API_KEY"], lent["ANTHROPIC_API_KEY"]) == (canary("one"), canary("two"))


def test_import_without_a_yes_and_without_a_terminal_imports_nothing(ready_home: Aikeys) -> None:
    file = ready_home.folder / ".env"
    file.write_text(f"OPENAI_API_KEY={canary()}\n")
    assert ready_home.run("import", str(file)).returncode == 3
    assert key_names(ready_home) == []


def test_audit_shows_every_act_with_its_outcome(ready_home: Aikeys) -> None:
    ready_home.add("openai", canary())
    assert ready_home.run("exec", "openai", "--", "true").returncode == 0
    ready_home.run("revoke", "openai", "--yes")
    printed = json.loads(ready_home.run("audit", "--json").stdout)
    assert printed["schema"] == "aikeys.audit/1"
    acts = [(row["act"], row["phase"], row["subject"], row["status"]) for row in printed["entries"]]
    assert ("add", "intent", "openai", None) in acts
    assert ("add", "outcome", "openai", "ok") in acts
    assert any(act == "exec" and subject == "openai" for act, _, subject, _ in acts)
    assert ("revoke", "outcome", "openai", "ok") in acts


def test_doctor_reports_findings_as_25_and_as_json(ready_home: Aikeys) -> None:
    done = ready_home.run("doctor", "--json")
    printed = json.loads(done.stdout)
    assert (done.returncode, printed["schema"]) == (25, "aikeys.doctor/1")
    assert {row["name"]: row["ok"] for row in printed["checks"]} == {
        "vault": True, "home": True, "ledger file": True, "settings": True, "ledger": True, "unlock": False, "open": True,
    }  # fmt: skip
    assert "aikeys unlock-method add recovery" in done.stderr


# --- backup --------------------------------------------------------------------------------------------------------


def test_a_backup_brings_a_revoked_key_back_here_and_in_a_new_home(ready_home: Aikeys) -> None:
    ready_home.add("openai", canary())
    file = str(ready_home.folder / "aikeys.backup")
    assert ready_home.run("backup", file).returncode == 0
    assert CANARY.encode() not in Path(file).read_bytes()
    assert ready_home.run("backup", file).returncode == 15
    assert ready_home.run("revoke", "openai", "--yes").returncode == 0
    assert ready_home.run("restore", file).returncode == 3
    assert ready_home.run("restore", file, "--yes").returncode == 0
    assert ready_home.lent("openai")["OPENAI_API_KEY"] == canary()
    ready_home.environment["AIKEYS_HOME"] = str(ready_home.folder / "elsewhere")
    done = ready_home.run("restore", file)
    assert (done.returncode, done.stderr) == (0, "aikeys: restored 1 key\n")
    assert ready_home.lent("openai")["OPENAI_API_KEY"] == canary()


# --- opening -------------------------------------------------------------------------------------------------------


def test_a_wrong_passphrase_is_12_and_125_for_exec(passphrase_home: Aikeys) -> None:
    wrong = {"AIKEYS_PASSPHRASE": "battery staple wrong"}
    assert passphrase_home.run("add", "openai", "--stdin", input=canary(), env=wrong).returncode == 12
    assert passphrase_home.run("exec", "--all", "--", "true", env=wrong).returncode == 125


@pytest.mark.parametrize("surroundings", ["dev-null", "closed", "ci"])
def test_without_a_terminal_and_a_passphrase_the_answer_comes_at_once(
    passphrase_home: Aikeys, surroundings: str
) -> None:
    run = passphrase_home.run("add", "openai", "--stdin", "--no-verify", input=canary(), env=PASSPHRASE)
    assert run.returncode == 0, run.stderr
    env = {"CI": "true"} if surroundings == "ci" else {}
    closing = ["sh", "-c", '"$@" <&-', "sh"] if surroundings == "closed" else []
    for words, status in ((["show", "openai", "--reveal"], 11), (["exec", "openai", "--", "true"], 125)):
        done = passphrase_home.run_argv([*closing, *passphrase_home.argv(*words)], env=env, timeout=10)
        one_error(done, status, "the vault is locked: ")
        assert "AIKEYS_PASSPHRASE_FILE" in done.stderr


def test_a_changed_passphrase_opens_and_the_old_one_does_not(passphrase_home: Aikeys) -> None:
    passphrase_home.run("add", "openai", "--stdin", "--no-verify", input=canary(), env=PASSPHRASE)
    done = passphrase_home.run("passphrase", "--new-file", "-", input="another long passphrase\n", env=PASSPHRASE)
    assert (done.returncode, done.stderr) == (0, "aikeys: the passphrase is changed\n")
    assert passphrase_home.run("show", "openai", "--reveal", env=PASSPHRASE).returncode == 12
    lent = passphrase_home.lent("openai", env={"AIKEYS_PASSPHRASE": "another long passphrase"})
    assert lent["OPENAI_API_KEY"] == canary()


def test_the_last_unlock_method_stays(ready_home: Aikeys) -> None:
    one_error(ready_home.run("unlock-method", "remove", "key-file"), 14, "the last unlock method cannot be removed\n")


def test_unlock_keeps_the_vault_open_until_lock(passphrase_home: Aikeys) -> None:
    passphrase_home.run("add", "openai", "--stdin", "--no-verify", input=canary(), env=PASSPHRASE)
    done = passphrase_home.run("unlock", "--ttl", "5m", env=PASSPHRASE)
    if "the kernel keyring is not available" in done.stderr:
        pytest.skip("the kernel keyring is not available here")
    try:
        assert done.returncode == 0, done.stderr
        assert passphrase_home.lent("openai")["OPENAI_API_KEY"] == canary()
    finally:
        locked = passphrase_home.run("lock")
    assert (locked.returncode, locked.stderr) == (0, "aikeys: locked\n")
    assert passphrase_home.run("exec", "openai", "--", "true").returncode == 125


def test_a_token_that_is_none_is_refused_before_anything_else(ready_home: Aikeys) -> None:
    ready_home.add("openai", canary())
    token = {"AIKEYS_TOKEN": "aik_made_up"}
    one_error(ready_home.run("show", "openai", "--reveal", env=token), 21, "the token has 11 characters")
    one_error(ready_home.run("exec", "openai", "--", "true", env=token), 125, "the token has 11 characters")


def test_files_are_for_the_owner_alone(ready_home: Aikeys) -> None:
    ready_home.add("openai", canary())
    assert stat.S_IMODE(ready_home.home.stat().st_mode) == 0o700
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in ready_home.home.iterdir()}
    assert {"vault.db", "ledger.db"} <= set(modes)
    assert set(modes.values()) == {0o600}
    assert stat.S_IMODE(ready_home.key_file.stat().st_mode) == 0o600


@pytest.mark.parametrize(("part", "mode"), [("", "700"), ("vault.db", "600"), ("ledger.db", "600")])
def test_what_the_group_can_write_is_refused_with_the_chmod_to_run(ready_home: Aikeys, part: str, mode: str) -> None:
    path = ready_home.home / part if part else ready_home.home
    path.chmod(path.stat().st_mode | stat.S_IWGRP)
    for words, status in ((["list"], 14), (["exec", "--all", "--", "true"], 125)):
        done = ready_home.run(*words)
        one_error(done, status, f"{path} can be written by other users\n")
        assert f"hint: run: chmod {mode} {path}\n" in done.stderr


# --- verification --------------------------------------------------------------------------------------------------


@pytest.fixture
def refusing_provider() -> Iterator[str]:
    class Refuses(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(401)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *args: object) -> None:
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Refuses) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/v1"
        server.shutdown()
        thread.join()


def test_a_key_that_the_provider_refuses_is_not_stored(ready_home: Aikeys, refusing_provider: str) -> None:
    done = ready_home.run("add", "openai", "--stdin", "--base-url", refusing_provider, input=canary())
    assert done.returncode == 30, done.stderr
    assert "aikeys: error: OpenAI refused the key: " in done.stderr
    assert key_names(ready_home) == []


def test_verify_finds_a_key_that_the_provider_refuses(ready_home: Aikeys, refusing_provider: str) -> None:
    ready_home.add("openai", canary(), "--base-url", refusing_provider)
    done = ready_home.run("verify", "--json")
    assert done.returncode == 25, done.stderr
    assert [row["state"] for row in json.loads(done.stdout)["keys"]] == ["refused"]
    one_error(done, 25, "refused: openai\n")


# --- exec: the environment -----------------------------------------------------------------------------------------


def test_an_admin_key_is_never_lent(ready_home: Aikeys) -> None:
    ready_home.add("boss", "sk-admin-CANARY-0123456789abcdef", "--provider", "openai")
    one_error(ready_home.run("exec", "boss", "--", "true"), 125, "boss is an admin key: exec never hands it out\n")
    one_error(ready_home.run("exec", "--all", "--", "true"), 125, "there is no key that exec could lend\n")


def test_two_keys_on_one_variable_are_refused_unless_one_goes_elsewhere(ready_home: Aikeys) -> None:
    ready_home.add("openai", canary("one"))
    ready_home.add("second", canary("two"), "--provider", "openai")
    done = ready_home.run("exec", "openai", "second", "--", "true")
    one_error(done, 125, "openai and second both need OPENAI_API_KEY\n")
    lent = ready_home.lent("openai", "--env", "OTHER=second")
    assert (lent["OPENAI_API_KEY"], lent["OTHER"]) == (canary("one"), canary("two"))


def test_a_stray_base_url_is_cleared(ready_home: Aikeys) -> None:
    ready_home.add("openai", canary())
    lent = ready_home.lent("openai", env={"OPENAI_BASE_URL": "https://stranger.example/v1"})
    assert "OPENAI_BASE_URL" not in lent


def test_a_base_url_of_its_own_travels_with_the_key(ready_home: Aikeys) -> None:
    ready_home.add("openai", canary(), "--base-url", "https://proxy.example/v1")
    lent = ready_home.lent("openai", env={"OPENAI_BASE_URL": "https://stranger.example/v1"})
    assert lent["OPENAI_BASE_URL"] == "https://proxy.example/v1"


def test_env_sets_the_key_in_another_variable_only(ready_home: Aikeys) -> None:
    ready_home.add("openai", canary())
    lent = ready_home.lent("--env", "TEST_KEY=openai")
    assert lent["TEST_KEY"] == canary()
    assert "OPENAI_API_KEY" not in lent


def test_clean_env_passes_little_else(ready_home: Aikeys) -> None:
    ready_home.add("openai", canary())
    lent = ready_home.lent("openai", "--clean-env", env={"SOMETHING_ELSE": "1"})
    assert lent["OPENAI_API_KEY"] == canary()
    assert "PATH" in lent
    assert not {"SOMETHING_ELSE", "AIKEYS_HOME", "PYTHONPATH"} & set(lent)


def test_the_passphrase_does_not_reach_the_child(passphrase_home: Aikeys) -> None:
    passphrase_home.run("add", "openai", "--stdin", "--no-verify", input=canary(), env=PASSPHRASE)
    lent = passphrase_home.lent("openai", env=PASSPHRASE)
    assert not [name for name in lent if name.startswith("AIKEYS_PASSPHRASE")]
    assert "correct horse battery" not in lent.values()


def test_nesting_is_refused_unless_asked_for(ready_home: Aikeys) -> None:
    ready_home.add("openai", canary())
    inner = [sys.executable, "-m", "aikeys", "exec"]
    done = ready_home.run("exec", "openai", "--", *inner, "openai", "--", "true")
    one_error(done, 125, "this runs inside aikeys exec already (keys: openai)\n")
    assert ready_home.run("exec", "openai", "--", *inner, "--nested", "openai", "--", "true").returncode == 0


# --- exec: becoming the program ------------------------------------------------------------------------------------


def test_the_status_is_the_childs_own(ready_home: Aikeys) -> None:
    ready_home.add("openai", canary())
    plain = ready_home.folder / "plain"
    plain.write_text("not a program\n")
    assert ready_home.run("exec", "openai", "--", "true").returncode == 0
    assert ready_home.run("exec", "openai", "--", "sh", "-c", "exit 3").returncode == 3
    one_error(ready_home.run("exec", "openai", "--", str(plain)), 126, f"{plain} is not executable\n")
    one_error(ready_home.run("exec", "openai", "--", "no-such-program"), 127, "no-such-program was not found in PATH\n")
    killed = ["sh", "-c", '"$@"; echo $?', "sh", *ready_home.argv("exec", "openai", "--", "sh", "-c", "kill -TERM $$")]
    assert ready_home.run_argv(killed).stdout == "143\n"


def test_a_program_whose_reader_leaves_ends_with_sigpipe(ready_home: Aikeys) -> None:
    ready_home.add("openai", canary())
    script = '{ { "$@"; echo $? >&3; } | head -n 1; } 3>&1'  # no PIPESTATUS in sh
    done = ready_home.run_argv(["sh", "-c", script, "sh", *ready_home.argv("exec", "openai", "--", "yes")])
    assert (done.stdout, done.stderr) == ("y\n141\n", "")


def signals_of(done: subprocess.CompletedProcess[str], *names: str) -> list[str]:
    """Return the lines of /proc/self/status, as `cat` printed it, that tell of signals."""
    if not os.path.exists(STATUS[-1]):
        pytest.skip("there is no /proc here")
    lines = [line for line in done.stdout.splitlines() if line.startswith(names)]
    assert len(lines) == len(names), done.stderr
    return lines


def test_signal_dispositions_and_mask_are_as_without_aikeys(ready_home: Aikeys) -> None:
    ready_home.add("openai", canary())
    lent, bare = ready_home.run("exec", "openai", "--", *STATUS), ready_home.run_argv(STATUS)
    assert signals_of(lent, "SigIgn", "SigBlk", "SigCgt") == signals_of(bare, "SigIgn", "SigBlk", "SigCgt")


def test_signals_reach_the_child_without_a_terminal(ready_home: Aikeys) -> None:
    ready_home.add("openai", canary())
    words = ready_home.argv("exec", "openai", "--", sys.executable, "-c", LISTENER)
    with subprocess.Popen(
        words, env=ready_home.env(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as child:
        try:
            assert child.stdout is not None
            assert child.stdout.readline() == "ready\n"
            for name in SIGNALS:
                child.send_signal(getattr(signal, name))
                assert child.stdout.readline() == f"got {name}\n"
        finally:
            child.kill()


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_signals_reach_the_child_on_a_terminal(ready_home: Aikeys) -> None:
    pexpect = pytest.importorskip("pexpect")
    ready_home.add("openai", canary())
    words = ready_home.argv("exec", "openai", "--", sys.executable, "-c", LISTENER)
    child = pexpect.spawn(words[0], words[1:], env=ready_home.env(), timeout=30, encoding="utf-8", echo=False)
    try:
        child.expect_exact("ready")
        child.sendintr()
        child.expect_exact("got SIGINT")
        child.sendcontrol("\\")
        child.expect_exact("got SIGQUIT")
        child.setwinsize(33, 99)
        child.expect_exact("got SIGWINCH")
        for name in ("SIGTERM", "SIGHUP"):
            child.kill(getattr(signal, name))
            child.expect_exact(f"got {name}")
    finally:
        child.close(force=True)


def imported(aikeys: Aikeys, *words: str) -> set[str]:
    done = aikeys.run_argv([sys.executable, "-X", "importtime", *words])
    assert done.returncode == 0, done.stderr
    return {line.rsplit("|", 1)[1].strip() for line in done.stderr.splitlines() if line.startswith("import time:")}


@pytest.mark.parametrize(
    "module",
    [
        *("typer", "click", "rich", "keyring", "httpx", "json", "dataclasses", "asyncio", "tomllib", "pathlib"),
        *("hashlib", "cryptography.hazmat.backends.openssl.backend", "aikeys.cli.app", "aikeys.config"),
        *("aikeys.cli.commands.exec_metered", "aikeys.lending.supervise", "aikeys.lending.metered"),
    ],
)
def test_exec_starts_without_the_slow_module(ready_home: Aikeys, module: str) -> None:
    ready_home.add("openai", canary())
    modules = imported(ready_home, "-m", "aikeys", "exec", "openai", "--", "true")
    assert "aikeys.lending.child" in modules
    assert module not in modules - imported(ready_home, "-c", "pass")


def test_signals_ignored_by_the_parent_stay_ignored(ready_home: Aikeys) -> None:
    ready_home.add("openai", canary())
    ignoring = ["sh", "-c", 'trap "" HUP INT; exec "$@"', "sh"]
    bare = ready_home.run_argv([*ignoring, *STATUS])
    lent = ready_home.run_argv([*ignoring, *ready_home.argv("exec", "openai", "--", *STATUS)])
    assert signals_of(lent, "SigIgn") == signals_of(bare, "SigIgn")


# --- edges found while reading ---------------------------------------------------------------------------------------


def test_list_names_each_status_it_ends_with_in_its_help(passphrase_home: Aikeys) -> None:
    status = passphrase_home.run("list", env={"AIKEYS_PASSPHRASE": "battery staple wrong"}).returncode
    assert re.search(rf"^ +{status}  ", passphrase_home.run("list", "--help").stdout, re.MULTILINE)


def test_doctor_finds_a_wrong_passphrase(passphrase_home: Aikeys) -> None:
    done = passphrase_home.run("doctor", "--json", env={"AIKEYS_PASSPHRASE": "battery staple wrong"})
    assert {row["name"]: row["ok"] for row in json.loads(done.stdout)["checks"]}["open"] is False


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_an_empty_new_passphrase_is_refused_on_a_terminal(passphrase_home: Aikeys) -> None:
    pexpect = pytest.importorskip("pexpect")
    words = passphrase_home.argv("passphrase")
    child = pexpect.spawn(words[0], words[1:], env=passphrase_home.env(PASSPHRASE), timeout=30, encoding="utf-8")
    try:
        child.expect_exact("New passphrase: ")
        child.sendline("")
        if child.expect_exact(["The same again: ", "the passphrase is empty"]) == 0:
            child.sendline("")
        child.expect(pexpect.EOF)
    finally:
        child.close()
    assert child.exitstatus == 2
    assert passphrase_home.run("unlock-method", "list", env=PASSPHRASE).returncode == 0


def test_exec_keeps_closed_standard_streams_closed_and_works(ready_home: Aikeys) -> None:
    ready_home.add("openai", canary())
    closing = ["sh", "-c", '"$@" <&- >&- 2>&-', "sh"]
    seen = ready_home.folder / "seen"
    child = ["sh", "-c", f"printf %s \"$OPENAI_API_KEY\" > '{seen}'"]
    assert ready_home.run_argv([*closing, *ready_home.argv("exec", "openai", "--", *child)]).returncode == 0
    assert seen.read_text() == canary()


@pytest.mark.parametrize("command", ["show", "revoke", "edit", "rotate", "verify", "list", "exec"])
def test_a_key_pasted_in_place_of_a_name_is_not_repeated(ready_home: Aikeys, command: str) -> None:
    words = ["--team", "x"] if command == "edit" else ["--", "true"] if command == "exec" else []
    assert ready_home.run(command, canary(), *words).returncode not in (0, 1)


@pytest.mark.parametrize("end", ["/", "-" + "x" * 60], ids=["path", "long"])
def test_a_key_pasted_as_a_new_name_is_not_repeated(ready_home: Aikeys, end: str) -> None:
    done = ready_home.run("add", canary() + end, "--provider", "openai", "--stdin", "--no-verify", input="x")
    assert done.returncode == 2


def test_the_providers_are_listed_as_json(ready_home: Aikeys) -> None:
    done = ready_home.run("providers", "--json")
    assert done.returncode == 0, done.stderr
    listed = {provider["name"]: provider for provider in json.loads(done.stdout)["providers"]}
    assert listed["openai"]["env"] == ["OPENAI_API_KEY"]
    assert len(listed) >= 36


def test_a_secret_of_no_provider_is_lent_only_under_a_variable_that_is_named(ready_home: Aikeys) -> None:
    ready_home.add("smtp", canary("smtp"), "--provider", "other")
    refused = ready_home.run("exec", "smtp", "--", "true")
    assert refused.returncode == 125
    assert "--env VAR=smtp" in refused.stderr
    assert ready_home.lent("--env", "SMTP_PASSWORD=smtp")["SMTP_PASSWORD"] == canary("smtp")
    ready_home.add("openai", canary("openai"))
    assert canary("smtp") not in ready_home.lent("--all").values()


@pytest.mark.parametrize(
    ("budgets", "is_refused"),
    [
        ([("key:openai", "block")], True),
        ([("key:openai", "revoke")], True),
        ([("key:openai", "warn")], False),
        ([("key:*", "block")], True),
        ([("key:*", "block"), ("key:openai", "warn")], False),
        ([("key:anthropic", "block"), ("org", "block")], False),
    ],
)
def test_a_key_with_a_budget_is_lent_only_unmetered(
    ready_home: Aikeys, budgets: list[tuple[str, str]], is_refused: bool
) -> None:
    ready_home.add("openai", canary())
    for who, at_limit in budgets:
        done = ready_home.run("budget", "set", who, "5", "--at-limit", at_limit)
        assert done.returncode == 0, done.stderr
    refused = ready_home.run("exec", "openai", "--", "true")
    assert refused.returncode == (125 if is_refused else 0), refused.stderr
    assert ("--unmetered" in refused.stderr) is is_refused
    assert ready_home.run("exec", "--unmetered", "openai", "--", "true").returncode == 0
