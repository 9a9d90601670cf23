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
    document = gpt_5(bare_home)
    assert document["source"] == "updated"
    rows = document["prices"]
    assert isinstance(rows, list)
    assert rows[1]["tiers"] == [{"above_input_tokens": 100, "usd": "9.50"}]
    status = json.loads(bare_home.run("prices", "status", "--json").stdout)
    assert status["schema"] == "aikeys.prices-status/1"
    assert [row["source"] for row in status["sources"]] == ["updated", "bundled"]


def test_an_address_of_this_machine_may_be_plain_http(bare_home: Aikeys, address: str) -> None:
    assert bare_home.run("prices", "update", "--from", f"{address}/good").returncode == 0
    assert gpt_5(bare_home)["source"] == "updated"


@pytest.mark.parametrize(("page", "status"), [("bad", 14), ("large", 14), ("none", 31), ("moved", 31)])
def test_a_bad_download_changes_nothing(bare_home: Aikeys, good: Path, address: str, page: str, status: int) -> None:
    bare_home.run("prices", "update", "--from", str(good))
    before = (bare_home.home / snapshot.FILE).read_bytes()
    done = bare_home.run("prices", "update", "--from", f"{address}/{page}")
    assert (done.returncode, done.stdout) == (status, "")
    assert (bare_home.home / snapshot.FILE).read_bytes() == before


def test_a_damaged_file_changes_nothing(bare_home: Aikeys, good: Path) -> None:
    good.write_bytes(GOOD.replace(b'"input":7', b'"input":6'))
    done = bare_home.run("prices", "update", "--from", str(good))
    assert done.returncode == 13
    assert not (bare_home.home / snapshot.FILE).exists()


def test_nobody_there_is_a_network_failure(bare_home: Aikeys) -> None:
    assert bare_home.run("prices", "update", "--from", "http://127.0.0.1:9/x").returncode == 31


@pytest.mark.parametrize(
    ("words", "status"),
    [
        (("update",), 2),
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
