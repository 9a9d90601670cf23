"""`aikeys prices` as a process: what it prints, and that a bad update changes nothing."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import ClassVar

import pytest

from aikeys.pricing import snapshot
from tests.conftest import Aikeys

ROW = {"id": "gpt-5", "rates": {"input": 7, "output": [8, 100, "9.5"]}}
LINE = json.dumps(
    {"schema": "aikeys.prices/1", "provider": "openai", "date": "2099-01-01", "models": [ROW]}, separators=(",", ":")
)
GOOD = snapshot.packed("2099-01-01", [LINE])


class Served(BaseHTTPRequestHandler):
    pages: ClassVar[dict[str, bytes]] = {
        "/good": GOOD,
        "/bad": b"<html>",
        "/large": b"x" * (snapshot.LARGEST_BYTES + 2),
    }

    def do_GET(self) -> None:
        page = self.pages.get(self.path)
        self.send_response(200 if page else 302 if self.path == "/moved" else 404)
        if self.path == "/moved":
            self.send_header("Location", "/good")
        self.end_headers()
        if page:
            self.wfile.write(page)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def address() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), Served)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def good(tmp_path: Path) -> Path:
    path = tmp_path / "good.jsonl"
    path.write_bytes(GOOD)
    return path


def gpt_5(aikeys: Aikeys) -> dict[str, object]:
    done = aikeys.run("prices", "show", "openai/gpt-5", "--json")
    assert done.returncode == 0, done.stderr
    document: dict[str, object] = json.loads(done.stdout)
    return document


def test_a_price_is_shown_with_its_source(bare_home: Aikeys) -> None:
    document = gpt_5(bare_home)
    assert document["schema"] == "aikeys.price/1"
    assert (document["state"], document["match"], document["source"]) == ("priced", "exact", "bundled")
    rows = document["prices"]
    assert isinstance(rows, list)
    assert rows[0] == {
        "unit": "input",
        "per": 1000000,
        "usd": "1.25",
        "tiers": [],
        "from": None,
        "hours_utc": None,
        "service": None,
    }


def test_an_update_is_kept_and_used(bare_home: Aikeys, good: Path) -> None:
    done = bare_home.run("prices", "update", "--from", str(good))
    assert (done.returncode, done.stdout) == (0, "")
    assert "1 models of 1 providers" in done.stderr
    assert "not taken" in done.stderr  # cheaper output, and more that is gone
    document = gpt_5(bare_home)
    assert document["source"] == "fetched"
    rows = document["prices"]
    assert isinstance(rows, list)
    assert {row["unit"]: row["usd"] for row in rows if row["service"] is None}["input"] == "7.00"
    assert {row["unit"]: row["usd"] for row in rows if row["service"] is None}["output"] == "10.00"
    status = json.loads(bare_home.run("prices", "status", "--json").stdout)
    assert status["schema"] == "aikeys.prices-status/1"
    assert [row["source"] for row in status["sources"]] == ["fetched", "bundled"]


def test_what_falls_is_taken_by_whoever_may_lower_limits(ready_home: Aikeys, good: Path) -> None:
    assert ready_home.run("prices", "update", "--from", str(good)).returncode == 0
    (ready_home.home / "config.toml").write_text('[price_tables]\nlitellm = "http://127.0.0.1:9/"\n', encoding="utf-8")
    done = ready_home.run("prices", "update", "--accept")
    assert (done.returncode, done.stdout) == (0, "")
    assert "output $10.00 → $8.00/$9.50" in done.stderr
    document = gpt_5(ready_home)
    assert document["source"] == "updated"
    assert not (ready_home.home / snapshot.FETCHED).exists()
    acts = json.loads(ready_home.run("audit", "--json").stdout)["entries"]
    (act,) = [each for each in acts if each["act"] == "prices accept"]
    assert act["detail"].startswith(f"source={good} sha256=")
    assert "falls=" in act["detail"]
    assert "openai/gpt-5: " in act["detail"]


@pytest.mark.parametrize(
    ("words", "more", "status"),
    [
        (("--scope", "usage:read"), ("--accept",), 20),
        (("--scope", "budget:write"), (), 20),
        (("--scope", "budget:write"), ("--accept", "--from", "prices.jsonl"), 20),
        (("--scope", "budget:write", "--team", "support"), ("--accept",), 20),
        (("--scope", "budget:write"), ("--accept",), 0),
    ],
)
def test_a_token_accepts_with_budget_write_and_fetches_nothing(
    ready_home: Aikeys, good: Path, words: tuple[str, ...], more: tuple[str, ...], status: int
) -> None:
    assert ready_home.run("prices", "update", "--from", str(good)).returncode == 0
    token = ready_home.run("token", "issue", *words).stdout.strip()
    before = (ready_home.home / snapshot.FETCHED).read_bytes()
    done = ready_home.run("prices", "update", *more, env={"AIKEYS_TOKEN": token})
    assert done.returncode == status, done.stderr
    if status:
        assert (ready_home.home / snapshot.FETCHED).read_bytes() == before
        assert not (ready_home.home / snapshot.FILE).exists()


def test_an_address_of_this_machine_may_be_plain_http(bare_home: Aikeys, address: str) -> None:
    assert bare_home.run("prices", "update", "--from", f"{address}/good").returncode == 0
    assert gpt_5(bare_home)["source"] == "fetched"


@pytest.mark.parametrize(("page", "status"), [("bad", 14), ("large", 14), ("none", 31), ("moved", 31)])
def test_a_bad_download_changes_nothing(bare_home: Aikeys, good: Path, address: str, page: str, status: int) -> None:
    bare_home.run("prices", "update", "--from", str(good))
    before = (bare_home.home / snapshot.FETCHED).read_bytes()
    done = bare_home.run("prices", "update", "--from", f"{address}/{page}")
    assert (done.returncode, done.stdout) == (status, "")
    assert (bare_home.home / snapshot.FETCHED).read_bytes() == before


def test_a_damaged_file_changes_nothing(bare_home: Aikeys, good: Path) -> None:
    good.write_bytes(GOOD.replace(b'"input":7', b'"input":6'))
    done = bare_home.run("prices", "update", "--from", str(good))
    assert done.returncode == 13
    assert not (bare_home.home / snapshot.FETCHED).exists()


def test_offline_the_prices_so_far_stay(bare_home: Aikeys, good: Path) -> None:
    bare_home.run("prices", "update", "--from", str(good))
    before = (bare_home.home / snapshot.FETCHED).read_bytes()
    tables = '[price_tables]\ngenai-prices = "http://127.0.0.1:9/a"\nlitellm = "http://127.0.0.1:9/b"\n'
    (bare_home.home / "config.toml").write_text(tables, encoding="utf-8")
    done = bare_home.run("prices", "update")
    assert (done.returncode, done.stdout) == (31, "")
    assert (bare_home.home / snapshot.FETCHED).read_bytes() == before


def test_nobody_there_is_a_network_failure(bare_home: Aikeys) -> None:
    assert bare_home.run("prices", "update", "--from", "http://127.0.0.1:9/x").returncode == 31


@pytest.mark.parametrize(
    ("words", "status"),
    [
        (("update", "--from", "http://example.com/prices"), 2),
        (("update", "--from", "ftp://example.com/prices"), 2),
        (("update", "--from", "no-such-file"), 10),
        (("show", "anthropic/claude-opus-9"), 10),
        (("show", "llama-9"), 10),
    ],
)
def test_what_cannot_be_done_is_said(bare_home: Aikeys, words: tuple[str, ...], status: int) -> None:
    done = bare_home.run("prices", *words)
    assert (done.returncode, done.stdout) == (status, "")
    assert "hint" in done.stderr


def test_a_wrong_price_of_the_user_stops_with_its_key(bare_home: Aikeys) -> None:
    bare_home.home.mkdir(mode=0o700, exist_ok=True)
    (bare_home.home / "config.toml").write_text('[prices."openai/gpt-5"]\ninput = nan\n', encoding="utf-8")
    done = bare_home.run("prices", "show", "openai/gpt-5")
    assert done.returncode == 14
    assert 'prices."openai/gpt-5".input' in done.stderr
