"""What the second review found of rotate, revoke, backup, restore and the exit statuses in the help."""

from __future__ import annotations

import json
import os
import time

import pytest

from aikeys.cli import app
from aikeys.ledger.store import Act
from aikeys.secret import Secret
from aikeys.vault import changes
from aikeys.vault.opening import Opened, place_of
from aikeys.vault.unlock import key_file, methods
from aikeys.vault.writing import write
from tests.cli.test_questions import on_a_terminal
from tests.conftest import Aikeys, canary

STATUSES_OF_EVERY_COMMAND = ("  0  ok", "  1  internal error", "  2  usage")


def in_days(days: int) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(time.time() + days * 86400))


def test_list_and_rotate_agree_on_what_is_due(ready_home: Aikeys) -> None:
    ready_home.add("openai", canary())
    assert ready_home.run("edit", "openai", "--expires", in_days(2)).returncode == 0
    listed = json.loads(ready_home.run("list", "--due", "--json").stdout)["keys"]
    assert [key["name"] for key in listed] == ["openai"]
    done = ready_home.run("rotate", "--due", "--no-input")
    assert done.returncode == 3
    assert "due: openai" in done.stderr


def test_a_rotation_says_that_the_recorded_end_stays(ready_home: Aikeys) -> None:
    ready_home.add("openai", canary())
    ready_home.run("edit", "openai", "--expires", in_days(2))
    done = ready_home.run("rotate", "openai", "--stdin", "--no-verify", input=canary("two"))
    assert done.returncode == 0
    assert "aikeys edit openai --expires DATE" in done.stderr


def test_a_second_undo_says_that_the_newer_secret_is_back(ready_home: Aikeys) -> None:
    ready_home.add("openai", canary("one"))
    ready_home.run("rotate", "openai", "--stdin", "--no-verify", input=canary("two"))
    first, second = ready_home.run("rotate", "openai", "--undo"), ready_home.run("rotate", "openai", "--undo")
    assert "back at its earlier secret; the newer one is kept until 20" in first.stderr
    assert "has its newer secret again" in second.stderr
    assert ready_home.lent("openai")["OPENAI_API_KEY"] == canary("two")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--due", "--stdin"), "--due and --stdin exclude each other"),
        (("--due", "--undo"), "--due and --undo exclude each other"),
        (("--due", "openai"), "--due and a key's name exclude each other"),
        ((), "name a key to rotate"),
    ],
)
def test_options_of_rotate_that_exclude_each_other_are_named(
    ready_home: Aikeys, words: tuple[str, ...], said: str
) -> None:
    done = ready_home.run("rotate", *words)
    assert done.returncode == 2
    assert said in done.stderr


def test_an_edit_that_changes_nothing_is_not_called_empty(ready_home: Aikeys) -> None:
    ready_home.add("openai", canary())
    done = ready_home.run("edit", "openai", "--rotate-every", "0d")
    assert done.returncode == 2
    assert "openai is like that already" in done.stderr
    assert "nothing to change was given" in ready_home.run("edit", "openai").stderr


def test_a_broken_configuration_keeps_no_key_in_the_vault(ready_home: Aikeys) -> None:
    ready_home.add("openai", canary())
    (ready_home.home / "config.toml").write_text("[[[ not toml")
    done = ready_home.run("--yes", "revoke", "openai")
    assert done.returncode == 0, done.stderr
    assert "config.toml" in done.stderr
    assert "STILL VALID at OpenAI until you delete it: https://" in done.stderr
    (ready_home.home / "config.toml").unlink()
    assert json.loads(ready_home.run("list", "--json").stdout)["keys"] == []


def test_a_backup_needs_a_file_of_its_own_and_is_not_for_a_terminal(ready_home: Aikeys) -> None:
    done = ready_home.run("backup", "")
    assert done.returncode == 2
    assert "a backup needs a file of its own" in done.stderr
    with on_a_terminal(ready_home, "backup", "-") as child:
        child.expect_exact("a backup is not for a terminal")
        child.wait()
        assert child.exitstatus == 2


def test_a_backup_into_a_missing_folder_names_the_folder(ready_home: Aikeys) -> None:
    folder = ready_home.folder / "none"
    done = ready_home.run("backup", str(folder / "b"))
    assert done.stderr.splitlines() == [
        f"aikeys: error: cannot write {folder}/b: there is no folder {folder}",
        "aikeys: hint: make it, or name another file",
    ]


def test_a_backup_counts_one_key_as_one(ready_home: Aikeys) -> None:
    ready_home.add("openai", canary())
    file = str(ready_home.folder / "b")
    assert ready_home.run("backup", file).stderr.endswith(": 1 key\n")
    assert ready_home.run("--yes", "restore", file).stderr.endswith("restored 1 key\n")


def test_a_missing_backup_is_said_before_anybody_is_asked(ready_home: Aikeys) -> None:
    done = ready_home.run("restore", "/nofile")
    assert done.returncode == 10
    assert "there is no backup at /nofile" in done.stderr


