"""`aikeys report` as it is typed. Every kind and format, word for word: AIKEYS_UPDATE_GOLDEN=1 writes the files."""

from __future__ import annotations

import json
import os
import pty
import struct
import subprocess
import sys
from collections.abc import Callable
from fcntl import ioctl
from pathlib import Path
from termios import TIOCSWINSZ

import pytest

from aikeys import clock
from aikeys.cli import app, terminal
from aikeys.cli.render.grid import text_width
from tests.conftest import Aikeys
from tests.reports.conftest import NOW_US, Make
from tests.reports.test_totals import exact

GOLDEN = Path(__file__).parents[1] / "golden"
OCT = ("--month", "2026-10")
REPORTS: dict[str, tuple[str, ...]] = {
    "report-cost.txt": OCT,
    "report-cost.json": (*OCT, "--json"),
    "report-cost.csv": (*OCT, "--format", "csv"),
    "report-cost.md": (*OCT, "--format", "markdown"),
    "report-cost.prom": (*OCT, "--format", "openmetrics"),
    "report-focus.csv": (*OCT, "--format", "focus"),
    "report-usage.txt": ("usage", *OCT, "--by", "week,provider"),
    "report-usage.json": ("usage", *OCT, "--by", "provider", "--json"),
    "report-usage.csv": ("usage", *OCT, "--by", "day,user", "--format", "csv"),
    "report-usage.md": ("usage", *OCT, "--by", "month", "--format", "markdown"),
    "report-latency.txt": ("latency", *OCT),
    "report-latency.json": ("latency", *OCT, "--by", "provider", "--json"),
    "report-latency.csv": ("latency", *OCT, "--by", "week,model", "--format", "csv"),
    "report-latency.md": ("latency", *OCT, "--by", "team", "--format", "markdown"),
    "report-anomalies.txt": ("anomalies", *OCT),
    "report-anomalies.json": ("anomalies", *OCT, "--json"),
    "report-anomalies.csv": ("anomalies", *OCT, "--format", "csv"),
    "report-anomalies.md": ("anomalies", *OCT, "--format", "markdown"),
    "report-by-token-and-tag.txt": (*OCT, "--by", "token,tag:client"),
    "report-by-hour.txt": ("--since", "2026-10-25", "--until", "2026-10-25", "--by", "hour,model"),
    "report-where.txt": (*OCT, "--where", "team=support", "--where", "team=", "--by", "model"),
    "report-compare.txt": (*OCT, "--compare", "previous", "--top", "2"),
    "report-compare.json": (*OCT, "--compare", "previous", "--top", "2", "--json"),
    "report-this-month.txt": (),
    "report-this-month.json": ("--json",),
    "report-empty.txt": ("--month", "2026-08"),
    "report-empty.json": ("--month", "2026-08", "--json"),
    "report-empty.csv": ("--month", "2026-08", "--format", "csv"),
    "report-zone.txt": (*OCT, "--tz", "America/New_York", "--by", "day"),
}
Report = Callable[..., str]


def compare(name: str, actual: str) -> None:
    golden = GOLDEN / name
    seen = golden.with_name(name + ".actual")
    if os.environ.get("AIKEYS_UPDATE_GOLDEN") == "1":
        golden.write_text(actual, encoding="utf-8")
    if golden.exists() and golden.read_text(encoding="utf-8") == actual:
        seen.unlink(missing_ok=True)
        return
    seen.write_text(actual, encoding="utf-8")
    pytest.fail(f"differs: diff {golden} {seen}")


