"""`aikeys alert` as people and cron use it: real processes, servers on loopback, passwords from the vault."""

from __future__ import annotations

import json
import os
import re
import shutil
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from aikeys.alerts import outbox
from aikeys.alerts.messages import AlertMessage
from aikeys.ledger.store import Ledger
from tests.alerts.servers import MESSAGE, Web, authority, closed_port, mail_server
from tests.conftest import Aikeys, canary

PASSWORD = canary("smtp")
PROVIDERS = '[providers.mail]\nenv = ["MAIL_SECRET"]\n'


@pytest.fixture
def home(ready_home: Aikeys) -> Aikeys:
    """Have a vault where secrets of no AI provider may stand."""
    (ready_home.home / "config.toml").write_text(PROVIDERS, encoding="utf-8")
    return ready_home


def ok(done: subprocess.CompletedProcess[str]) -> subprocess.CompletedProcess[str]:
    assert done.returncode == 0, done.stderr
    return done


def put(home: Aikeys, once: str = "once", message: AlertMessage = MESSAGE) -> None:
    ledger = Ledger(str(home.home)).open()
    with ledger.writing() as writer:
        outbox.put(writer, once, message)
    ledger.close()


def listed(home: Aikeys) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(ok(home.run("alert", "list", "--json")).stdout)
    return found


def acts(home: Aikeys, act: str) -> list[dict[str, Any]]:
    entries = json.loads(ok(home.run("audit", "--json", "-n", "1000")).stdout)["entries"]
    return [entry for entry in entries if entry["act"] == act]


def test_a_webhook_is_added_tested_used_and_removed(home: Aikeys, web: Web) -> None:
    done = ok(home.run("alert", "add", "ops", "--webhook", f"{web.url}/in", "--on", "budget"))
    host = web.url.removeprefix("http://")
    assert done.stderr == f"aikeys: added ops: {host}; try it: aikeys alert test ops\n"

    done = ok(home.run("alert", "test", "ops"))
    assert (done.stdout, done.stderr) == ("", f"aikeys: sent a test to {host}\n")
    assert web.requests[0].document["kind"] == "test"

    done = ok(home.run("alert", "deliver"))
    assert (done.stdout, done.stderr) == ("", "")
    put(home)
    done = ok(home.run("alert", "deliver"))
    assert (done.stdout, done.stderr) == ("", "aikeys: sent 1 to ops\n")
    assert web.requests[1].document["text"] == MESSAGE.text.rstrip("\n")

    found = listed(home)
    assert found["schema"] == "aikeys.alerts/1"
    assert found["alerts"] == [
        {
            "name": "ops",
            "kind": "webhook",
            "target": host,
            "on": ["budget"],
            "keys": [],
            "waiting": 0,
            "sent": 1,
            "given_up": 0,
        }
    ]
    (row,) = found["outbox"]
    assert (row["alert"], row["occasion"], row["state"], row["attempts"]) == ("ops", "once", "sent", 1)
    assert (row["next_at"], row["error"]) == (None, None)

    assert ok(home.run("alert", "remove", "ops")).stderr == "aikeys: removed ops\n"
    assert listed(home)["alerts"] == []
    assert [entry["subject"] for entry in acts(home, "alert-add") + acts(home, "alert-remove")] == ["ops", "ops"]
    assert [entry["detail"] for entry in acts(home, "alert-send")] == ["kind=test attempt=1", "kind=budget attempt=1"]


def test_mail_takes_its_password_from_the_vault_and_needs_a_trusted_server(home: Aikeys, tmp_path: Path) -> None:
    home.add("smtp", PASSWORD, "--provider", "mail")
    made = authority(tmp_path)
    trusting = {"SSL_CERT_FILE": str(made.file)}
    with mail_server("starttls", made.context("127.0.0.1"), PASSWORD) as server:
        ok(
            home.run(
                *("alert", "add", "mail", "--email", "ops@example.com", "--from", "aikeys@example.com"),
                *("--smtp", f"127.0.0.1:{server.port}", "--security", "starttls"),
                *("--smtp-user", "aikeys", "--password-key", "smtp"),
            )
        )
        done = home.run("alert", "test", "mail")
        assert done.returncode == 31
        assert "is not trusted: " in done.stderr
        ok(home.run("alert", "test", "mail", env=trusting))
        put(home)
        ok(home.run("alert", "deliver", env=trusting))
    assert [one.user for one in server.received] == ["aikeys", "aikeys"]
    assert server.received[1].mail["Subject"] == f"aikeys: {MESSAGE.subject}"
    assert [entry["subject"] for entry in acts(home, "alert-open")] == ["smtp"] * 3
    for file in home.home.iterdir():
        assert b"CANARY" not in file.read_bytes()