@pytest.mark.parametrize("mode", [0o666, 0o620])
def test_a_passphrase_file_that_others_can_change_is_refused(passphrase_home: Aikeys, mode: int) -> None:
    file = passphrase_home.folder / "passphrase"
    file.write_text("correct horse battery\n")
    given = {"AIKEYS_PASSPHRASE_FILE": str(file)}
    file.chmod(mode)
    done = passphrase_home.run("rotate", "openai", "--undo", env=given)
    assert done.returncode == 14
    assert done.stderr.splitlines()[1] == f"aikeys: hint: chmod 600 {file}"
    file.chmod(0o644)
    assert passphrase_home.run("rotate", "openai", "--undo", env=given).returncode == 10
    checks = json.loads(passphrase_home.run("doctor", "--json", env=given).stdout)["checks"]
    assert f"{file} can be read by others" in [check["finding"] for check in checks]


def test_a_passphrase_that_was_compromised_names_the_methods_that_went(passphrase_home: Aikeys) -> None:
    known = {"AIKEYS_PASSPHRASE": "correct horse battery"}
    key_file = str(passphrase_home.folder / "extra-key")
    assert passphrase_home.run("unlock-method", "add", "key-file", key_file, env=known).returncode == 0
    done = passphrase_home.run("passphrase", "--compromised", "--new-file", "-", input="another good one", env=known)
    assert done.returncode == 0, done.stderr
    assert "removed, too: key-file" in done.stderr


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_the_help_breaks_no_word_of_a_status_on_a_narrow_terminal(bare_home: Aikeys) -> None:
    pexpect = pytest.importorskip("pexpect")
    words, given = bare_home.argv("list", "--help"), bare_home.env({"COLUMNS": "40"})
    child = pexpect.spawn(words[0], words[1:], env=given, timeout=30, encoding="utf-8", dimensions=(24, 40))
    shown = child.read().split("Exit status:")[1].replace("\r", "")
    child.close()
    assert "internal error, or the" in shown
    assert max(map(len, shown.split("\n"))) <= 40
    assert shown.split()[-2:] == ["rate", "limited"]


def test_a_home_that_cannot_be_made_gets_a_hint(bare_home: Aikeys) -> None:
    (bare_home.folder / "file").write_text("")
    home = str(bare_home.folder / "file" / "home")
    done = bare_home.run("--home", home, "init", "--key-file", str(bare_home.key_file))
    assert done.returncode == 1
    assert "aikeys: hint: check the path, or choose another place: --home DIR" in done.stderr


def test_a_missing_passphrase_file_gets_a_hint(passphrase_home: Aikeys) -> None:
    done = passphrase_home.run("rotate", "openai", "--undo", env={"AIKEYS_PASSPHRASE_FILE": "/no/file"})
    assert "aikeys: hint: check the path and its permissions" in done.stderr


def test_a_keyring_that_is_there_already_says_how_to_renew_its_entry(ready_home: Aikeys) -> None:
    where = place_of(str(ready_home.home))
    rows = where.vault.read()
    secret = key_file.read(str(ready_home.key_file)).reveal()
    opened = Opened(rows, Secret(methods.open_with(rows.methods[0], secret, rows.header)), rows.methods[0].id)
    new = methods.NewMethod(methods.KEYRING, "keyring.backends.SecretService.Keyring", b"k" * 32)
    write(where, opened, Act("x", "y"), lambda vault: changes.add_method(vault, new, 1_800_000_000, os.urandom))
    done = ready_home.run("unlock-method", "add", "keyring")
    assert done.returncode == 15
    assert "aikeys unlock-method remove keyring, then add it again" in done.stderr


def test_names_are_shown_as_they_were_written(ready_home: Aikeys) -> None:
    done = ready_home.run("show", "é")
    assert "there is no key named 'é'\n" in done.stderr
    assert "hint: add one: aikeys add NAME" in done.stderr
    assert "begin with a letter or a digit" in ready_home.run("add", "é", "--stdin", input=canary()).stderr


@pytest.mark.parametrize("name", [name for name in app.COMMANDS if name != "exec"])
def test_every_command_lists_the_statuses_that_every_command_has(name: str) -> None:
    tree = app.load_all().commands[name]
    for command in (tree, *getattr(tree, "commands", {}).values()):
        if "Exit status" in (command.epilog or ""):
            assert all(status in command.epilog for status in STATUSES_OF_EVERY_COMMAND), command.name


def test_list_says_what_the_asterisk_means_where_a_provider_has_several_keys(ready_home: Aikeys) -> None:
    ready_home.add("openai", "sk-proj-one")
    assert "openai *" in ready_home.run("list").stdout
    assert "several keys" not in ready_home.run("list").stderr
    ready_home.add("work", "sk-proj-two", "--provider", "openai")
    done = ready_home.run("list")
    assert "* is used where its provider has several keys and none is named" in done.stderr
    assert done.stdout.count("*") == 1
