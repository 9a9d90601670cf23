"""The commands over real processes: ledger, log, audit."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Aikeys, make_aikeys

LINE = {"at": "2026-09-01T10:00:00Z", "provider": "openai", "model": "gpt-5", "cost_usd": "0.25", "input_tokens": 10}


def spend(home: Aikeys, *rows: dict[str, Any], name: str = "in.jsonl") -> subprocess.CompletedProcess[str]:
    path = home.folder / name
    path.write_text("".join(json.dumps(LINE | row) + "\n" for row in rows))
    done = home.run("ledger", "import", str(path))
    assert done.returncode == 0, done.stderr
    return done


def said(home: Aikeys, *words: str, **more: Any) -> dict[str, Any]:
    done = home.run(*words, "--json", **more)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def edit(home: Aikeys, script: str) -> None:
    with closing(sqlite3.connect(home.home / "ledger.db")) as connection:
        connection.executescript(script)


@pytest.fixture
def spent_home(ready_home: Aikeys) -> Aikeys:
    spend(
        ready_home,
        {"id": "1", "team": "support", "user": "ana"},
        {"id": "2", "cost_source": "estimated", "at": "2026-09-02T10:00:00Z"},
    )
    return ready_home


def test_verify_says_what_it_knows_and_no_more(spent_home: Aikeys) -> None:
    done = spent_home.run("ledger", "verify")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "all 5 entries are unchanged"
    assert lines[1].startswith("signed up to entry 2, at 20")
    assert lines[1].endswith("; 3 are not signed yet")
    assert lines[2] == "nothing is missing up to entry 1, which is on record elsewhere"
    found = said(spent_home, "ledger", "verify")
    assert (found["schema"], found["valid_to"], found["signed_to"], found["unsigned"]) == (
        "aikeys.ledger-verify/1",
        5,
        2,
        3,
    )


def test_another_machine_needs_only_the_public_key(spent_home: Aikeys, tmp_path: Path) -> None:
    head = said(spent_home, "ledger", "head")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir(mode=0o700)
    other = make_aikeys(elsewhere)
    (elsewhere / "home").mkdir(mode=0o700)
    spent_home.run("ledger", "head")
    with closing(sqlite3.connect(spent_home.home / "ledger.db")) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    (elsewhere / "home" / "ledger.db").write_bytes((spent_home.home / "ledger.db").read_bytes())
    (elsewhere / "home" / "ledger.db").chmod(0o600)
    nobody = other.run("ledger", "verify")
    assert nobody.returncode == 0
    assert "5 are not signed: there is no public key to check signatures with" in nobody.stdout
    assert "whether entries were cut off at the end is not known" in nobody.stdout
    (elsewhere / "key.txt").write_text(head["public_key"] + "\n")
    for given in (head["public_key"], str(elsewhere / "key.txt")):
        found = said(other, "ledger", "verify", "--public-key", given)
        assert (found["signed_to"], found["public_key"]) == (2, head["public_key"])
    assert said(other, "ledger", "verify", "--public-key", "00" * 32)["signed_to"] == 0
    assert other.run("ledger", "verify", "--public-key", "zz").returncode == 2
    assert said(other, "ledger", "verify", "--expect", head["receipt"])["signed_to"] == 2


def test_a_ledger_cut_short_is_caught_by_a_receipt_or_by_the_vault(spent_home: Aikeys) -> None:
    receipt = spent_home.run("ledger", "head").stdout.strip()
    spent_home.add("openai", "sk-x-0123456789abcdef01234567", "--provider", "openai")
    edit(
        spent_home,
        "DELETE FROM entry WHERE id > 4; DELETE FROM call WHERE id > 4; DELETE FROM checkpoint WHERE number > 4;"
        "DELETE FROM anchor; INSERT INTO anchor SELECT vault_id, epoch, manifest FROM entry WHERE id = 2;",
    )
    by_vault = spent_home.run("ledger", "verify")
    assert by_vault.returncode == 13
    assert "ends at entry 4, the receipt has seen 6" in by_vault.stderr
    (spent_home.home / "vault.db").rename(spent_home.folder / "vault.db")
    assert spent_home.run("ledger", "verify").returncode == 0
    by_receipt = spent_home.run("ledger", "verify", "--expect", receipt)
    assert by_receipt.returncode == 13
    assert "ends at entry 4, the receipt has seen 5" in by_receipt.stderr


@pytest.mark.parametrize(
    ("script", "place"),
    [
        ("UPDATE call SET cost_pusd = 1 WHERE id = 3", "entry 3 "),
        ("UPDATE word SET text = 'sales' WHERE text = 'support'", "entry 3 "),
        ("UPDATE rollup_day SET output = output + 1 WHERE day = 20697", "2026-09-01 (rollup_day)"),
        ("CREATE TRIGGER t AFTER INSERT ON call BEGIN SELECT 1; END", "t is not as"),
    ],
)
def test_what_was_edited_ends_with_13_and_the_place(spent_home: Aikeys, script: str, place: str) -> None:
    edit(spent_home, script)
    done = spent_home.run("ledger", "verify")
    assert (done.returncode, done.stdout) == (13, "")
    assert place in done.stderr


def test_a_limit_raised_by_hand_is_found(spent_home: Aikeys) -> None:
    if spent_home.run("budget", "--help").returncode != 0:
        pytest.skip("no budget command yet")
    done = spent_home.run("budget", "set", "team:support", "5")
    assert done.returncode == 0, done.stderr
    assert spent_home.run("ledger", "verify").returncode == 0
    edit(spent_home, "UPDATE budget SET limit_pusd = '500000000000000'")
    done = spent_home.run("ledger", "verify")
    assert done.returncode == 13
    assert "team:support" in done.stderr


def test_a_foreign_ledger_beside_the_vault_is_named(spent_home: Aikeys, tmp_path: Path) -> None:
    folder = tmp_path / "other"
    folder.mkdir()
    other = make_aikeys(folder)
    assert other.run("init", "--key-file", str(folder / "key")).returncode == 0
    done = spent_home.run("ledger", "verify", env={"AIKEYS_LEDGER": str(folder / "home")})
    assert done.returncode == 13
    assert "belongs to another vault" in done.stderr


def test_export_and_import_make_the_same_totals(spent_home: Aikeys, tmp_path: Path) -> None:
    out = spent_home.folder / "out.jsonl"
    assert spent_home.run("ledger", "export", "-o", str(out)).returncode == 0
    assert out.stat().st_mode & 0o777 == 0o600
    assert spent_home.run("ledger", "export").stdout == out.read_text()
    folder = tmp_path / "other"
    folder.mkdir()
    other = make_aikeys(folder)
    assert other.run("init", "--key-file", str(folder / "key")).returncode == 0
    first = said(other, "ledger", "import", str(out))
    assert (first["imported"], first["known"]) == (2, 0)
    again = other.run("ledger", "import", "-", input=out.read_text())
    assert "imported 0 calls; 2 were here already" in again.stderr
    assert [row["cost_usd"] for row in said(other, "log")["calls"]] == ["0.25", "0.25"]
    assert other.run("ledger", "verify").returncode == 0


def test_export_as_csv_computes_nothing(ready_home: Aikeys) -> None:
    spend(ready_home, {"id": "=1+1", "team": "@sum", "cost_usd": "0.5"})
    rows = ready_home.run("ledger", "export", "--format", "csv").stdout.splitlines()
    assert rows[0].startswith("kind,id,number,at,")
    assert ",'=1+1," not in rows[0]
    assert any(row.startswith("call,'=1+1,3,") and ",'@sum," in row and ",0.50," in row for row in rows)


def test_since_cuts_an_export_and_the_future_is_refused(spent_home: Aikeys) -> None:
    done = spent_home.run("ledger", "export", "--since", "2026-09-02")
    calls = [json.loads(line) for line in done.stdout.splitlines() if '"call"' in line]
    assert [row["id"] for row in calls] == ["2"]
    for wrong in ("2199-01-01", "someday", "2026-13-01", "0d"):
        done = spent_home.run("ledger", "export", "--since", wrong)
        assert done.returncode == 2, wrong
    assert spent_home.run("ledger", "export", "--format", "xml").returncode == 2
    assert spent_home.run("ledger", "export", "-o", "/nowhere/x").returncode == 1


def test_a_bad_line_is_named_and_nothing_is_imported(ready_home: Aikeys) -> None:
    rows = [json.dumps(LINE | {"id": str(number)}) for number in range(5500)]
    rows[4999] = rows[4999][:-9]
    done = ready_home.run("ledger", "import", "-", input="\n".join(rows))
    assert done.returncode == 2
    assert "line 5000: it is not JSON" in done.stderr
    assert "nothing was imported" in done.stderr
    assert said(ready_home, "log")["calls"] == []
    endless = ready_home.run("ledger", "import", "-", input=json.dumps(LINE | {"id": "x" * (3 << 20)}))
    assert "line 1: it is longer than 1 MiB" in endless.stderr
    assert ready_home.run("ledger", "import", "nowhere.jsonl").returncode == 10
    assert ready_home.run("ledger", "import", str(ready_home.folder)).returncode == 2
    assert ready_home.run("ledger", "import").returncode == 2


def test_without_a_ledger_everything_says_so(bare_home: Aikeys) -> None:
    for words in (("ledger", "verify"), ("ledger", "head"), ("ledger", "export"), ("ledger", "resolve"), ("log",), ("audit",),
                  ("ledger", "erase", "--user", "x"), ("ledger", "archive", "--before", "2026-01-01")):  # fmt: skip
        done = bare_home.run(*words)
        assert done.returncode == 10, words
        assert "there is no ledger" in done.stderr


def test_resolve_corrects_once_and_shows_it(spent_home: Aikeys) -> None:
    found = said(spent_home, "ledger", "resolve", "4", "--cost", "0.3")
    assert found["correction"] == {"entry": 7, "corrects": 4, "before_usd": "0.25", "cost_usd": "0.30"}
    assert spent_home.run("ledger", "resolve", "4", "--cost", "0.3").returncode == 2
    assert spent_home.run("ledger", "resolve", "3", "--cost", "0.3").returncode == 2
    assert spent_home.run("ledger", "resolve", "99", "--cost", "0.3").returncode == 10
    assert spent_home.run("ledger", "resolve", "4").returncode == 2
    assert spent_home.run("ledger", "resolve", "4", "--cost", "-1").returncode == 2
    one = said(spent_home, "log", "4")["call"]
    assert (one["cost_usd"], one["cost_now_usd"], one["corrected_by"]) == ("0.25", "0.30", [6, 7])
    assert said(spent_home, "ledger", "resolve")["recovered"] == []
    assert spent_home.run("ledger", "verify").returncode == 0


def test_erase_asks_and_takes_the_name_away(spent_home: Aikeys) -> None:
    assert spent_home.run("ledger", "erase", "--user", "ana").returncode == 3
    assert spent_home.run("ledger", "erase", "--user", "nobody-here", "--yes").returncode == 10
    spent_home.run("budget", "set", "user:ana", "5")
    done = spent_home.run("ledger", "erase", "--user", "ana", "--yes")
    assert (done.returncode, "the budget of that user went, too (month)" in done.stderr) == (0, True)
    assert said(spent_home, "budget", "list")["budgets"] == []
    assert "ana" not in spent_home.run("ledger", "export").stdout
    assert "ana" not in spent_home.run("audit").stdout
    assert spent_home.run("ledger", "verify").returncode == 0


def test_a_ledger_that_was_lost_is_replaced_on_purpose_only(spent_home: Aikeys) -> None:
    assert spent_home.run("ledger", "import", "--new-ledger", "--yes").returncode == 2
    spent_home.add("openai", "sk-x-0123456789abcdef01234567", "--provider", "openai")
    old = said(spent_home, "ledger", "head")["ledger_id"]
    for suffix in ("", "-wal", "-shm"):
        (spent_home.home / f"ledger.db{suffix}").unlink(missing_ok=True)
    assert spent_home.run("list").returncode == 13
    assert spent_home.run("ledger", "import", "--new-ledger").returncode == 3
    done = spent_home.run("ledger", "import", "--new-ledger", "--yes")
    assert done.returncode == 0, done.stderr
    assert "openai" in spent_home.run("list").stdout
    audit = said(spent_home, "audit")["entries"]
    assert [(row["act"], row["phase"]) for row in audit] == [("new-ledger", "intent"), ("new-ledger", "outcome")]
    assert audit[0]["detail"] == f"instead_of={old}"
    assert said(spent_home, "ledger", "verify")["signed_to"] == 2


def test_a_foreign_ledger_is_taken_on_purpose_only(spent_home: Aikeys, tmp_path: Path) -> None:
    folder = tmp_path / "other"
    folder.mkdir()
    other = make_aikeys(folder)
    assert other.run("init", "--key-file", str(folder / "key")).returncode == 0
    environment = {"AIKEYS_LEDGER": str(folder / "home")}
    assert spent_home.run("list", env=environment).returncode == 13
    assert spent_home.run("ledger", "import", "--new-ledger", "--yes", env=environment).returncode == 0
    assert spent_home.run("list", env=environment).returncode == 0
    assert spent_home.run("ledger", "verify", env=environment).returncode == 0
    assert other.run("list").returncode == 0


def test_log_fits_and_finds(spent_home: Aikeys) -> None:
    table = spent_home.run("log", "-n", "1").stdout.splitlines()
    assert len(table) == 2
    assert table[1].split() == ["4", "2026-09-02T10:00:00Z", "openai/gpt-5", "10", "0", "0.25", "estimated", "ok"]
    one = spent_home.run("log", "3").stdout
    assert "team" in one
    assert "support" in one
    assert spent_home.run("log", "1").returncode == 10
    assert spent_home.run("log", "3", "--follow").returncode == 2


def test_follow_prints_what_comes_and_ends_on_ctrl_c(spent_home: Aikeys) -> None:
    process = subprocess.Popen(
        spent_home.argv("log", "--follow", "--json", "-n", "1"), env=spent_home.env(), stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    assert process.stdout is not None
    try:
        assert json.loads(process.stdout.readline())["number"] == 4
        spend(spent_home, {"id": "3"}, {"id": "4"}, name="more.jsonl")
        assert [json.loads(process.stdout.readline())["number"] for _ in range(2)] == [6, 7]
        before = Path(f"/proc/{process.pid}/stat").read_text().split()[13:15]
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=20)
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate()
    assert process.returncode == 130
    assert (out, err) == ("", "")
    assert sum(map(int, before)) / os.sysconf("SC_CLK_TCK") < 5


@pytest.mark.parametrize(
    ("words", "acts"),
    [
        (("--act", "init"), ["init", "init"]),
        (("--act", "nothing"), []),
        (("--who", "nobody-here"), []),
        (("--since", "1h"), ["init", "init", "ledger import"]),
        (("-n", "1"), ["ledger import"]),
    ],
)
def test_audit_filters(spent_home: Aikeys, words: tuple[str, ...], acts: list[str]) -> None:
    rows = said(spent_home, "audit", *words)["entries"]
    assert [row["act"] for row in rows] == acts
    assert all(row["from"] == "local" for row in rows)


def test_audit_says_who_and_whether_it_was_granted(spent_home: Aikeys) -> None:
    rows = said(spent_home, "audit")["entries"]
    assert [row["granted"] for row in rows] == [None, True, True]
    assert said(spent_home, "audit", "--who", rows[0]["actor"])["entries"] == rows
    assert spent_home.run("audit", "--since", "2199-01-01").returncode == 2
