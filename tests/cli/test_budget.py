"""`aikeys budget` as a person and a CI job use it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from aikeys.budgets.booking import book
from aikeys.budgets.decisions import Ask
from aikeys.budgets.reservations import ReserveRequest
from aikeys.clock import now_us
from aikeys.ledger.calendar import Calendar
from aikeys.ledger.calls import Call, Context, Labels
from aikeys.ledger.store import Ledger
from aikeys.money import parse_usd
from tests.budgets.one_at_a_time import SerialReserver
from tests.conftest import Aikeys

Run = Callable[..., subprocess.CompletedProcess[str]]


def spend(home: Aikeys, usd: str, team: str = "support", source: str = "computed") -> None:
    ledger = Ledger(str(home.home)).open()
    with ledger.writing() as writer:
        context = Context(Labels(team, user="ana"), key="openai", provider="openai", model="openai/gpt-4.1")
        call = Call(now_us(), now_us(), context, cost_pusd=parse_usd(usd), cost_source=source)
        book(writer, call, Calendar(ledger.zone))
    ledger.close()


def test_a_budget_names_the_calls_under_way_that_it_comes_too_late_for(ready_home: Aikeys) -> None:
    ledger = Ledger(str(ready_home.home)).open()
    reserver = SerialReserver(ledger)
    context = Context(Labels("support"), key="openai", provider="openai", model="openai/gpt-4.1", price="listed")
    first = reserver.reserve(ReserveRequest(context, Ask(parse_usd("2"), 0)))
    reserver.reserve(ReserveRequest(context._replace(model="openai/new", price=""), Ask(0, 0, is_bounded=False)))
    done = ready_home.run("budget", "set", "team:*", "1")
    assert done.returncode == 0
    assert "too late for 1 call under way, which may cost up to $2.00 where $1.00 is left" in done.stderr
    assert first.id.hex() in done.stderr
    assert "too late for 1 call under way of unknown cost, which is not reserved (openai/new)" in done.stderr
    checked = json.loads(ready_home.run("budget", "check", "team:support", "--json").stdout)
    assert [note[:56] for note in checked["notes"]] == ["the budget of team:support comes too late for 1 call und"] * 2
    assert "budget late" in ready_home.run("audit").stdout
    assert ready_home.run("ledger", "verify").returncode == 0
    reserver.close()
    ledger.close()


def test_a_budget_is_set_listed_and_removed(ready_home: Aikeys) -> None:
    done = ready_home.run("budget", "set", "team:support", "200", "--alert", "50,100", "--at-limit", "warn")
    assert (done.returncode, done.stdout) == (0, "")
    assert "team:support: $200.00 a month, calls beyond it go on; alert at 50 %, 100 %" in done.stderr
    assert "no call has been made for team:support so far" in done.stderr
    spend(ready_home, "12.5")
    (row,) = json.loads(ready_home.run("budget", "list", "--json").stdout)["budgets"]
    assert row.pop("period_start")
    assert row == {
        "who": "team:support", "period": "month", "limit_usd": "200.00", "at_limit": "warn", "alerts": [50, 100],
        "spent_usd": "12.50", "reserved_usd": "0.00", "remaining_usd": "187.50", "percent": 6.2, "state": "ok",
        "unpriced_requests": 0, "when_unknown": "worst", "doubt_usd": "0.00",
    }  # fmt: skip
    assert ready_home.run("budget", "remove", "team:support").returncode == 0
    assert json.loads(ready_home.run("budget", "list", "--json").stdout)["budgets"] == []


def test_the_state_becomes_the_exit_status(ready_home: Aikeys) -> None:
    run = ready_home.run
    run("budget", "set", "team:support", "10")
    assert run("budget", "check").returncode == 0
    spend(ready_home, "8")
    assert run("budget", "check").returncode == 0
    assert run("budget", "check", "--fail-on", "warning").returncode == 24
    spend(ready_home, "2")
    done = run("budget", "check", "--fail-on", "warning")
    assert done.returncode == 22
    assert "error: team:support has spent $10.00 of $10.00 this month, 100.0 %" in done.stderr
    assert run("budget", "check").returncode == 22


def test_nothing_known_is_undecided(ready_home: Aikeys, tmp_path: Path) -> None:
    run = ready_home.run
    assert run("budget", "check").returncode == 23
    assert run("budget", "check", "org").returncode == 23
    run("budget", "set", "org", "10")
    assert run("budget", "check", "team:x").returncode == 23
    done = run("budget", "check", "--json", env={"AIKEYS_LEDGER": str(tmp_path / "nowhere")})
    assert done.returncode == 23
    assert json.loads(done.stdout) == {
        "schema": "aikeys.budget-check/1", "state": "undecided", "budgets": [],
        "notes": [f"there is no ledger at {tmp_path}/nowhere/ledger.db"],
    }  # fmt: skip
    spend(ready_home, "1", source="unpriced")
    assert run("budget", "check").returncode == 0
    assert "1 request has no price" in run("budget", "check").stderr
    assert run("budget", "check", "--max-unpriced", "0").returncode == 23


def test_the_check_needs_a_ledger_and_no_vault(ready_home: Aikeys, tmp_path: Path) -> None:
    ready_home.run("budget", "set", "org", "10")
    spend(ready_home, "3")
    folder = tmp_path / "copy"
    folder.mkdir(mode=0o700)
    for file in ready_home.home.glob("ledger.db*"):
        (folder / file.name).write_bytes(file.read_bytes())
        (folder / file.name).chmod(0o600)
    done = ready_home.run(
        "--home", str(tmp_path / "none"), "budget", "check", "--json", env={"AIKEYS_LEDGER": str(folder)}
    )
    assert done.returncode == 0
    found = json.loads(done.stdout)
    assert found["state"] == "ok"
    assert found["budgets"][0] == {
        "who": "org", "period": "month", "limit_usd": "10.00", "spent_usd": "3.00", "reserved_usd": "0.00",
        "remaining_usd": "7.00", "percent": 30.0, "state": "ok", "reason": None, "requests": 1, "unpriced_requests": 0,
        "at_limit": "block", "when_unknown": "worst", "doubt_usd": "0.00",
    }  # fmt: skip


def test_a_github_step_gets_annotations_a_summary_and_outputs(ready_home: Aikeys, tmp_path: Path) -> None:
    for who, usd in (("org", "100"), ("team:a%b\\", "10"), ("team:sales", "10")):
        assert ready_home.run("budget", "set", who, usd).returncode == 0
    spend(ready_home, "12", "a%b\\")
    spend(ready_home, "9", "sales")
    summary, output = tmp_path / "summary", tmp_path / "output"
    summary.write_text("before\n")
    env = {"GITHUB_STEP_SUMMARY": str(summary), "GITHUB_OUTPUT": str(output), "GITHUB_ACTIONS": "true"}
    done = ready_home.run("budget", "check", "--format", "github", env=env)
    assert done.returncode == 22
    assert done.stdout == (
        "::error title=AI budget exceeded::team:a%25b\\ has spent $12.00 of $10.00 this month, 120.0 %25\n"
        "::warning title=AI budget warning::team:sales has spent $9.00 of $10.00 this month, 90.0 %25\n"
        "org has spent $21.00 of $100.00 this month, 21.0 %\n"
    )
    assert output.read_text() == "state=exceeded\nspent_usd=12.00\nremaining_usd=-2.00\n"
    assert summary.read_text() == (
        "before\n"
        "### AI budgets: exceeded\n"
        "\n"
        "| Budget of | Period | Spent | Reserved | Limit | Left | Used | State |\n"
        "|---|---|---:|---:|---:|---:|---:|---|\n"
        "| org | month | $21.00 | $0.00 | $100.00 | $79.00 | 21.0 % | ok |\n"
        "| team:a%b\\\\ | month | $12.00 | $0.00 | $10.00 | -$2.00 | 120.0 % | exceeded |\n"
        "| team:sales | month | $9.00 | $0.00 | $10.00 | $1.00 | 90.0 % | warning |\n"
    )


def test_a_github_step_without_a_ledger_fails_with_an_annotation(ready_home: Aikeys, tmp_path: Path) -> None:
    output = tmp_path / "output"
    env = {"GITHUB_OUTPUT": str(output), "AIKEYS_LEDGER": str(tmp_path / "nowhere")}
    done = ready_home.run("budget", "check", "--format", "github", env=env)
    assert done.returncode == 23
    assert done.stdout.startswith("::error title=AI budgets undecided::there is no ledger at ")
    assert output.read_text() == "state=undecided\nspent_usd=\nremaining_usd=\n"


def test_more_budgets_than_github_shows_are_named_in_the_last_annotation() -> None:
    from aikeys.budgets.check import BudgetState
    from aikeys.budgets.terms import Terms
    from aikeys.cli.render.budget_states import annotation, commands_of

    full = [BudgetState(f"team:{at}", Terms(1), 0, 2, 0, 0, 0, "exceeded") for at in range(14)]
    lines = commands_of(full)
    assert len(lines) == 10
    assert lines[-1] == "::error title=AI budgets::5 more: team:9, team:10, team:11, team:12, team:13"
    assert annotation("error", "a:b,c", "x\n::error::y\r%") == "::error title=a%3Ab%2Cc::x%0A::error::y%0D%25"


def test_markdown_is_a_table_for_a_summary(ready_home: Aikeys) -> None:
    ready_home.run("budget", "set", "org", "10")
    done = ready_home.run("budget", "check", "--format", "markdown")
    assert done.returncode == 0
    assert done.stdout.splitlines()[0] == "### AI budgets: ok"
    assert done.stdout.splitlines()[-1] == "| org | month | $0.00 | $0.00 | $10.00 | $10.00 | 0.0 % | ok |"


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (["set", "tem:x", "5"], 2, "did you mean team?"),
        (["set", "org", "NaN"], 2, "'NaN' is not an amount in USD"),
        (["set", "org", "--", "-5"], 2, "'-5' is not an amount in USD"),
        (["set", "org", "1e3"], 2, "is not an amount"),
        (["set", "org", "0.0000000000001"], 2, "at most 12 decimals"),
        (["set", "org", "5", "--period", "year"], 2, "one of: day, week, month, total"),
        (["set", "org", "5", "--at-limit", "stop"], 2, "one of: block, warn, revoke"),
        (["set", "org", "5", "--alert", "80.5"], 2, "not a threshold"),
        (["set", "team:", "5"], 2, "lacks a name"),
        (["remove", "team:x"], 10, "there is no budget for team:x"),
        (["check", "nobody"], 2, "is not a budget target"),
        (["check", "--max-unpriced", "-1"], 2, "percentage"),
        (["check", "--fail-on", "never"], 2, "warning or exceeded"),
        (["check", "--format", "xml"], 2, "one of: table, json, markdown, github"),
        (["check", "--json", "--format", "table"], 2, "contradict"),
    ],
)
def test_bad_input_is_named_and_changes_nothing(ready_home: Aikeys, words: list[str], status: int, said: str) -> None:
    ledger = ready_home.home / "ledger.db"
    before = ledger.read_bytes()
    done = ready_home.run("budget", *words)
    assert (done.returncode, done.stdout) == (status, "")
    assert said in done.stderr
    assert ledger.read_bytes() == before


def test_without_a_ledger_nothing_is_set(bare_home: Aikeys) -> None:
    for words in (("set", "org", "5"), ("list",), ("remove", "org")):
        done = bare_home.run("budget", *words)
        assert done.returncode == 10
        assert "there is no ledger at" in done.stderr


def test_a_ledger_of_a_newer_version_is_refused(ready_home: Aikeys) -> None:
    import sqlite3

    connection = sqlite3.connect(ready_home.home / "ledger.db")
    connection.execute("UPDATE ledger SET format = 99")
    connection.commit()
    connection.close()
    for words in (("check",), ("set", "org", "5"), ("list",)):
        done = ready_home.run("budget", *words)
        assert done.returncode == 14
        assert "format 99" in done.stderr


READ_ONLY = """
import contextlib, io, os, sys
from aikeys.cli.app import main
with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
    for words in (["check"], ["remove", "team:x"], ["set", "team:x", "-"]):  # another user may not read our modules
        main(["budget", *words])
