"""What add, edit, show and verify say of keys, names, addresses and passphrases that are not as they should be."""

from __future__ import annotations

import json

import pytest

from aikeys.network.addresses import plain_http_reach
from tests.conftest import Aikeys, canary

PASSPHRASE = {"AIKEYS_PASSPHRASE": "correct horse battery"}
STALE = {"AIKEYS_PASSPHRASE": "battery staple wrong"}


@pytest.mark.parametrize(
    "words",
    [
        ("show", ""), ("show", "", "--reveal"), ("revoke", "", "--yes"), ("verify", ""), ("edit", "", "--team", "x"),
        ("rotate", "", "--undo"),
    ],
)  # fmt: skip
def test_an_empty_name_is_a_usage_error(ready_home: Aikeys, words: tuple[str, ...]) -> None:
    ready_home.add("openai", canary())
    done = ready_home.run(*words)
    assert done.returncode == 2, done.stderr
    assert "internal" not in done.stderr


@pytest.mark.parametrize(
    "words", [("--home", "", "list"), ("--home=", "list"), ("list", "--home", ""), ("--home=", "exec", "--", "true")]
)
def test_an_empty_home_is_a_usage_error(ready_home: Aikeys, words: tuple[str, ...]) -> None:
    done = ready_home.run(*words)
    assert done.returncode == 2, done.stderr
    assert "--home needs a directory" in done.stderr


@pytest.mark.parametrize(
    ("url", "who"),
    [
        ("https://api.example", ""), ("http://localhost:11434", ""), ("http://127.0.0.2", ""), ("http://[::1]:80", ""),
        ("http://192.168.1.7", "near"), ("http://10.0.0.1/v1", "near"), ("http://100.64.0.9", "near"),
        ("http://[fd00::1]", "near"), ("http://ollama:11434", "near"), ("http://box.local", "near"),
        ("http://evil.example", "far"), ("http://8.8.8.8", "far"), ("http://localhost.evil.example", "far"),
        ("http://[2606:4700::1]/v1", "far"), ("http://127.0.0.1.nip.io", "far"),
    ],
)  # fmt: skip
def test_who_can_listen_is_told_from_the_address(url: str, who: str) -> None:
    assert plain_http_reach(url) == who


def test_plain_http_to_the_internet_is_refused_by_add_and_edit(ready_home: Aikeys) -> None:
    evil = "--base-url=http://evil.example/v1"
    done = ready_home.run("add", "openai", "--stdin", "--no-verify", evil, input=canary())
    assert (done.returncode, "plain http" in done.stderr) == (2, True)
    ready_home.add("openai", canary())
    done = ready_home.run("edit", "openai", evil)
    assert (done.returncode, "plain http" in done.stderr) == (2, True)
    assert "evil" not in json.dumps(ready_home.lent("openai"))


def test_plain_http_in_a_private_network_is_allowed_by_hand_once_for_a_key(ready_home: Aikeys) -> None:
    near, elsewhere = "--base-url=http://192.168.1.7/v1", "--base-url=http://10.1.1.1"
    refused = ready_home.run("add", "openai", "--stdin", "--no-verify", near, input=canary())
    assert (refused.returncode, "--allow-http" in refused.stderr) == (2, True)
    assert "whoever is on that network" in ready_home.add("openai", canary(), near, "--allow-http").stderr
    assert ready_home.lent("openai")["OPENAI_BASE_URL"] == "http://192.168.1.7/v1"
    assert ready_home.run("edit", "openai", elsewhere).returncode == 2  # another address is allowed anew
    assert ready_home.run("edit", "openai", elsewhere, "--allow-http").returncode == 0
    assert ready_home.run("rotate", "openai", "--stdin", "--no-verify", input=canary() + "2").returncode == 0
    assert ready_home.lent("openai")["OPENAI_BASE_URL"] == "http://10.1.1.1"
    assert ready_home.run("edit", "openai", "--no-allow-http").returncode == 0
    lent = ready_home.run("exec", "openai", "--", "true")
    assert (lent.returncode, "aikeys edit openai --allow-http" in lent.stderr) == (125, True)
    assert ready_home.run("edit", "openai", "--allow-http").returncode == 0
    assert "like that already" in ready_home.run("edit", "openai", "--allow-http").stderr


@pytest.mark.parametrize("host", ["8.8.8.8", "169.254.169.254", "[fe80::1]", "100.64.0.1", "[2001:db8::1]"])
def test_no_key_is_allowed_to_go_over_plain_http_to_what_is_no_private_network(ready_home: Aikeys, host: str) -> None:
    given = ["--stdin", "--no-verify", "--allow-http", f"--base-url=http://{host}/v1"]
    done = ready_home.run("add", "openai", *given, input=canary())
    assert (done.returncode, "private networks" in done.stderr) == (2, True)


@pytest.mark.parametrize("mark", ["\ufeff", "\u200b"])
def test_an_invisible_mark_around_a_key_is_taken_off_and_that_is_said(ready_home: Aikeys, mark: str) -> None:
    done = ready_home.add("openai", f"{mark}{canary()}\n")
    assert "invisible mark" in done.stderr
    assert ready_home.lent("openai")["OPENAI_API_KEY"] == canary()


@pytest.mark.parametrize(
    ("text", "words"),
    [(f'"{canary()}"', "a quote"), (f"'{canary()}", "a quote"), (f"OPENAI_API_KEY={canary()}", "NAME=")],
)
def test_the_warning_names_quotes_and_a_copied_assignment(ready_home: Aikeys, text: str, words: str) -> None:
    warnings = [line for line in ready_home.add("openai", text).stderr.splitlines() if "warning" in line]
    assert len(warnings) == 1
    assert words in warnings[0]


