"""`exec --metered` end to end: a vault, a provider on loopback that keeps the truth, and programs that spend."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.cli.repositories import allow
from tests.conftest import clean_environment
from tests.gateway.process import SECRET, House, house_at

PROGRAM = """
import json, os, sys, urllib.error, urllib.request
url, key = os.environ["OPENAI_BASE_URL"], os.environ["OPENAI_API_KEY"]
spec, count = sys.argv[1], int(sys.argv[2])
model = sys.argv[3] if len(sys.argv) > 3 else "gpt-4.1"
for _ in range(count):
    body = {"model": model, "max_tokens": 100, "messages": [{"role": "user", "content": f"[[{spec}]] hi"}]}
    request = urllib.request.Request(
        url + "/chat/completions", json.dumps(body).encode(),
        {"authorization": "Bearer " + os.environ.get("OTHER", key), "content-type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request) as answer:
            print(answer.status, flush=True)
    except urllib.error.HTTPError as refusal:
        print(refusal.code, json.load(refusal)["error"]["code"], flush=True)
        sys.exit(9)
    except urllib.error.URLError as failure:
        print("unreachable", flush=True)
        sys.exit(8)
"""
PRICE_PUSD = 50 * 2_000_000 + 50 * 8_000_000
SPEC = "p=50 c=50"


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with house_at(tmp_path) as made:
        (tmp_path / "program.py").write_text(PROGRAM)
        (tmp_path / "user").mkdir()
        yield made


def environment(house: House, more: Mapping[str, str] = {}) -> dict[str, str]:
    clean = clean_environment(house.folder / "user")
    return {**clean, "AIKEYS_HOME": house.place.home, "AIKEYS_DEBUG": "1", **more}


def argv(*words: str) -> list[str]:
    return [sys.executable, "-m", "aikeys", *words]


def metered(*options: str, program: tuple[str, ...] = (SPEC, "1")) -> list[str]:
    words = ("exec", "--metered", "--env", "OPENAI_API_KEY=openai", *options)
    return argv(*words, "--", sys.executable, "program.py", *program)


def run(house: House, words: list[str], **more: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        words, env=environment(house, more), cwd=house.folder, capture_output=True, text=True, check=False,
        stdin=subprocess.DEVNULL, timeout=90, start_new_session=True,
    )  # fmt: skip
    check_output(house, done.stdout + done.stderr)
    return done


def check_output(house: House, text: str) -> None:
    assert SECRET not in text
    assert not any(token in text for token in house.texts)
    assert "Traceback" not in text, text
    assert "internal error" not in text, text


@contextmanager
def started(house: House, words: list[str], **more: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        words, env=environment(house, more), cwd=house.folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def acts(house: House, act: str) -> list[str]:
    return [row[0] for row in house.rows("SELECT detail FROM entry WHERE act = ? ORDER BY id", act)]


def lent_id(house: House) -> str:
    return acts(house, "exec")[-1].split(" ")[1].removeprefix("lent=")


def test_a_program_spends_with_a_token_and_what_it_cost_is_said(house: House) -> None:
    done = run(house, metered(program=(SPEC, "3")))
    assert (done.returncode, done.stdout) == (0, "200\n200\n200\n"), done.stderr
    assert done.stderr == ("aikeys: metered: 3 requests, 300 tokens, $0.0015 (how sure: 3 from usage × price)\n")
    assert [entry.cost_pusd for entry in house.entries()] == [PRICE_PUSD] * 3
    assert all(one.headers["authorization"] == f"Bearer {SECRET}" for one in house.provider.served)
    house.verify()


def test_under_quiet_nothing_is_said(house: House) -> None:
    done = run(house, metered("--quiet"))
    assert (done.returncode, done.stdout, done.stderr) == (0, "200\n", "")


def test_the_child_never_sees_the_key_nor_what_is_ours(house: House) -> None:
    code = (
        "import json, os; print(json.dumps([open('/proc/self/environ', errors='replace').read().split(chr(0)), "
        "open('/proc/self/cmdline').read()]))"
    )
    words = argv("exec", "--metered", "--env", "OPENAI_API_KEY=openai", "--", sys.executable, "-c", code)
    done = run(house, words, OPENAI_BASE_URL="https://stranger.example", HTTPS_PROXY="http://127.0.0.1:9")
    variables, line = json.loads(done.stdout)
    child = dict(variable.partition("=")[::2] for variable in variables if variable)
    assert SECRET not in str(variables) + line
    assert child["OPENAI_API_KEY"].startswith("aik_")
    assert child["OPENAI_BASE_URL"].startswith("http://127.0.0.1:")
    assert child["OPENAI_BASE_URL"] == child["OPENAI_API_BASE"]
    assert child["NO_PROXY"] == child["no_proxy"] == "127.0.0.1"
    assert [name for name in child if name.startswith("AIKEYS_")] == ["AIKEYS_EXEC"]
    assert child["OPENAI_API_KEY"] not in str(house.rows("SELECT detail FROM entry"))


def test_the_token_is_in_no_vault_and_dead_when_its_program_has_ended(house: House) -> None:
    code = "import os; print(os.environ['OPENAI_API_KEY'])"
    words = argv("exec", "--metered", "--env", "OPENAI_API_KEY=openai", "--", sys.executable, "-c", code)
    token = run(house, words).stdout.strip()
    assert not house.office.rows().links
    done = run(house, argv("exec", "openai", "--", "true"), AIKEYS_TOKEN=token)
    assert done.returncode == 125
    assert "there is no token" in done.stderr


def test_a_budget_stops_a_loop_with_402_and_is_gone_afterwards(house: House) -> None:
    done = run(house, metered("--budget", "0.01", program=(SPEC, "1000")))
    *passed, last = done.stdout.splitlines()
    assert last == "402 budget_exceeded"
    assert done.returncode == 9
    assert passed
    assert len(passed) * PRICE_PUSD <= 10_000_000_000
    assert len(house.entries()) == len(passed) == len(house.provider.served)
    assert not house.rows("SELECT * FROM budget")
    assert not house.rows("SELECT * FROM reservation")
    assert len(acts(house, "budget set")) == len(acts(house, "budget remove")) == 1
    house.verify()


STREAMING = """
import json, os, urllib.request
messages = [{"role": "user", "content": "[[fault=die]] hi"}]
body = {"model": "gpt-4.1", "max_tokens": 100, "stream": True, "messages": messages}
request = urllib.request.Request(
    os.environ["OPENAI_BASE_URL"] + "/chat/completions", json.dumps(body).encode(),
    {"authorization": "Bearer " + os.environ["OPENAI_API_KEY"], "content-type": "application/json"},
)
with urllib.request.urlopen(request) as answer:
    try:
        answer.read()
    except Exception as failure:
        print(type(failure).__name__)
"""


@pytest.mark.parametrize(
    ("options", "source"),
    [(("--when-unknown", "estimate"), "estimated"), (("--when-unknown", "worst"), "worst_case"), ((), "worst_case")],
)
def test_a_run_may_let_a_stream_that_the_provider_breaks_off_be_estimated(
    house: House, options: tuple[str, ...], source: str
) -> None:
    (house.folder / "program.py").write_text(STREAMING)
    run(house, metered("--budget", "1", *options))
    (entry,) = house.entries()
    assert entry.source == source
    assert house.rows("SELECT doubt_pusd > 0 FROM call") == [(source == "estimated",)]
    (terms,) = acts(house, "budget set")
    assert terms.endswith(" when_unknown=estimate") is (source == "estimated")
    house.verify()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--when-unknown", "estimate"), "--when-unknown is for the budget of the run, and there is none"),
        (("--budget", "1", "--when-unknown", "guess"), "'guess' is not what an unknown end can count"),
    ],
)
def test_what_an_unknown_end_counts_needs_a_budget_and_a_word_that_is_one(
    house: House, options: tuple[str, ...], said: str
) -> None:
    done = run(house, metered(*options))
    assert (done.returncode, done.stdout) == (125, "")
    assert said in done.stderr
    assert not house.provider.served


def test_all_other_budgets_hold_too(house: House) -> None:
    house.budget("key:openai", 0)
    done = run(house, metered())
    assert (done.returncode, done.stdout) == (9, "402 budget_exceeded\n")
    assert "aikeys: metered: no requests; 1 request refused: the budget of key:openai does not allow" in done.stderr
    holder = house.issue("env:read", "chat:write", "budget:own").text
    done = run(house, metered(), AIKEYS_TOKEN=holder)
    assert (done.returncode, done.stdout) == (9, "402 budget_exceeded\n")
    assert "1 request refused: a higher limit does not allow this call" in done.stderr
    assert "key:openai" not in done.stderr


def test_requests_that_the_runs_own_budget_refused_are_told_apart_from_none(house: House) -> None:
    (house.folder / "program.py").write_text(PROGRAM.replace("sys.exit(9)", "continue"))
    done = run(house, metered("--budget", "0.0001", program=(SPEC, "2")))
    assert done.stdout == "402 budget_exceeded\n" * 2
    said = "aikeys: metered: no requests; 2 requests refused: the budget of $0.0001 does not allow them\n"
    assert done.stderr == said
    done = run(house, metered("--budget", "0.01", program=(SPEC, "30")))
    assert done.stderr.startswith("aikeys: metered: ")
    assert "refused: the budget of $0.0100 does not allow them" in done.stderr
    done = run(house, metered("--model", "openai/gpt-4.1-mini"))
    assert "metered: no requests; 1 request refused: denied\n" in done.stderr


def test_only_the_models_asked_for_are_allowed(house: House) -> None:
    done = run(house, metered("--model", "openai/gpt-4.1-mini"))
    assert (done.returncode, done.stdout.split()[0]) == (9, "403")
    done = run(house, metered("--model", "openai/gpt-4.1-mini", "--model", "openai/gpt-4.1"))
    assert (done.returncode, done.stdout) == (0, "200\n")


def test_requests_per_minute_are_counted(house: House) -> None:
    done = run(house, metered("--rpm", "nine"))
    assert done.returncode == 125
    assert "--rpm nine is not a whole number" in done.stderr
    code = PROGRAM.replace("print(answer.status, flush=True)", "print(answer.status, flush=True); break")
    (house.folder / "program.py").write_text(code)
    assert run(house, metered("--rpm", "1")).returncode == 0
    assert house.rows("SELECT who FROM rate") == [(f"token:{lent_id(house)}",)]


def test_another_token_of_the_vault_is_not_served(house: House) -> None:
    other = house.issue()
    done = run(house, metered(), OTHER=other.text)
    assert (done.returncode, done.stdout.split()[0]) == (9, "401")
    assert not house.provider.served


def test_a_run_that_lasts_longer_than_its_token_is_refused(house: House) -> None:
    code = PROGRAM.replace("url, key", "import time\ntime.sleep(1.2)\nurl, key", 1)
    (house.folder / "program.py").write_text(code)
    done = run(house, metered("--ttl", "1s"))
    assert (done.returncode, done.stdout.split()[0]) == (9, "401")


def test_the_record_names_run_token_and_labels_and_reports_do_not_count_the_run(house: House) -> None:
    (house.folder / ".aikeys.toml").write_text('[defaults]\nlabels = { team = "support" }\n')
    allow(house.place.home, house.folder)
    assert run(house, metered("--ttl", "1h")).returncode == 0
    (detail,) = acts(house, "exec")
    token = lent_id(house)
    assert detail == f"metered=yes lent={token} program={os.path.basename(sys.executable)}"
    (issued,) = acts(house, "token issue")
    assert "team=support" in issued
    assert house.rows("SELECT id, parent FROM token") == [(token, "")]
    assert run(house, argv("exec", "openai", "--env", "X=openai", "--", "true")).returncode == 0
    printed = json.loads(run(house, argv("report", "--by", "team", "--json")).stdout)
    assert printed["coverage"]["exec_runs_not_metered"] == 1
    assert [(row["team"], row["requests"]) for row in printed["rows"]] == [("support", 1)]


def test_a_provider_without_a_variable_for_an_address_is_refused_by_name(house: House) -> None:
    house.add_key("mine", "sk-CANARY-mistral", provider="mistral")
    done = run(house, argv("exec", "--metered", "--env", "X=mine", "--", "true"))
    assert done.returncode == 125
    assert "aikeys: error: mine: no variable tells Mistral's SDKs where the gateway is" in done.stderr
    assert not acts(house, "exec")


@pytest.mark.parametrize(("words", "status"), [(["false"], 1), (["sh", "-c", "kill -9 $$"], 137), (["nowhere-x"], 127)])
def test_the_programs_status_is_ours(house: House, words: list[str], status: int) -> None:
    done = run(house, argv("exec", "--metered", "--budget", "1", "--env", "X=openai", "--", *words))
    assert done.returncode == status
    assert not house.rows("SELECT * FROM budget")


def test_a_program_that_does_not_start_leaves_no_budget(house: House) -> None:
    script = house.folder / "script"
    script.write_text("#!/no/such/interpreter\n")
    script.chmod(0o755)
    done = run(house, argv("exec", "--metered", "--budget", "1", "--env", "X=openai", "--", str(script)))
    assert done.returncode == 127
    assert "needs the interpreter" in done.stderr
    assert not house.rows("SELECT * FROM budget")


def test_sigterm_reaches_the_program_and_the_call_under_way_is_settled(house: House) -> None:
    with started(house, metered(program=(f"{SPEC} ms=hold", "1"))) as process:
        house.provider.wait_for(1)
        process.send_signal(signal.SIGTERM)
        assert process.stderr is not None
        assert "1 call comes to its end" in process.stderr.readline()
        house.provider.held.set()
        text = process.stderr.read()
        assert process.wait(60) == 128 + signal.SIGTERM
    assert "1 request, 100 tokens" in text
    assert [(entry.cost_pusd, entry.source) for entry in house.entries()] == [(PRICE_PUSD, "computed")]
    assert house.reserved == 0
    house.verify()


def test_whoever_cannot_wait_for_the_end_interrupts_it_and_the_call_is_booked(house: House) -> None:
    with started(house, metered("--budget", "1", program=(f"{SPEC} ms=hold", "1"))) as process:
        house.provider.wait_for(1)
        process.send_signal(signal.SIGTERM)
        assert process.stderr is not None
        assert "comes to its end" in process.stderr.readline()
        process.send_signal(signal.SIGINT)
        text = process.stderr.read()
        assert process.wait(60) == 128 + signal.SIGTERM
    assert "1 at the worst case" in text
    assert [entry.source for entry in house.entries()] == ["worst_case"]
    assert house.reserved == 0


def test_killed_the_childs_calls_fail_and_the_next_command_books_what_was_open(house: House) -> None:
    with started(house, metered("--budget", "1", program=(f"{SPEC} ms=hold", "1"))) as process:
        house.provider.wait_for(1)
        process.kill()
        process.wait(30)
        assert house.reserved == 1
        assert process.stdout is not None
        process.stdout.read()  # the child's end: it cannot go on
    house.provider.held.set()
    assert house.rows("SELECT count(*) FROM budget") == [(1,)]
    done = run(house, metered("--quiet"))
    assert done.returncode == 0, done.stderr
    assert "its process ended: entry 8 holds its worst case" in done.stderr
    assert house.rows("SELECT count(*) FROM budget") == [(0,)]
    assert [entry.source for entry in house.entries()] == ["worst_case", "computed"]
    house.verify()


def test_a_tokens_bearer_runs_within_the_token_and_it_counts_for_that_token(house: House) -> None:
    parent = house.issue("chat:write", "env:read", budget_pusd=10_000_000_000, keys=("openai",), ttl_s=3600)
    done = run(house, metered("--budget", "1"), AIKEYS_TOKEN=parent.text)
    assert done.returncode == 125
    assert "would be allowed more than token" in done.stderr
    done = run(house, metered(program=(SPEC, "1000")), AIKEYS_TOKEN=parent.text)
    assert done.stdout.splitlines()[-1] == "402 budget_exceeded"
    (issued,) = [detail for detail in acts(house, "token issue") if "metered=" in detail]
    assert issued.startswith(f"parent={parent.claims.shown_id} ")
    assert acts(house, "exec")[-1].endswith(f"token={parent.claims.shown_id}")
    who = f"token:{parent.claims.shown_id}"
    ((spent, _),) = house.rows("SELECT spent, reserved FROM counter WHERE who = ?", who)
    assert int(spent) == PRICE_PUSD * len(house.entries())


def test_a_bearer_that_may_not_ask_starts_nothing(house: House) -> None:
    parent = house.issue("env:read", keys=("openai",), ttl_s=3600)
    done = run(house, metered(), AIKEYS_TOKEN=parent.text)
    assert done.returncode == 125
    assert "lacks the scope chat:write" in done.stderr
    assert not acts(house, "exec")


def test_revoking_the_bearers_token_ends_what_its_program_may_do(house: House) -> None:
    parent = house.issue("chat:write", "env:read", keys=("openai",), ttl_s=3600)
    gate = house.folder / "gate"
    os.mkfifo(gate)
    code = PROGRAM.replace("    body = ", f"    open({str(gate)!r}).read()\n    body = ", 1)
    (house.folder / "program.py").write_text(code)
    with started(house, metered(program=(SPEC, "2")), AIKEYS_TOKEN=parent.text) as process:
        gate.write_text("go")
        assert process.stdout is not None
        assert process.stdout.readline() == "200\n"
        assert run(house, argv("token", "revoke", parent.claims.shown_id)).returncode == 0
        gate.write_text("go")
        assert process.stdout.readline().startswith("401")
    assert len(house.provider.served) == 1


def test_a_key_that_is_rotated_while_the_program_runs_is_used_from_the_next_call_on(house: House) -> None:
    gate = house.folder / "gate"
    os.mkfifo(gate)
    code = PROGRAM.replace("    body = ", f"    open({str(gate)!r}).read()\n    body = ", 1)
    (house.folder / "program.py").write_text(code)
    with started(house, metered(program=(SPEC, "2"))) as process:
        gate.write_text("go")
        assert process.stdout is not None
        assert process.stdout.readline() == "200\n"
        house.office.rotate("openai", "sk-CANARY-second")
        gate.write_text("go")
        assert process.stdout.readline() == "200\n"
        assert process.wait(60) == 0
    sent = [one.headers["authorization"] for one in house.provider.served]
    assert sent == [f"Bearer {SECRET}", "Bearer sk-CANARY-second"]