os.environ["AIKEYS_LEDGER"] = os.environ["AIKEYS_HOME"] = sys.argv[1]  # nor enter our home
os.chmod(sys.argv[1], 0o555)
os.chmod(sys.argv[1] + "/ledger.db", 0o444)
if os.geteuid() == 0:
    os.setresuid(65534, 65534, 65534)
sys.exit(main(["budget", *sys.argv[2:]]))
"""


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """Have a folder that another user reaches, too: pytest's own are closed to all but root."""
    folder = Path(tempfile.mkdtemp())
    yield folder
    folder.chmod(0o700)
    shutil.rmtree(folder)


@pytest.mark.parametrize("words", [("set", "org", "7"), ("remove", "org"), ("check",)])
def test_a_ledger_that_cannot_be_written_is_checked_and_never_changed(
    ready_home: Aikeys, open_folder: Path, words: tuple[str, ...]
) -> None:
    ready_home.run("budget", "set", "org", "5")
    ledger = open_folder / "ledger.db"
    ledger.write_bytes((ready_home.home / "ledger.db").read_bytes())
    before = ledger.read_bytes()
    argv = [sys.executable, "-c", READ_ONLY, str(open_folder), *words]
    done = ready_home.run_argv(argv)
    if words == ("check",):
        assert (done.returncode, done.stderr) == (0, "")
        assert "ok" in done.stdout
    else:
        assert (done.returncode, done.stdout) == (1, "")
        assert f"cannot use {ledger}" in done.stderr
    assert ledger.read_bytes() == before