def test_a_key_that_no_request_can_carry_is_a_finding(ready_home: Aikeys) -> None:
    ready_home.add("openai", f"{canary()}é")
    done = ready_home.run("verify", "openai")
    assert done.returncode == 25
    assert "not to be sent: openai" in done.stderr


def test_a_wrong_passphrase_says_where_it_was_taken_from(passphrase_home: Aikeys) -> None:
    done = passphrase_home.run("show", "openai", "--reveal", env=STALE)
    assert done.returncode == 12
    assert "the passphrase is wrong (it was taken from AIKEYS_PASSPHRASE)" in done.stderr
    file = passphrase_home.folder / "passphrase"
    file.touch(0o600)
    file.write_text("battery staple wrong")
    done = passphrase_home.run("show", "openai", "--reveal", env={"AIKEYS_PASSPHRASE_FILE": str(file)})
    assert done.returncode == 12
    assert f"(it was taken from {file}, which AIKEYS_PASSPHRASE_FILE names)" in done.stderr


def test_a_stale_passphrase_lists_without_authentication_and_says_so(passphrase_home: Aikeys) -> None:
    passphrase_home.run("add", "openai", "--stdin", "--no-verify", input=canary(), env=PASSPHRASE)
    for words in (("list",), ("show", "openai")):
        done = passphrase_home.run(*words, "--json", env=STALE)
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["authenticated"] is False
        assert "passphrase is wrong" in done.stderr
        assert "names are shown without full verification" in done.stderr


def test_a_key_as_an_extra_argument_is_said_to_be_in_the_shells_history(ready_home: Aikeys) -> None:
    done = ready_home.run("add", "openai", canary())
    assert done.returncode == 2
    assert "shell's history" in done.stderr
    assert "shell's history" not in ready_home.run("add", "openai", "work").stderr
    assert "shell's history" in ready_home.run("add", canary()).stderr


def test_show_says_when_it_shows_the_default_key_under_the_providers_name(ready_home: Aikeys) -> None:
    ready_home.add("work", canary(), "--provider", "openai")
    done = ready_home.run("show", "openai", "--json")
    assert json.loads(done.stdout)["key"]["name"] == "work"
    assert "no key is named openai: this is work" in done.stderr
    assert ready_home.run("show", "work").stderr == ""


def test_a_date_that_is_over_is_warned_of(ready_home: Aikeys) -> None:
    assert "2020-01-01 is over" in ready_home.add("openai", canary(), "--expires", "2020-01-01").stderr
    assert "2020-02-01 is over" in ready_home.run("edit", "openai", "--expires", "2020-02-01").stderr


def test_a_key_that_needs_an_address_of_its_own_and_has_none_is_warned_of(ready_home: Aikeys) -> None:
    assert "aikeys edit azure --base-url" in ready_home.add("azure", canary(), "--provider", "azure-openai").stderr
    given = ("--provider", "azure-openai", "--base-url", "https://me.example")
    assert "no address" not in ready_home.add("azure-2", canary(), *given).stderr
    assert "no address" not in ready_home.add("vercel", canary()).stderr
    assert "no address" not in ready_home.add("smtp", canary(), "--provider", "other").stderr


def test_the_way_on_after_a_refusal_repeats_the_options_given() -> None:
    from aikeys.cli.commands.add import command_line

    given = {"provider": "openai", "region": "", "base-url": "", "team": "a b", "expires": "2027-01-01"}
    words = command_line("v401", given, ["--stdin"])
    assert words == "aikeys add v401 --provider openai --team 'a b' --expires 2027-01-01 --stdin"


def test_an_impossible_home_leaves_no_key_file_behind(bare_home: Aikeys) -> None:
    (bare_home.folder / "file").write_text("")
    done = bare_home.run(
        "--home", str(bare_home.folder / "file" / "home"), "init", "--key-file", str(bare_home.key_file)
    )
    assert done.returncode != 0
    assert not bare_home.key_file.exists()
    assert "home/vault.db cannot be read: something above it is a file" in done.stderr  # before a key file is made
    assert bare_home.run("init", "--key-file", str(bare_home.key_file)).returncode == 0
    again = bare_home.run(
        "--home", str(bare_home.folder / "file" / "home"), "init", "--key-file", str(bare_home.key_file)
    )
    assert again.returncode != 0
    assert bare_home.key_file.exists()


def test_a_name_close_to_a_providers_is_said_before_the_key_is_asked_for(ready_home: Aikeys) -> None:
    done = ready_home.run("add", "opnai", "--stdin", "--no-verify", input="some-key-without-a-format-0123456789")
    assert done.returncode == 10
    said, error, hint = done.stderr.splitlines()
    assert said.startswith("aikeys: no provider is named opnai, did you mean openai")
    assert error == "aikeys: error: cannot tell which provider the key opnai belongs to"
    assert "did you mean openai" in hint
    done = ready_home.run("add", "work", "--provider", "opnai")
    assert (done.returncode, "did you mean openai" in done.stderr) == (10, True), done.stderr


def test_the_question_names_the_key_and_its_provider(ready_home: Aikeys) -> None:
    done = ready_home.run("add", "work", "--provider", "openai", "--no-input")
    assert "“Key for work (openai)”: input is needed" in done.stderr
    assert "“Key for openai”:" in ready_home.run("add", "openai", "--no-input").stderr
