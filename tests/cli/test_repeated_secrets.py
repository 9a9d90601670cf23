"""doctor finds a secret that an earlier reply brought into the ledger, `ledger erase --key` masks it; short keys are named."""

from __future__ import annotations

import json
from typing import Any

from aikeys.ledger.calendar import Calendar
from aikeys.ledger.calls import Call, Context, Labels
from aikeys.ledger.recording import append_call
from aikeys.ledger.store import Ledger
from tests.conftest import Aikeys, canary


def checks_of(home: Aikeys, env: dict[str, str] | None = None) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(home.run("doctor", "--json", env=env).stdout)["checks"]
    return found


def record(home: Aikeys, answered: str, request_id: str = "") -> None:
    ledger = Ledger(str(home.home)).open()
    with ledger.writing() as writer:
        context = Context(Labels(), "", "openai", "openai", "openai/gpt-4.1", answered, door="gateway")
        call = Call(writer.now_us, writer.now_us, context, request_id=request_id)
        append_call(writer, call, Calendar(ledger.zone))
    ledger.close()


def test_doctor_finds_it_and_ledger_erase_masks_it_and_says_what_stays(ready_home: Aikeys) -> None:
    ready_home.add("openai", canary())
    ready_home.add("other", canary("other"))
    record(ready_home, f"gpt {canary()}")
    record(ready_home, "gpt-4.1", f"req {canary()}")
    number = Ledger(str(ready_home.home)).open().head().number
    (found,) = [check for check in checks_of(ready_home) if check["name"] in ("key openai", "key other")]
    assert found["name"] == "key openai"
    assert found["finding"] == "a reply brought its secret into the ledger"
    assert found["hint"] == "aikeys ledger erase --key openai, then aikeys rotate openai"
    done = ready_home.run("ledger", "erase", "--key", "openai", "--yes")
    assert done.returncode == 0, done.stderr
    assert "masked in 1 place; backups, exports and archives still have it" in done.stderr
    assert f"stays in the chain: entry {number}; make it worthless: aikeys rotate openai" in done.stderr
    assert ready_home.run("ledger", "verify").returncode == 0
    assert "*" * len(canary()) in ready_home.run("ledger", "export", reveals=True).stdout.partition("req")[0]
    (found,) = [check for check in checks_of(ready_home) if check["name"] == "key openai"]
    assert (found["finding"], found["hint"]) == (
        f"its secret is in the chain: entry {number}",
        "aikeys rotate openai",
    )
    clean = ready_home.run("ledger", "erase", "--key", "other", "--yes")
    assert (clean.returncode, "does not hold the secret of other" in clean.stderr) == (10, True)


def test_ledger_erase_asks_for_one_thing_and_without_a_terminal_for_a_yes(ready_home: Aikeys) -> None:
    ready_home.add("openai", canary())
    record(ready_home, canary())
    for given in ((), ("--user", "ana", "--key", "openai")):
        assert ready_home.run("ledger", "erase", *given).returncode == 2
    assert ready_home.run("ledger", "erase", "--key", "nobody", "--yes").returncode == 10
    asked = ready_home.run("ledger", "erase", "--key", "openai")
    assert asked.returncode in (2, 3), asked.stderr
    assert [check["name"] for check in checks_of(ready_home)].count("key openai") == 1


def test_doctor_names_a_key_that_is_too_short_to_be_masked(ready_home: Aikeys) -> None:
    ready_home.add("openai", "a-b")
    ready_home.add("groq", "12345678")
    ready_home.add("ollama", "ollama", "--base-url", "http://127.0.0.1:11434/v1")
    ready_home.add("vllm", "x", "--base-url", "http://127.0.0.1:8000/v1")
    found = {check["name"]: check for check in checks_of(ready_home) if check["name"].startswith("key ")}
    assert set(found) == {"key openai", "key vllm"}
    assert found["key openai"]["hint"] == "aikeys rotate openai, to a longer one"
    assert found["key vllm"]["ok"]
    assert "fewer than 8 bytes" in found["key openai"]["finding"]


def test_doctor_asks_nothing_where_the_vault_is_closed(passphrase_home: Aikeys) -> None:
    secret = {"AIKEYS_PASSPHRASE": "correct horse battery"}
    done = passphrase_home.run("add", "openai", "--stdin", "--no-verify", input="a-b", env=secret)
    assert done.returncode == 0, done.stderr
    assert "key openai" not in [check["name"] for check in checks_of(passphrase_home)]
    assert "key openai" in [check["name"] for check in checks_of(passphrase_home, secret)]