def test_a_limit_edited_by_hand_is_what_check_reads_and_verify_finds(ready_home: Aikeys) -> None:
    from aikeys.budgets.verify import verify_budgets
    from aikeys.errors import Damaged

    ready_home.run("budget", "set", "org", "10")
    ledger = Ledger(str(ready_home.home)).open()
    with ledger.writing() as writer:
        writer.connection.execute("UPDATE budget SET limit_pusd = '99'")
    with pytest.raises(Damaged, match="budget of org"):
        verify_budgets(ledger)
    ledger.close()


def test_the_name_of_a_user_is_shown_and_stands_in_no_table_but_its_own(ready_home: Aikeys) -> None:
    ready_home.run("budget", "set", "user:marie-curie", "10")
    assert "user:marie-curie" in ready_home.run("budget", "list").stdout
    ledger = Ledger(str(ready_home.home)).open()
    with ledger.reading() as connection:
        for table in ("budget", "counter", "entry", "word"):
            assert "marie" not in str(connection.execute(f"SELECT * FROM {table}").fetchall())  # noqa: S608
    ledger.close()


def test_a_cost_known_at_last_is_unpriced_no_longer(ready_home: Aikeys) -> None:
    run = ready_home.run
    run("budget", "set", "org", "10")
    spend(ready_home, "0", source="unpriced")
    assert run("budget", "check", "--max-unpriced", "5").returncode == 23
    assert "1 request (0 tokens) has no full price: openai/gpt-4.1" in run("report").stdout
    (number,) = [row["number"] for row in json.loads(run("log", "--json").stdout)["calls"]]
    assert run("ledger", "resolve", str(number), "--cost", "0.25").returncode == 0
    assert run("budget", "check", "--max-unpriced", "0").returncode == 0
    shown = run("report")
    assert "how sure: 1 request as the provider billed ($0.2500)" in shown.stdout
    assert "without a price" not in shown.stdout
    assert "not in the total" not in shown.stdout
    assert run("ledger", "verify").returncode == 0


