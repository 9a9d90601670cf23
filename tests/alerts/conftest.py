"""Fixtures of the alerts' tests; what they give is in servers.py."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from aikeys import clock
from aikeys.ledger.store import Ledger
from tests.alerts.servers import Authority, Book, Clock, Web, authority, web_server


@pytest.fixture
def ticking(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Stand in for the machine's clock."""
    made = Clock()
    monkeypatch.setattr(clock, "now_us", lambda: made.now_us)
    return made


@pytest.fixture
def book(tmp_path: Path, ticking: Clock) -> Iterator[Book]:
    ledger = Ledger(str(tmp_path / "home")).open_or_create(bytes(16), "UTC")
    yield Book(ledger, ticking)
    ledger.close()


@pytest.fixture
def web() -> Iterator[Web]:
    with web_server() as running:
        yield running


@pytest.fixture
def trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Authority:
    """Have a CA of one's own that this process trusts."""
    made = authority(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(made.file))
    return made