def test_an_address_in_the_vault_is_shown_nowhere(home: Aikeys, web: Web) -> None:
    home.add("chat", f"{web.url}/services/CANARY-path", "--provider", "mail")
    home.add("sign", canary("sign"), "--provider", "mail")
    ok(home.run("alert", "add", "chat", "--url-key", "chat", "--style", "slack", "--sign-key", "sign"))
    web.answers = [404]
    done = home.run("alert", "test", "chat")
    assert done.returncode == 30
    assert done.stderr == f"aikeys: error: {web.url.removeprefix('http://')} answered 404\n"
    ok(home.run("alert", "test", "chat"))
    assert set(web.requests[1].document) == {"text"}
    assert web.requests[1].headers["x-aikeys-signature"].startswith("sha256=")
    assert "CANARY" not in ok(home.run("alert", "list")).stdout


def test_where_the_vault_stays_shut_the_others_are_delivered_and_the_rest_waits(home: Aikeys, web: Web) -> None:
    home.add("chat", f"{web.url}/CANARY", "--provider", "mail")
    ok(home.run("alert", "add", "chat", "--url-key", "chat"))
    ok(home.run("alert", "add", "open", "--webhook", web.url))
    put(home)
    kept = home.key_file.rename(home.folder / "elsewhere")
    done = home.run("alert", "deliver", "--json")
    assert done.returncode == 11
    assert done.stderr.startswith("aikeys: error: messages for chat wait: the vault is locked")
    found = json.loads(done.stdout)
    assert found == {
        "schema": "aikeys.delivery/1",
        "sent": [{"alert": "open"}],
        "failed": [],
        "waiting_for_keys": ["chat"],
    }
    kept.rename(home.key_file)
    assert ok(home.run("alert", "deliver")).stderr == "aikeys: sent 1 to chat\n"
    assert [request.path for request in web.requests] == ["/", "/CANARY"]


def test_the_vault_is_not_opened_where_no_message_needs_it(home: Aikeys, web: Web) -> None:
    ok(home.run("alert", "add", "open", "--webhook", web.url))
    put(home)
    home.key_file.unlink()
    assert ok(home.run("alert", "deliver")).stderr == "aikeys: sent 1 to open\n"


def test_a_server_that_is_down_ends_with_the_networks_status_and_waits(home: Aikeys) -> None:
    port = closed_port()
    ok(home.run("alert", "add", "ops", "--webhook", f"http://127.0.0.1:{port}/in"))
    put(home)
    done = home.run("alert", "deliver")
    assert (done.returncode, done.stderr) == (
        31, f"aikeys: error: ops: cannot connect to 127.0.0.1:{port} (waiting)\n",
    )  # fmt: skip
    (row,) = listed(home)["outbox"]
    assert (row["state"], row["attempts"], row["error"]) == ("waiting", 1, f"cannot connect to 127.0.0.1:{port}")
    assert row["next_at"]
    assert home.run("test").returncode == 2
    assert home.run("alert", "test", "ops").returncode == 31


