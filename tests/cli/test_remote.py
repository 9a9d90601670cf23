"""The commands that ask a gateway elsewhere: the same JSON as on its own machine, and nothing made on this one."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Callable

import pytest

from tests.cli.repositories import allow
from tests.remote.machines import Far, Served, far, served

__all__ = ["far", "served"]

ASK = ("prompt", "-m", "openai/gpt-4.1")


@pytest.fixture(scope="module")
def busy(served: Served) -> Served:
    """A gateway whose ledger has calls and budgets."""
    served.house.budget("org", 100 * 10**12)
    served.house.budget("team:support", 10**6)
    return served


def test_a_prompt_is_answered_and_stands_in_the_gateways_ledger(busy: Served, far: Callable[..., Far]) -> None:
    one = far()
    done = one.run(*ASK, "Say hello [[p=50 c=7 n=3]]", "--usage", "--tag", "client=acme")
    assert (done.returncode, done.stdout) == (0, "w0 w1 w2 \n")
    assert "50 in 7 out; its cost is in the gateway's ledger" in done.stderr
    whole = one.run(*ASK, "Say hello [[p=50 c=7]]", "--usage", "--no-stream")
    assert (whole.returncode, whole.stdout) == (0, "Hello\n")
    assert "50 in 7 out; $0.0002" in whole.stderr
    newest = busy.here("log", "-n", "2")["calls"]
    assert [(call["token"], call["cost_usd"], call["door"]) for call in newest] == [
        (one.token.claims.shown_id, "0.000156", "gateway")
    ] * 2
    assert newest[0]["tags"]["client"] == "acme"
    assert one.files == []


def test_a_prompt_as_json_has_the_fields_of_a_prompt_at_home(busy: Served, far: Callable[..., Far]) -> None:
    here = busy.here(*ASK, "Say hello [[p=50 c=7]]")
    there = far().json(*ASK, "Say hello [[p=50 c=7]]")
    assert list(there) == list(here)
    for name in ("schema", "model", "model_answered", "text", "finish", "cost_usd", "usage"):
        assert there[name] == here[name], name


def test_a_dry_run_shows_the_request_without_the_token_and_sends_nothing(busy: Served, far: Callable[..., Far]) -> None:
    one, served = far(), len(busy.house.provider.served)
    done = one.run(*ASK, "Say hello", "--dry-run")
    assert done.returncode == 0
    assert f"POST {busy.url}/v1/chat/completions" in done.stdout
    assert "Bearer ‹secret›" in done.stdout
    here = busy.here(*ASK, "Say hello", "--dry-run")
    there = one.json(*ASK, "Say hello", "--dry-run")
    assert set(there["requests"][0]) == set(here["requests"][0])
    assert len(busy.house.provider.served) == served


def test_several_models_are_shown_in_order_and_the_worst_decides(busy: Served, far: Callable[..., Far]) -> None:
    done = far().run("prompt", "-m", "gpt4", "-m", "nothing/x", "-m", "openai/gpt-4.1", "Hello [[n=2]]")
    assert done.returncode == 2
    assert [line for line in done.stdout.splitlines() if line.startswith("==")] == [
        "== gpt4 ==", "== nothing/x ==", "== openai/gpt-4.1 ==",
    ]  # fmt: skip
    assert done.stdout.count("w0 w1") == 2
    assert "nothing/x" in done.stderr


def test_a_schema_and_an_image_go_along(busy: Served, far: Callable[..., Far]) -> None:
    one = far()
    schema, image = one.aikeys.folder / "schema.json", one.aikeys.folder / "dot.png"
    schema.write_text('{"type": "object", "properties": {}}')
    image.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(20))
    done = one.run(*ASK, "Which?", "--schema", str(schema), "-a", str(image), "-o", "temperature=0.5")
    assert done.returncode == 30  # the provider says Hello, which is not an object
    assert "does not fit the schema" in done.stderr
    body = busy.house.provider.served[-1].json
    assert body["response_format"]["type"] == "json_schema"
    assert body["temperature"] == 0.5
    assert body["messages"][0]["content"][0]["image_url"]["url"].startswith("data:image/png;base64,")


def test_labels_around_here_give_way_to_the_tokens_and_typed_ones_do_not(busy: Served, far: Callable[..., Far]) -> None:
    one = far("chat:write", labels=(("team", "support2"),))
    (one.aikeys.folder / ".aikeys.toml").write_text('[defaults.labels]\nteam = "ads"\n')
    allow(str(one.aikeys.home), one.aikeys.folder)
    done = one.run(*ASK, "Hello", "--project", "bot")
    assert done.returncode == 0, done.stderr
    newest = busy.here("log", "-n", "1")["calls"][0]
    assert (newest["team"], newest["project"]) == ("support2", "bot")
    refused = one.run(*ASK, "Hello", "--team", "ads")
    assert refused.returncode == 20
    assert "ads" in refused.stderr


def test_ctrl_c_stops_and_says_who_knows_what_it_cost(busy: Served, far: Callable[..., Far]) -> None:
    one, provider = far(), busy.house.provider
    count = len(provider.served) + 1
    process = subprocess.Popen(
        one.aikeys.argv(*ASK, "Hello [[ms=hold]]"), env=one.aikeys.env(one.with_variables), cwd=one.aikeys.folder,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8",
    )  # fmt: skip
    try:
        provider.wait_for(count)
        process.send_signal(signal.SIGINT)
        out, said = process.communicate(timeout=30)
    finally:
        provider.held.set()
        process.kill()
        process.wait()
    assert (process.returncode, out) == (130, "")
    assert "the gateway's ledger has the call" in said


REFUSED = {
    "no such model": ((), {}, ("prompt", "-m", "openai-nothing", "Hi"), 2),
    "no scope": (("chat:read",), {}, (*ASK, "Hi"), 20),
    "over a budget": (("chat:write",), {"labels": (("team", "support"),)}, (*ASK, "Hi"), 22),
    "a provider that fails": ((), {}, (*ASK, "Hi [[status=500]]"), 30),
    "a provider that limits": ((), {}, (*ASK, "Hi [[status=429]]"), 32),
    "a stream that dies": ((), {}, (*ASK, "Hi [[n=5 fault=die]]"), 31),
    "--max-cost": ((), {}, (*ASK, "Hi", "--max-cost", "1"), 2),
    "a model that is not the token's": (("chat:write",), {"models": ("openai/o3",)}, (*ASK, "Hi"), 20),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_refusal_has_the_exit_status_it_has_at_home(case: str, busy: Served, far: Callable[..., Far]) -> None:
    scopes, token_request, words, status = REFUSED[case]
    done = far(*scopes, **token_request).run(*words)
    assert done.returncode == status, done.stderr
    assert done.stderr.startswith("aikeys: error: ")


SAME = {
    "models gpt-4.1": ("models", "gpt-4.1"),
    "budget list": ("budget", "list"),
    "budget check": ("budget", "check", "org"),
    "log": ("log", "-n", "3"),
    "audit": ("audit", "--act", "add"),
}


@pytest.mark.parametrize("case", SAME)
def test_what_the_gateway_tells_is_what_its_machine_prints(case: str, busy: Served, far: Callable[..., Far]) -> None:
    one = far()
    one.run(*ASK, "Hello")
    assert one.json(*SAME[case]) == busy.here(*SAME[case])
    plain = one.run(*SAME[case])
    here = busy.house.office.home.run(*SAME[case])
    assert (plain.returncode, plain.stdout) == (0, here.stdout)
    assert one.files == []


REPORTS = (
    ("report",),
    ("report", "usage", "--by", "model,day", "--since", "30d"),
    ("report", "--by", "token", "--top", "1"),
    ("report", "--where", "team=support2", "--by", "team"),
    ("report", "--since", "last-month", "--by", "tag:client"),
)


@pytest.mark.parametrize("words", REPORTS, ids=" ".join)
def test_a_report_has_the_figures_that_its_own_machine_reports(
    words: tuple[str, ...], busy: Served, far: Callable[..., Far]
) -> None:
    one = far()
    one.run(*ASK, "Hello", "--tag", "client=acme")
    here, there = busy.here(*words), one.json(*words)
    assert there.pop("read") == "gateway"
    here.pop("read")
    here.pop("forecast", None)
    assert there == here
    csv = one.run(*words, "--format", "csv")
    assert csv.stdout == busy.house.office.home.run(*words, "--format", "csv").stdout


CANNOT = (
    ("report", "latency"),
    ("report", "anomalies"),
    ("report", "--tz", "UTC"),
    ("report", "--compare", "previous"),
    ("report", "--format", "focus"),
    ("log", "-n", "20000"),
    ("models", "--all"),
    ("budget", "set", "org", "5"),
    ("budget", "remove", "org"),
    ("token", "prune"),
    ("token", "revoke", "x", "--keep-children"),
)


@pytest.mark.parametrize("words", CANNOT, ids=" ".join)
def test_what_no_gateway_does_is_said_with_status_2(
    words: tuple[str, ...], busy: Served, far: Callable[..., Far]
) -> None:
    one = far()
    done = one.run(*words)
    assert (done.returncode, done.stdout) == (2, ""), done.stderr
    assert "gateway" in done.stderr
    assert one.files == []


def test_a_report_by_a_token_that_sees_its_own_says_so(busy: Served, far: Callable[..., Far]) -> None:
    one = far("usage:own", labels=(("team", "support2"),))
    assert one.json("report")["where"] == {"team": ["support2"]}
    assert one.run("report", "--where", "team=ads").returncode == 10


def test_a_token_that_sees_its_own_is_told_the_same_by_every_command_at_a_gateway(
    busy: Served, far: Callable[..., Far]
) -> None:
    one, other = far("usage:own", "budget:own", "chat:write"), far()
    for each in (one, other):
        assert each.run(*ASK, "Hello").returncode == 0
    (call,) = one.json("log")["calls"]
    assert (call["number"], call["token"]) == (None, one.token.claims.shown_id)
    assert one.run("log").stdout.splitlines()[1].startswith(call["id"])
    assert one.json("report")["total"]["requests"] == 1
    check = one.json("budget", "check")
    assert [(row["who"], row["state"], row["spent_usd"]) for row in check["budgets"]] == [
        (f"token:{one.token.claims.shown_id}", "ok", call["cost_usd"]), ("a higher limit", "ok", None),
    ]  # fmt: skip
    assert "a higher limit" in one.run("budget", "check").stdout
    assert [row["who"] for row in one.json("budget", "list")["budgets"]] == ["a higher limit"]
    assert "ok" in one.run("budget", "list").stdout
    assert one.run("budget", "check", "team:support").returncode == 23


def test_a_budget_that_is_used_up_is_22_and_an_unknown_one_23(busy: Served, far: Callable[..., Far]) -> None:
    one = far()
    here = busy.house.office.home.run("budget", "check", "team:nobody", "--json")
    there = one.run("budget", "check", "team:nobody", "--json")
    assert (there.returncode, there.stdout) == (here.returncode, here.stdout) == (23, here.stdout)
    assert json.loads(one.run("budget", "check", "--max-unpriced", "0", "--json").stdout)["state"] == "ok"
    assert one.run("budget", "check", "--format", "markdown").stdout.startswith("### AI budgets: ok")


def test_a_token_is_issued_listed_and_revoked_through_the_gateway(busy: Served, far: Callable[..., Far]) -> None:
    one = far()
    made = one.run(
        "token", "issue", "--name", "build", "--for", "app", "--team", "ci", "--tag", "client=acme", "--budget", "0.25",
        "--rpm", "5", "--model", "openai/*", "--address", "127.0.0.0/8", "--ttl", "10m",
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    text = made.stdout.strip()
    assert text.startswith("aik_")
    assert text not in made.stderr
    (row,) = [row for row in one.json("token", "list")["tokens"] if row["name"] == "build"]
    (here,) = [row for row in busy.here("token", "list")["tokens"] if row["name"] == "build"]
    assert list(row) == list(here)
    unknown = {"remaining_usd", "last_call_on"}
    assert {name: row[name] for name in row if name not in unknown} == {
        name: here[name] for name in here if name not in unknown
    }
    assert row["labels"] == {"client": "acme", "team": "ci"}
    environment = {**one.with_variables, "AIKEYS_TOKEN": text}
    assert one.run(*ASK, "Hello", env=environment).returncode == 0
    gone = one.run("token", "revoke", "build")
    assert gone.returncode == 0, gone.stderr
    assert one.run(*ASK, "Hello", env=environment).returncode == 21
    assert "revoked already" in one.run("token", "revoke", row["id"]).stderr
    assert one.run("token", "revoke", "nothing").returncode == 10


def test_a_token_is_never_wider_than_the_one_that_asks(busy: Served, far: Callable[..., Far]) -> None:
    assert far().run("token", "issue", "--scope", "native:all").returncode == 20
    assert far("chat:write").run("token", "issue").returncode == 20
    wrong = far().run("token", "issue", "--for", "robot")
    assert (wrong.returncode, wrong.stdout) == (2, "")


def test_all_of_a_team_are_revoked_the_others_stay(busy: Served, far: Callable[..., Far]) -> None:
    one = far()
    for team in ("red", "red", "blue"):
        assert one.run("token", "issue", "--team", team).returncode == 0
    assert "revoked 2 tokens" in one.run("token", "revoke", "--team", "red", "--yes").stderr
    assert [
        row["labels"] for row in one.json("token", "list")["tokens"] if row["parent"] == one.token.claims.shown_id
    ] == [{"team": "blue"}]


def test_an_address_without_a_token_is_21_and_a_typo_is_told_before_anybody_is_asked(
    busy: Served, far: Callable[..., Far]
) -> None:
    one = far()
    bare = one.run("report", env={"AIKEYS_GATEWAY": busy.url})
    assert bare.returncode == 21
    assert "aikeys login" in bare.stderr
    typo = one.run("report", env={"AIKEYS_GATEWAY": "http://127.0.0.1:1", "AIKEYS_TOKEN": one.token.text[:-1]})
    assert typo.returncode == 21
    assert "characters instead of" in typo.stderr


def test_the_token_goes_nowhere_but_to_a_gateway(busy: Served, far: Callable[..., Far]) -> None:
    one = far()
    for url, status in (
        ("http://192.0.2.1:8787", 2),
        ("ftp://127.0.0.1", 2),
        ("http://user@127.0.0.1", 2),
        ("http://127.0.0.1:1", 31),
        (busy.house.provider.base_url, 31),
    ):
        done = one.run("models", env={**one.with_variables, "AIKEYS_GATEWAY": url})
        assert done.returncode == status, (url, done.stderr)


def test_an_address_may_end_in_v1_as_other_clients_want_it(busy: Served, far: Callable[..., Far]) -> None:
    one = far()
    done = one.run("models", "gpt-4.1", env={**one.with_variables, "AIKEYS_GATEWAY": f"{busy.url}/v1/"})
    assert done.returncode == 0, done.stderr


def test_what_is_the_owners_is_refused_without_a_vault_and_works_here_without_a_token(
    busy: Served, far: Callable[..., Far]
) -> None:
    one = far()
    assert one.run("add", "openai", "--stdin", input="sk-x").returncode == 20
    done = one.run("init", "--key-file", str(one.aikeys.key_file), env={"AIKEYS_GATEWAY": busy.url})
    assert done.returncode == 0, done.stderr