def test_setting_a_budget_again_keeps_what_is_not_given_and_says_what_it_was(ready_home: Aikeys) -> None:
    def terms() -> list[tuple[object, ...]]:
        rows = json.loads(ready_home.run("budget", "list", "--json").stdout)["budgets"]
        return [(row["limit_usd"], row["period"], row["at_limit"], row["alerts"]) for row in rows]

    ready_home.run("budget", "set", "user:ana", "10", "--at-limit", "warn", "--alert", "50")
    done = ready_home.run("budget", "set", "user:ana", "20")
    assert terms() == [("20.00", "month", "warn", [50])]
    said = " ".join(done.stderr.split())
    assert "$10.00 a month, calls beyond it go on; alert at 50 % -> $20.00 a month, calls beyond it go on" in said
    ready_home.run("budget", "set", "user:ana", "20", "--at-limit", "block")
    assert terms() == [("20.00", "month", "block", [50])]
    ready_home.run("budget", "set", "user:ana", "20", "--alert", "")
    assert terms() == [("20.00", "month", "block", [])]
    assert " -> " not in ready_home.run("budget", "set", "user:ana", "20").stderr
    ready_home.run("budget", "set", "user:ana", "5", "--period", "day")  # another budget: nothing to keep
    assert terms() == [("5.00", "day", "block", [80, 100]), ("20.00", "month", "block", [])]


def test_one_is_not_said_as_several(ready_home: Aikeys) -> None:
    for who in ("org", "team:support"):
        ready_home.run("budget", "set", who, "1")
    spend(ready_home, "2")
    assert "1 more is exceeded" in " ".join(ready_home.run("budget", "check").stderr.split())
    ready_home.add("openai", "sk-proj-one")
    assert ready_home.run("exec", "--", "true").returncode == 0
    assert "1 exec run was not metered: what it spent is not in the sums" in ready_home.run("budget", "check").stderr
    ready_home.run("exec", "--", "true")
    assert "2 exec runs were not metered: what they spent" in ready_home.run("budget", "check").stderr