def test_the_list_says_who_is_told_and_what_waits(home: Aikeys) -> None:
    assert ok(home.run("alert", "list")).stderr == "aikeys: nobody is told yet; see aikeys alert add --help\n"
    ok(home.run("alert", "add", "pager", "--command", "false", "--on", "velocity,budget"))
    put(home, "budget team:support month 20789 80 of 100")
    assert home.run("alert", "deliver").returncode == 30
    done = ok(home.run("alert", "list"))
    lines = [re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", "TIME", line) for line in done.stdout.splitlines()]
    program = os.path.abspath(shutil.which("false", path=home.environment["PATH"]) or "")
    assert [line.split() for line in lines] == [
        ["NAME", "KIND", "TO", "ON", "WAITING", "SENT", "GIVEN", "UP"],
        ["pager", "command", program, "budget,velocity", "1", "0", "0"],
        [],
        ["ALERT", "OCCASION", "SINCE", "STATE", "TRIES", "NEXT", "WHY"],
        ["pager", "budget", "team:support,", "month", "from", "2026-12-02:", "80", "%", "of", "<$0.0001", "TIME", "waiting", "1", "TIME",
         "false", "ended", "with", "status", "1"],
    ]  # fmt: skip


def test_a_program_gets_the_alert_without_the_passphrase(home: Aikeys) -> None:
    script = home.folder / "page me"
    script.write_text('#!/bin/sh\n{ cat; env; echo "$@"; } > "$OUT"\n', encoding="utf-8")
    script.chmod(0o755)
    out = home.folder / "out"
    ok(home.run("alert", "add", "pager", "--command", str(script), "--", "-p", "high; $(id)"))
    environment = {"OUT": str(out), "AIKEYS_PASSPHRASE": "correct horse"}
    ok(home.run("alert", "test", "pager", env=environment))
    text = out.read_text(encoding="utf-8")
    assert json.loads(text.partition("\n")[0])["subject"] == "test of the alert pager"
    assert text.endswith("-p high; $(id)\n")
    assert "correct horse" not in text
    assert acts(home, "alert-send")[0]["detail"] == "kind=test attempt=1 program=page me"


def test_a_key_that_expires_is_told_once(home: Aikeys, web: Web) -> None:
    home.add("openai", canary(), "--expires", "2020-01-31")
    ok(home.run("alert", "add", "ops", "--webhook", web.url, "--on", "key"))
    ok(home.run("alert", "deliver"))
    ok(home.run("alert", "deliver"))
    (request,) = web.requests
    assert request.document["subject"] == "key openai expired on 2020-02-01"


def test_a_damaged_vault_does_not_hold_up_what_waits(home: Aikeys, web: Web) -> None:
    home.add("openai", canary())
    ok(home.run("alert", "add", "ops", "--webhook", web.url))
    put(home)
    with closing(sqlite3.connect(home.home / "vault.db")) as connection, connection:
        connection.execute("DELETE FROM key_version")
    done = ok(home.run("alert", "deliver"))
    assert "aikeys: warning: the vault's rows were changed, removed or put back" in done.stderr
    assert len(web.requests) == 1


@pytest.mark.parametrize(
    ("words", "status", "sentence"),
    [
        (["x"], 2, "give one of --email, --webhook, --url-key and --command"),
        (["x", "--webhook", "https://a.example", "--command", "cat"], 2, "give one of --email, --webhook"),
        (["x", "--webhook", "https://a.example", "--smtp", "b.example"], 2, "--smtp does not go with --webhook"),
        (["x", "--webhook", "https://a.example", "y"], 2, "ARG does not go with --webhook"),
        (["x", "--webhook", "http://a.example/in"], 2, "alerts are not sent unencrypted to a.example"),
        (["x", "--webhook", "https://hooks.slack.com/services/T/B/x"], 2, "the webhook's address looks like a secret"),
        (["x", "--webhook", "https://a.example", "--style", "irc"], 2, "irc is not a style"),
        (["x", "--url-key", "nothing"], 10, "there is no key named nothing"),
        (["x", "--email", "a@b.example"], 2, "--email needs --smtp and --from"),
        (["x", "--email", "a@b.example", "--from", "a@b.example", "--smtp", "b.example:x"], 2, "the SMTP server is not"),
        (["x", "--email", "a@b.example\nBcc: c@d.example", "--from", "a@b.example", "--smtp", "b"], 2, "'a@b.example\\n"),
        (
            ["x", "--email", "a@b.example", "--from", "a@b.example", "--smtp", "b.example", "--smtp-user", "u"],
            2, "a user at the SMTP server needs a password",
        ),
        (["x", "--command", "no-such-program"], 10, "no-such-program is not a program"),
        (["x", "--command", "cat", "--time-limit", "1h"], 2, "the time limit is not between"),
        (["x", "--command", "cat", "--on", "weather"], 2, "'weather' is not a kind of alert"),
        (["../x", "--command", "cat"], 2, "'../x' cannot be an alert's name"),
    ],
)  # fmt: skip
def test_what_cannot_work_is_refused_when_it_is_added(
    home: Aikeys, words: list[str], status: int, sentence: str
) -> None:
    done = home.run("alert", "add", *words)
    assert done.returncode == status, done.stderr
    assert done.stderr.startswith(f"aikeys: error: {sentence}")
    assert listed(home)["alerts"] == []


@pytest.mark.parametrize(
    "argument",
    [canary(), "--token=0123456789abcdef0123", "https://x.example/h/T0CANARY0B0CANARY0C1", "xoxb-CANARY", "sk-CANARY"],
)
def test_a_key_on_the_command_line_is_refused_and_not_repeated(home: Aikeys, argument: str) -> None:
    done = home.run("alert", "add", "x", "--command", "cat", "--", "-v", argument)
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith("aikeys: error: an argument looks like a key\n")


def test_ordinary_arguments_are_no_keys(home: Aikeys) -> None:
    plain = [
        "-p",
        "high",
        "/var/log/alerts-2026-11-23.log",
        "https://ntfy.example.com/ai-budget",
        "--to=ops@example.com",
    ]
    ok(home.run("alert", "add", "x", "--command", "cat", "--", *plain))


def test_a_name_is_taken_once_and_an_unknown_one_names_the_others(home: Aikeys) -> None:
    ok(home.run("alert", "add", "ops", "--command", "cat"))
    done = home.run("alert", "add", "ops", "--command", "cat")
    assert (done.returncode, "there is an alert named ops" in done.stderr) == (15, True)
    for command in ("test", "remove"):
        done = home.run("alert", command, "opps")
        assert (done.returncode, done.stderr) == (
            10, "aikeys: error: there is no alert named opps\naikeys: hint: alerts: ops\n",
        )  # fmt: skip


def test_without_a_ledger_there_is_nothing_to_tell_of(bare_home: Aikeys) -> None:
    for words in (["list"], ["deliver"], ["add", "x", "--command", "cat"], ["remove", "x"], ["test", "x"]):
        done = bare_home.run("alert", *words)
        assert done.returncode == 10, words
        assert done.stderr.startswith("aikeys: error: there is no ledger at")
    assert not os.path.exists(bare_home.home)
