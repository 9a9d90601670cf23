"""`aikeys token`: issue, list and show through the real command line."""

from __future__ import annotations

import json
import os
import re
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Aikeys, canary

ROW = {
    "id", "name", "for", "state", "scopes", "keys", "models", "labels", "addresses", "budget_usd", "remaining_usd",
    "rpm", "tpm", "once", "parent", "issued_at", "expires_at", "revoked_at", "last_call_on",
}  # fmt: skip


@pytest.fixture
def lending(ready_home: Aikeys) -> Aikeys:
    """Have a vault with two keys."""
    ready_home.add("openai", canary("one"))
    ready_home.add("work", canary("two"), "--provider", "openai")
    return ready_home


def issue(home: Aikeys, *args: str, token: str = "") -> str:
    """Return the text of a new token, issued by the owner or by a token."""
    done = home.run("token", "issue", *args, env={"AIKEYS_TOKEN": token} if token else {})
    assert done.returncode == 0, done.stderr
    assert re.fullmatch(r"aik_[0-9A-Za-z]{82}\n", done.stdout)
    assert done.stdout.strip() not in done.stderr
    return done.stdout.strip()


def listed(home: Aikeys, *args: str, token: str = "") -> list[dict[str, Any]]:
    done = home.run("token", "list", "--json", *args, env={"AIKEYS_TOKEN": token} if token else {})
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["schema"] == "aikeys.tokens/1"
    assert all(set(row) == ROW for row in found["tokens"])
    rows: list[dict[str, Any]] = found["tokens"]
    return rows


def id_of(home: Aikeys, token: str) -> str:
    """Return the id of a token, as `token show -` tells it."""
    done = home.run("token", "show", "-", "--json", input=token)
    assert done.returncode == 0, done.stderr
    return str(json.loads(done.stdout)["id"])


def names(rows: list[dict[str, Any]]) -> set[str]:
    return {row["name"] for row in rows}


# --- issue ---------------------------------------------------------------------------------------------------------


def test_the_token_stands_alone_on_stdout_and_opens_its_key_by_itself(lending: Aikeys) -> None:
    token = issue(lending, "--scope", "env:read", "--key", "openai")
    locked = {"AIKEYS_TOKEN": token}
    lending.key_file.unlink()
    assert lending.lent("openai", env=locked)["OPENAI_API_KEY"] == canary("one")
    assert lending.run("exec", "work", "--", "true", env=locked).returncode == 125