@pytest.fixture
def report(october_home: Aikeys, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Report:
    """Run `aikeys report` in this process on 5 November 2026."""
    monkeypatch.setattr(terminal, "options", terminal.GlobalOptions())
    monkeypatch.setattr(clock, "now_us", lambda: NOW_US)
    monkeypatch.setenv("AIKEYS_HOME", str(october_home.home))
    monkeypatch.delenv("AIKEYS_LEDGER", raising=False)

    def run(*arguments: str, status: int = 0) -> str:
        assert app.main(["report", *arguments]) == status
        return capsys.readouterr().out

    return run


@pytest.mark.parametrize("name", REPORTS)
def test_a_report_reads_as_agreed(report: Report, name: str) -> None:
    compare(name, report(*REPORTS[name]))


def test_a_second_currency_stands_beside_usd(report: Report, october_home: Aikeys) -> None:
    (october_home.home / "config.toml").write_text('[currency]\ncode = "CNY"\nusd_rate = "7.1"\n')
    compare("report-currency.txt", report(*OCT))
    compare("report-currency.csv", report(*OCT, "--format", "csv"))
    found = json.loads(report(*OCT, "--json"))
    assert found["currency"] == {"code": "CNY", "usd_rate": "7.10"}
    for row in (*found["rows"], found["total"]):
        assert exact(row["cost_usd"]) * 71 == int(row["cost_cny"].replace(".", "").ljust(1)) * 10 ** (
            13 - len(row["cost_cny"].partition(".")[2])
        )


@pytest.mark.parametrize(
    "config",
    ['code = "CNY"', 'usd_rate = "7.1"', 'code = "CNY"\nusd_rate = 7.1', 'code = "cny"\nusd_rate = "7.1"',
     'code = "USD"\nusd_rate = "1"', 'code = "CNY"\nusd_rate = "0.00"', 'code = "CNY"\nusd_rate = "-7"',
     'code = "CNY"\nusd_rate = "NaN"', 'code = "CNY"\nusd_rate = "7.1"\nname = "x"'],
)  # fmt: skip
def test_a_currency_that_is_none_is_bad_configuration(october_home: Aikeys, config: str) -> None:
    (october_home.home / "config.toml").write_text(f"[currency]\n{config}\n")
    done = october_home.run("report", *OCT)
    assert (done.returncode, done.stdout) == (14, "")
    assert "currency" in done.stderr


def test_the_json_total_is_the_sum_of_its_rows_and_of_its_coverage(report: Report) -> None:
    for by in ("team,model", "day", "token", "tag:client", "user,hour"):
        found = json.loads(report(*OCT, "--by", by, "--json"))
        assert found["schema"] == "aikeys.report/1"
        for field in ("requests", "input_tokens", "cached_input_tokens", "output_tokens", "reasoning_tokens"):
            assert found["total"][field] == sum(row[field] for row in found["rows"])
        assert exact(found["total"]["cost_usd"]) == sum(exact(row["cost_usd"]) for row in found["rows"])
        sources = [value for value in found["coverage"].values() if isinstance(value, dict)]
        assert exact(found["total"]["cost_usd"]) == sum(exact(source["cost_usd"]) for source in sources)
        assert all(set(by.split(",")) <= set(row) for row in found["rows"])


REFUSED = {
    ("--since", "2999-01-01"): "lies in the future",
    ("--since", "2026-10-10", "--until", "2026-10-01"): "before it begins",
    ("--month", "2026-13"): "is not a month",
    ("--month", "2026-10", "--since", "30d"): "--month says the range alone",
    ("--by", "colour"): "--by does not know 'colour'",
    ("--where", "team"): "has no =",
    ("--where", "day=2026-10-01"): "--where does not know 'day'",
    ("--tz", "Nowhere"): "is not a time zone",
    ("--tz", "../../etc/passwd"): "is not a time zone",
    ("--compare", "next"): "--compare knows only the time before",
    ("--compare", "previous", "--by", "day"): "--compare cannot stand beside a time",
    ("--top", "0"): "--top",
    ("--format", "xml"): "--format 'xml' is not known",
    ("--json", "--format", "csv"): "contradict each other",
    ("costs",): "'costs' is not a report",
    ("latency", "--format", "focus"): "is for cost and usage",
    ("latency", "--top", "3"): "--top has no meaning for latency",
    ("anomalies", "--by", "team"): "--by has no meaning for anomalies",
    ("--format", "focus", "--by", "team"): "always has the same columns",
    ("--format", "openmetrics", "--top", "3"): "always has the same columns",
}


@pytest.mark.parametrize("arguments", REFUSED, ids=" ".join)
def test_bad_input_is_one_clear_sentence_and_status_2(october_home: Aikeys, arguments: tuple[str, ...]) -> None:
    done = october_home.run("report", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert REFUSED[arguments] in done.stderr.splitlines()[0]
    assert done.stderr.splitlines()[1].startswith("aikeys: hint: ")


def test_a_missing_ledger_is_23_and_never_an_empty_report(bare_home: Aikeys) -> None:
    for form in ("table", "json", "csv", "openmetrics", "focus"):
        done = bare_home.run("report", "--format", form)
        assert (done.returncode, done.stdout) == (23, "")
        assert "there is no ledger at" in done.stderr
        assert "hint" in done.stderr


def test_the_ledger_may_lie_elsewhere(october_home: Aikeys, tmp_path: Path) -> None:
    here = october_home.run("report", *OCT).stdout
    assert october_home.run("report", "--home", str(october_home.home), *OCT, env={"AIKEYS_HOME": ""}).stdout == here
    october_home.home.rename(tmp_path / "elsewhere")
    assert october_home.run("report", *OCT).returncode == 23
    assert october_home.run("report", *OCT, env={"AIKEYS_LEDGER": str(tmp_path / "elsewhere")}).stdout == here


def test_an_empty_ledger_is_an_empty_report_with_its_coverage(ready_home: Aikeys) -> None:
    done = ready_home.run("report")
    assert done.returncode == 0
    assert "nothing to show" in done.stdout
    assert "no requests in this range" in done.stdout


def test_a_damaged_ledger_is_13(october_home: Aikeys) -> None:
    (october_home.home / "ledger.db").write_bytes(b"no database at all, but long enough to be one" * 200)
    for leftover in ("ledger.db-wal", "ledger.db-shm"):
        (october_home.home / leftover).unlink(missing_ok=True)
    assert october_home.run("report", *OCT).returncode == 13


def test_csv_cannot_carry_a_formula(bare_home: Aikeys, make_ledger: Make) -> None:
    from aikeys.providers.usage import Usage
    from tests.reports.conftest import OPENAI, call

    names = ["=HYPERLINK(1)", "+1", "-2+3", "@SUM", "a,b", 'say "x"']
    contexts = [OPENAI._replace(labels=OPENAI.labels._replace(team=name)) for name in names]
    make_ledger([call("2026-10-05T10:00", who, Usage(1), -5) for who in contexts], bare_home.home).close()
    done = bare_home.run("report", *OCT, "--by", "team", "--format", "csv")
    cells = [line.rpartition(",1,0,1,0,0,0,0,")[0] for line in done.stdout.splitlines()[1:]]
    assert cells == ["'+1", "'-2+3", "'=HYPERLINK(1)", "'@SUM", '"a,b"', '"say ""x"""']
    assert all(line.endswith(",-0.000000000005") for line in done.stdout.splitlines()[1:])
    tagged = bare_home.run("report", *OCT, "--format", "focus").stdout
    assert not [line for line in tagged.splitlines() if line.startswith(("=", "+", "@"))]


def screen(home: Aikeys, width: int, *arguments: str, **environment: str) -> str:
    """Run on a real terminal of that width and return what it shows."""
    ours, theirs = pty.openpty()
    ioctl(theirs, TIOCSWINSZ, struct.pack("HHHH", 40, width, 0, 0))
    env = {name: value for name, value in home.env(environment).items() if name != "COLUMNS"}
    process = subprocess.Popen(
        [sys.executable, "-m", "aikeys", "report", *arguments], cwd=home.folder, env={**env, "TERM": "xterm"},
        stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs,
    )  # fmt: skip
    os.close(theirs)
    seen = b""
    while True:
        try:
            chunk = os.read(ours, 65536)
        except OSError:
            break
        if not chunk:
            break
        seen += chunk
    os.close(ours)
    assert process.wait() == 0, seen
    return seen.decode().replace("\r\n", "\n")


@pytest.mark.parametrize("width", [60, 120])
def test_a_terminal_shows_what_fits_with_bars_and_lines_where_there_is_room(october_home: Aikeys, width: int) -> None:
    text = screen(october_home, width, *OCT)
    compare(f"report-terminal-{width}.txt", text)
    plain = text.replace("\x1b[1m", "").replace("\x1b[0m", "")
    assert max(map(text_width, plain.splitlines())) <= width
    assert ("█" in text) == (width == 120)


def test_no_color_keeps_the_bars_and_drops_the_escapes(october_home: Aikeys) -> None:
    assert "\x1b[1m" in screen(october_home, 120, *OCT)
    text = screen(october_home, 120, *OCT, NO_COLOR="1")
    assert "\x1b" not in text
    assert "█" in text


def test_a_terminal_that_is_not_utf_8_gets_no_block_characters(october_home: Aikeys) -> None:
    text = screen(october_home, 120, *OCT, PYTHONIOENCODING="ascii")
    assert "\\u25" not in text
    assert "anthropic/claude-sonnet-4-5" in text


def test_a_pipe_gets_no_bars(report: Report) -> None:
    text = report(*OCT)
    assert not {"█", "▁", "\x1b"} & set(text)


def test_neither_rich_nor_the_cryptography_is_imported(october_home: Aikeys) -> None:
    code = (
        "import sys; from aikeys.cli import app; app.main(['report', '--month', '2026-10']); "
        "print([name for name in ('rich', 'cryptography', 'aikeys.vault.opening', 'tomllib', 'decimal', 'json') "
        "if name in sys.modules])"
    )
    done = october_home.run_argv([sys.executable, "-c", code])
    assert done.stdout.splitlines()[-1] == "[]"
