"""The README's CI on a copy of vault.db with a `--for ci` token: what a run said is what report and check say.

Others spend from the same ledger, their budget is exceeded: the check ends with 0, and no byte of any format names them.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from aikeys import clock
from aikeys.budgets.booking import book
from aikeys.budgets.changes import set_budget
from aikeys.budgets.terms import Terms
from aikeys.budgets.who import Who
from aikeys.ledger.calendar import Calendar
from aikeys.ledger.calls import Call, Context, Labels
from aikeys.ledger.store import Act, Ledger
from aikeys.providers.usage import Usage
from tests.cli.test_exec_metered import PROGRAM, SPEC, argv, check_output, environment
from tests.gateway.process import House, house_at

USD = 10**12
THEIRS = Labels("rivals", "secret-plan", "lab", "mallory", (("client", "evil-corp"),))
NAMES = ("rivals", "secret-plan", "mallory", "evil-corp", "rival-key", "feedfacefeedface", "123.45", "0.070707")
COMMANDS = (
    *(["report", kind, "--format", form] for kind in ("cost", "usage") for form in ("table", "json", "csv", "markdown")),
    *(["report", "--format", form] for form in ("openmetrics", "focus")),
    *(["report", "--by", by] for by in ("token", "user,team", "key,day", "tag:client")),
    *(["report", kind] for kind in ("latency", "anomalies")),
    *(["budget", "check", "--max-unpriced", "0", "--format", form] for form in ("table", "json", "markdown", "github")),
    ["budget", "list"], ["budget", "list", "--json"],
    ["log"], ["log", "--json"], ["top"], ["top", "--json"], ["token", "show", "-"], ["doctor"],
)  # fmt: skip
ALL = """
import io, json, os, sys
from contextlib import redirect_stderr, redirect_stdout
from aikeys.cli.app import main
done = []
for words in json.loads(sys.argv[1]):
    out = io.TextIOWrapper(io.BytesIO(), "utf-8")
    said = io.TextIOWrapper(io.BytesIO(), "utf-8")
    sys.stdin = io.TextIOWrapper(io.BytesIO(os.environ["AIKEYS_TOKEN"].encode()), "utf-8")
    with redirect_stdout(out), redirect_stderr(said):
        status = main(words)
        out.flush(), said.flush()
    done.append([words, status, *(each.buffer.getvalue().decode() for each in (out, said))])
print(json.dumps(done))
"""


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with house_at(tmp_path) as made:
        (tmp_path / "program.py").write_text(PROGRAM)
        (tmp_path / "user").mkdir()
        yield made


def others_spend(home: Path) -> None:
    """Exceed a budget of another team, as somebody else with the same ledger, and run programs of theirs."""
    context = Context(THEIRS, "feedfacefeedface", "rival-key", "openai", "openai/gpt-4.1", door="gateway")
    now_us = clock.now_us()
    theirs = Call(now_us, now_us, context, Usage(100, 0, 0, 0, 20, 0), cost_pusd=12_345 * USD // 100)
    with closing(Ledger(str(home))) as ledger:
        ledger.open()
        with ledger.writing() as writer:
            book(writer, theirs, Calendar(ledger.zone))
            book(
                writer,
                theirs._replace(cost_pusd=0, cost_source="unpriced", unpriced=(("x", 1),)),
                Calendar(ledger.zone),
            )
            for who in (Who("team", "rivals"), Who("user", "mallory"), Who("token", "feedfacefeedface")):
                set_budget(writer, who, Terms(70_707 * USD // 1_000_000))
            writer.act(Act("exec", "rival-key", "program=python"))


def test_what_a_metered_run_said_is_what_report_and_check_say_and_others_are_nowhere(house: House) -> None:
    ci = house.folder / "ci"
    ci.mkdir(mode=0o700)

    def run(words: list[str], **more: str) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            words, env=environment(house, more), cwd=house.folder, capture_output=True, text=True, check=False,
            stdin=subprocess.DEVNULL, timeout=90,
        )  # fmt: skip
        check_output(house, done.stdout.replace(more.get("AIKEYS_TOKEN", "none"), "") + done.stderr)
        return done

    token = run(argv("token", "issue", "--for", "ci", "--key", "openai", "--name", "build")).stdout.strip()
    shutil.copy(Path(house.place.home) / "vault.db", ci / "vault.db")
    bearing = {"AIKEYS_HOME": str(ci), "AIKEYS_TOKEN": token}
    program = (sys.executable, "program.py", SPEC, "3")
    spent = run(argv("exec", "--metered", "--env", "OPENAI_API_KEY=openai", "openai", "--", *program), **bearing)
    assert (spent.returncode, spent.stdout) == (0, "200\n" * 3), spent.stderr
    assert "3 requests, 300 tokens, $0.0015" in spent.stderr
    others_spend(ci)
    summary, outputs = ci / "summary.md", ci / "outputs"
    told = {"GITHUB_STEP_SUMMARY": str(summary), "GITHUB_OUTPUT": str(outputs), **bearing}
    done = run([sys.executable, "-c", ALL, json.dumps(COMMANDS)], **told)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    text = done.stdout + summary.read_text() + outputs.read_text()
    assert [name for name in NAMES if name in text] == []
    assert token not in text
    statuses = {" ".join(words): (status, said) for words, status, _, said in found}
    assert {each for each in statuses.values() if each[0]} == set(), statuses
    printed = {" ".join(words): out for words, _, out, _ in found}
    report = json.loads(printed["report cost --format json"])
    assert (report["total"]["requests"], report["total"]["cost_usd"]) == (3, "0.0015")
    assert report["coverage"]["exec_runs_not_metered"] == 0
    check = json.loads(printed["budget check --max-unpriced 0 --format json"])
    assert check["state"] == "ok"
    assert check["notes"] == []
    assert "it spent $0.0015 this month" in check["budgets"][0]["reason"]
    assert "$0.0015" in summary.read_text()
    assert outputs.read_text() == "state=ok\nspent_usd=0.0015\nremaining_usd=\n"
    assert check["budgets"][0]["spent_usd"] == report["total"]["cost_usd"]
    calls = json.loads(printed["log --json"])["calls"]
    assert [(one["number"], one["cost_usd"]) for one in calls] == [(None, "0.0005")] * 3
    assert os.path.exists(ci / "ledger.db")