def test_what_was_asked_for_is_what_the_token_says_of_itself(lending: Aikeys) -> None:
    done = lending.run(
        *("token", "create", "--json", "--name", "build", "--for", "ci", "--ttl", "2h", "--key", "openai"),
        *("--model", "openai/*", "--model", "anthropic/claude-*", "--team", "support", "--tag", "client=acme"),
        *("--budget", "2.50", "--rpm", "60", "--tpm", "1000", "--once", "--address", "10.1.2.3/8"),
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    token = found.pop("token")
    assert token not in done.stderr
    assert found.pop("schema") == "aikeys.token/1"
    assert set(found) == ROW
    assert (found["name"], found["for"], found["state"]) == ("build", "ci", "active")
    assert "env:read" in found["scopes"]
    assert (found["keys"], found["models"]) == (["openai"], ["anthropic/claude-*", "openai/*"])
    assert found["labels"] == {"client": "acme", "team": "support"}
    assert found["addresses"] == ["10.0.0.0/8"]
    assert (found["budget_usd"], found["remaining_usd"]) == ("2.50", "2.50")
    assert (found["rpm"], found["tpm"], found["once"], found["parent"]) == (60, 1000, True, None)
    (row,) = listed(lending)
    assert row == found
    assert lending.run("budget", "list").stdout.count(f"token:{found['id']}") == 1


def test_without_options_a_token_is_a_developers_for_an_hour_and_for_a_gateway(lending: Aikeys) -> None:
    done = lending.run("token", "issue")
    assert "in 60 minutes" in done.stderr
    assert "it works through a gateway only" in done.stderr
    (row,) = listed(lending)
    assert row["scopes"] == ["budget:own", "chat:read", "chat:write", "embeddings:write", "usage:own"]
    assert (row["keys"], row["models"], row["labels"]) == (["*"], ["*"], {})


def test_a_token_issues_a_child_that_is_never_wider(lending: Aikeys) -> None:
    parent = issue(lending, "--role", "operator", "--scope", "env:read", "--key", "openai", "--team", "support")
    child = issue(lending, "--scope", "env:read", "--ttl", "10m", "--name", "child", token=parent)
    (row,) = [row for row in listed(lending) if row["name"] == "child"]
    assert (row["keys"], row["labels"], row["parent"]) == (["openai"], {"team": "support"}, id_of(lending, parent))
    assert lending.lent("openai", env={"AIKEYS_TOKEN": child})["OPENAI_API_KEY"] == canary("one")
    for wider, what in (
        (["--ttl", "2h"], "expiry"),
        (["--scope", "budget:write"], "scope budget:write"),
        (["--key", "work"], "keys"),
        (["--team", "sales"], "label team"),
    ):
        done = lending.run("token", "issue", *wider, env={"AIKEYS_TOKEN": parent})
        assert (done.returncode, done.stdout) == (20, "")
        assert f"wider than its parent {id_of(lending, parent)}: {what}" in done.stderr
    done = lending.run("token", "issue", env={"AIKEYS_TOKEN": child})
    assert done.returncode == 20
    assert "lacks the scope keys:write" in done.stderr


@pytest.mark.parametrize(
    ("args", "status", "sentence"),
    [
        (["--ttl", "soon"], 2, "soon is not a duration"),
        (["--ttl", "999w"], 2, "a token lives at least a second and at most five years"),
        (["--role", "boss"], 2, "boss is not a role"),
        (["--role", "viewer", "--scope", "x"], 2, "x is not a scope"),
        (["--model", "gpt"], 2, "gpt is not a model pattern"),
        (["--address", "here"], 2, "here is not an address"),
        (["--budget", "-1"], 2, "'-1' is not an amount in USD"),
        (["--rpm", "0"], 2, "--rpm 0 would let nothing through"),
        (["--rpm", "many"], 2, "invalid value for '--rpm': 'many' is not a whole number"),
        (["--tag", "client"], 2, "--tag client is not NAME=VALUE"),
        (["--tag", "team=x"], 2, "team is not a tag but a label"),
        (["--team", "a\nb"], 2, "the label team has an unprintable character"),
        (["--name", "x" * 101], 2, "the token's name has over 100 characters"),
        (["--key", "nothing"], 10, "there is no key named nothing"),
    ],
)
def test_an_option_that_cannot_be_is_named_in_one_sentence(
    lending: Aikeys, args: list[str], status: int, sentence: str
) -> None:
    done = lending.run("token", "issue", *args)
    assert (done.returncode, done.stdout) == (status, "")
    assert done.stderr.startswith(f"aikeys: error: {sentence}"), done.stderr
    assert done.stderr.count("\n") == 2
    assert listed(lending, "--all") == []


def test_a_locked_vault_issues_nothing(lending: Aikeys) -> None:
    lending.key_file.unlink()
    done = lending.run("token", "issue")
    assert (done.returncode, done.stdout) == (11, "")


# --- list and show -------------------------------------------------------------------------------------------------


def test_a_bearer_lists_itself_what_is_below_it_and_what_carries_its_labels(lending: Aikeys) -> None:
    support = issue(lending, "--role", "operator", "--team", "support", "--name", "support")
    issue(lending, "--name", "child", "--scope", "chat:write", token=support)
    issue(lending, "--team", "support", "--name", "other of support")
    issue(lending, "--team", "sales", "--name", "sales")
    issue(lending, "--name", "nobody's")
    assert names(listed(lending, token=support)) == {"support", "child", "other of support"}
    assert len(listed(lending)) == 5
    assert names(listed(lending, "--team", "sales")) == {"sales"}
    done = lending.run("token", "show", "sales", env={"AIKEYS_TOKEN": support})
    assert (done.returncode, done.stdout) == (10, "")
    done = lending.run("token", "revoke", "sales", env={"AIKEYS_TOKEN": support})
    assert done.returncode == 10
    assert len(listed(lending)) == 5


def test_the_table_shows_scopes_in_short_and_marks_what_ends_soon(lending: Aikeys) -> None:
    issue(lending, "--role", "developer", "--scope", "env:read", "--ttl", "30d", "--name", "long")
    issue(lending, "--ttl", "2d", "--name", "short")
    lines = lending.run("token", "list").stdout.splitlines()
    assert lines[0].split() == [
        *("ID", "NAME", "FOR", "SCOPES", "KEYS", "MODELS", "LABELS", "BUDGET", "LEFT", "EXPIRES", "PARENT"),
        *("LAST", "CALL"),
    ]
    assert "short" in lines[1]
    assert lines[1].endswith("in 2 days !")
    assert "developer env:read" in lines[2]
    assert lines[2].endswith("in 30 days")


def test_show_tells_claims_state_and_the_tree(lending: Aikeys) -> None:
    top = issue(lending, "--role", "operator", "--name", "top")
    middle = issue(lending, "--role", "operator", "--name", "middle", token=top)
    issue(lending, "--scope", "chat:write", "--name", "leaf", token=middle)
    found = json.loads(lending.run("token", "show", "middle", "--json").stdout)
    assert (found["schema"], found["state"]) == ("aikeys.token/1", "active")
    assert [each["name"] for each in found["ancestors"]] == ["top"]
    assert [each["name"] for each in found["children"]] == ["leaf"]
    ids = {row["name"]: row["id"] for row in listed(lending)}
    shown = lending.run("token", "show", ids["middle"][:6]).stdout
    tree = shown.partition("TREE\n")[2].splitlines()
    assert tree == [f"{ids['top']} (top)", f"  {ids['middle']} (middle)", f"    {ids['leaf']} (leaf)"]


def test_a_token_is_shown_from_stdin_and_its_typo_told_without_a_vault(lending: Aikeys, tmp_path: Path) -> None:
    token = issue(lending, "--name", "build")
    shown = lending.run("token", "show", "-", input=f"\n {token}\n")
    assert shown.returncode == 0
    assert "build" in shown.stdout
    assert token not in shown.stdout + shown.stderr
    nowhere = {"AIKEYS_HOME": str(tmp_path / "nowhere")}
    bare = lending.run("token", "show", "-", "--json", input=token, env=nowhere)
    assert json.loads(bare.stdout) == {
        "schema": "aikeys.token/1", "id": id_of(lending, token), "checksum": "ok", "state": None,
    }  # fmt: skip
    wrong = token[:-9] + ("a" if token[-9] != "a" else "b") + token[-8:]
    typo = lending.run("token", "show", "-", input=wrong, env=nowhere)
    assert (typo.returncode, typo.stdout) == (21, "")
    assert "the token has a typo" in typo.stderr
    assert wrong not in typo.stderr
    assert lending.run("token", "show", "-").returncode == 2


def test_a_token_of_another_vault_is_told_so(lending: Aikeys, tmp_path: Path) -> None:
    token = issue(lending)
    other = {"AIKEYS_HOME": str(tmp_path / "other")}
    assert lending.run("init", "--key-file", str(tmp_path / "other.key"), env=other).returncode == 0
    done = lending.run("token", "show", "-", input=token, env=other)
    assert done.returncode == 21
    assert "belongs to another vault" in done.stderr


@pytest.mark.parametrize("command", ["show", "revoke"])
def test_a_token_as_an_argument_is_refused_and_not_repeated(lending: Aikeys, command: str) -> None:
    token = issue(lending)
    done = lending.run("token", command, token)
    assert (done.returncode, done.stdout) == (2, "")
    assert "it is in the shell's history now, and should be revoked" in done.stderr
    assert f"aikeys token revoke {id_of(lending, token)}" in done.stderr
    assert token not in done.stderr


def test_a_row_that_was_edited_is_named_after_the_list_with_13(lending: Aikeys) -> None:
    issue(lending, "--name", "good")
    token = issue(lending, "--name", "bad")
    wrong = id_of(lending, token)
    forge(lending, wrong)
    done = lending.run("token", "list", "--json")
    assert names(json.loads(done.stdout)["tokens"]) == {"good"}
    assert done.returncode == 13
    assert f"edited or forged, opening nothing: {wrong}" in done.stderr
    doctor = lending.run("doctor", "--json")
    assert doctor.returncode == 25
    assert f"token {wrong}" in [check["name"] for check in json.loads(doctor.stdout)["checks"]]
    assert lending.run("token", "prune").returncode == 0
    assert names(listed(lending, "--all")) == {"good"}


def forge(home: Aikeys, token_id: str) -> None:
    """Change the signature of a token's row, its checksum with it."""
    from aikeys.tokens.link import Link
    from aikeys.vault.format import checksum

    connection = sqlite3.connect(home.home / "vault.db")
    row = connection.execute("SELECT id, claims, signature FROM token WHERE id = ?", (bytes.fromhex(token_id),))
    link = Link(*row.fetchone())
    forged = link._replace(signature=bytes(64))
    connection.execute(
        "UPDATE token SET signature = ?, checksum = ? WHERE id = ?", (forged.signature, checksum(forged), link.id)
    )
    connection.commit()
    connection.close()


def test_a_token_is_nowhere_but_on_the_stdout_that_issued_it(lending: Aikeys) -> None:
    token = issue(lending, "--role", "operator", "--scope", "env:read", "--name", "canary", "--ttl", "30d")
    child = issue(lending, "--scope", "env:read", token=token)
    said = []
    for args in (
        ["token", "list"], ["token", "list", "--json", "--all"], ["token", "show", "canary"], ["audit"], ["doctor"],
        ["log"], ["exec", "nothing", "--", "true"], ["token", "issue", "--scope", "audit:read", "--ttl", "90d"], ["list"],
        ["report"], ["token", "revoke", "nothing"], ["ledger", "export"], ["config", "export"],
    ):  # fmt: skip
        for environment in ({}, {"AIKEYS_TOKEN": token}, {"AIKEYS_TOKEN": token[:-1]}, {"AIKEYS_TOKEN": token + "x"}):
            done = lending.run(*args, env=environment)
            said.append(done.stdout + done.stderr)
    assert not any(token[4:80] in text or child[4:80] in text for text in said)
    for path in lending.home.rglob("*"):
        if path.is_file():
            data = path.read_bytes()
            assert token[4:60].encode() not in data, path
            assert child[4:60].encode() not in data, path


def test_a_shell_is_offered_the_ids_of_active_tokens_without_opening_anything(lending: Aikeys) -> None:
    kept, gone = (id_of(lending, issue(lending)) for _ in range(2))
    assert lending.run("token", "revoke", gone).returncode == 0
    lending.key_file.unlink()
    done = lending.run("__names", "tokens")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{kept}\n", "")
    nowhere = lending.run("__names", "tokens", env={"AIKEYS_HOME": str(lending.folder / "nowhere")})
    assert (nowhere.returncode, nowhere.stdout, nowhere.stderr) == (0, "", "")


def test_a_single_use_token_is_used_after_its_use(lending: Aikeys) -> None:
    token = issue(lending, "--scope", "env:read", "--key", "openai", "--once", "--name", "once")
    assert [row["state"] for row in listed(lending)] == ["active"]
    spent = {"AIKEYS_TOKEN": token}
    assert lending.run("exec", "--unmetered", "openai", "--", "true", env=spent).returncode == 0
    assert listed(lending) == []
    assert [row["state"] for row in listed(lending, "--all")] == ["used"]
    assert lending.run("exec", "--unmetered", "openai", "--", "true", env=spent).returncode == 125


# --- tokens and budgets --------------------------------------------------------------------------------------------


def test_a_budget_for_a_tokens_name_is_kept_for_its_id(lending: Aikeys) -> None:
    known = id_of(lending, issue(lending, "--name", "ci"))
    for args in (["set", "token:ci", "5"], ["set", f"token:{known[:8].upper()}", "6"], ["check", "token:ci"]):
        done = lending.run("budget", *args)
        assert done.returncode == 0, done.stderr
    budgets = json.loads(lending.run("budget", "list", "--json").stdout)["budgets"]
    assert [(row["who"], row["limit_usd"]) for row in budgets] == [(f"token:{known}", "6.00")]
    assert lending.run("budget", "remove", "token:ci").returncode == 0
    assert json.loads(lending.run("budget", "list", "--json").stdout)["budgets"] == []
    for command in (["set", "token:dead", "5"], ["set", "token:0123456789abcdef", "5"], ["check", "token:dead"]):
        done = lending.run("budget", *command)
        assert (done.returncode, done.stdout) == (10, "")
        assert "there is no token" in done.stderr
    assert lending.run("budget", "set", "token:*", "5").returncode == 0


@pytest.mark.parametrize("option", ["--at-limit=block", "--at-limit=warn"])
@pytest.mark.parametrize("whose", ["child", "parent", "each"])
def test_a_budget_set_on_a_token_refuses_raw_keys_as_its_own_does(lending: Aikeys, whose: str, option: str) -> None:
    parent = issue(lending, "--role", "operator", "--scope", "env:read", "--name", "parent")
    child = issue(lending, "--scope", "env:read", "--name", "child", token=parent)
    who = "token:*" if whose == "each" else f"token:{whose}"
    assert lending.run("budget", "set", who, "5", option).returncode == 0
    done = lending.run("exec", "openai", "--", "true", env={"AIKEYS_TOKEN": child})
    mine = id_of(lending, child)
    limited = f"a higher limit stands over token {mine}" if whose == "parent" else f"token {mine} has a budget"
    refused = (125, f"{limited}, and what a program does with the key itself is not metered")
    if option == "--at-limit=block":
        assert (done.returncode, done.stderr.splitlines()[0].removeprefix("aikeys: error: ")) == refused
    else:
        assert done.returncode == 0, done.stderr
    assert lending.run("exec", "--unmetered", "openai", "--", "true", env={"AIKEYS_TOKEN": child}).returncode == 0
    assert lending.run("exec", "openai", "--", "true").returncode == 0


@pytest.mark.parametrize(
    "args",
    [
        ["budget", "set", "token:{}", "5"], ["budget", "set", "team:{}", "5"], ["budget", "check", "token:{}"],
        ["budget", "remove", "token:{}"], ["report", "--where", "token={}"], ["token", "issue", "--name", "{}"],
        ["token", "issue", "--team", "{}"], ["token", "issue", "--tag", "client={}"], ["prompt", "-m", "openai/gpt-4.1", "--team", "{}", "hi"],
        ["alert", "add", "{}", "--webhook", "http://127.0.0.1:9/"], ["edit", "openai", "--team", "{}"],
        ["config", "apply", "policy.toml"], ["audit", "--who", "{}"],
    ],
    ids=" ".join,
)  # fmt: skip
def test_a_tokens_text_where_a_name_belongs_is_refused_and_kept_nowhere(lending: Aikeys, args: list[str]) -> None:
    token = issue(lending)
    policy = f'schema = "aikeys.policy/1"\n[[budgets]]\nwho = "team:{token}"\nusd = "5"\n'
    (lending.folder / "policy.toml").write_text(policy, encoding="utf-8")
    done = lending.run(*(arg.format(token) for arg in args))
    if args[0] != "audit":
        assert done.returncode in (2, 14), done.stderr
        assert "should be revoked" in done.stderr
    for place in (done.stdout, done.stderr, *(lending.home / name for name in os.listdir(lending.home))):
        text = place.encode() if isinstance(place, str) else place.read_bytes() if place.is_file() else b""
        assert token[4:24].encode() not in text, place


def test_a_label_imitates_nothing_in_the_record(lending: Aikeys) -> None:
    args = ["--tag", "expires=2099-01-01", "--tag", "metered=dead", "--team", "a metered=x", "--budget", "5"]
    known = id_of(lending, issue(lending, *args))
    entries = json.loads(lending.run("audit", "--json").stdout)["entries"]
    (detail,) = [entry["detail"] for entry in entries if entry["act"] == "token issue"]
    words = [word.partition("=")[0] for word in detail.split(" ")]
    assert words == ["expires", "scopes", "label.expires", "label.metered", "label.team", "budget_usd"]
    done = lending.run("exec", "--metered", "openai", "--", "true")
    assert done.returncode == 0, done.stderr
    (row,) = json.loads(lending.run("budget", "list", "--json").stdout)["budgets"]
    assert row["who"] == f"token:{known}"


def test_an_export_has_costs_and_takes_the_scope_for_them(lending: Aikeys) -> None:
    auditor = issue(lending, "--scope", "audit:read")
    done = lending.run("ledger", "export", env={"AIKEYS_TOKEN": auditor})
    assert (done.returncode, done.stdout) == (20, "")
    assert "lacks the scope usage:read" in done.stderr
    both = issue(lending, "--scope", "audit:read", "--scope", "usage:read")
    assert lending.run("ledger", "export", env={"AIKEYS_TOKEN": both}).returncode == 0


def test_a_revoked_token_does_not_end_soon(lending: Aikeys) -> None:
    token = issue(lending, "--name", "gone")
    assert lending.run("token", "revoke", "gone").returncode == 0
    table = lending.run("token", "list", "--all", env={"COLUMNS": "300"}).stdout
    assert "revoked" in table
    assert "!" not in table
    assert " in " not in table
    shown = lending.run("token", "show", id_of(lending, token)).stdout
    assert "!" not in shown
