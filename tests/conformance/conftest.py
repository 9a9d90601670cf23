"""Starts the servers, and compares what they saw with what the ledger holds."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest

from tests.conftest import ROOT, Aikeys

SHARED = Path(os.environ.get("AIKEYS_SHARED", ROOT.parent / "shared")) / "upstreams"
MODELS = {
    "openai": "openai/gpt-4.1",
    "anthropic": "anthropic/claude-sonnet-4-5",
    "gemini": "gemini/gemini-2.5-flash",
    "cohere": "cohere/command-a-03-2025",
}
Entry = dict[str, Any]


def program(variable: str) -> str:
    """Return the program that a variable names; skips where there is none."""
    found = os.environ.get(variable, "")
    if not found:
        pytest.skip(f"{variable} names no program: see tests/conformance/README.md")
    return found


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


@contextmanager
def server(argv: Sequence[str], ready: str, env: Mapping[str, str] | None = None) -> Iterator[None]:
    """Run a server from the line that says it is ready until the tests are done with it."""
    merged = {**os.environ, "PYTHONUNBUFFERED": "1", "NO_COLOR": "1", **(env or {})}
    with subprocess.Popen(argv, env=merged, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as running:
        assert running.stdout is not None
        said = []
        for line in running.stdout:
            said.append(line)
            if ready in line:
                break
        else:
            raise AssertionError("".join(said))
        threading.Thread(target=lambda: list(running.stdout or ()), daemon=True).start()
        try:
            yield
        finally:
            running.terminate()
            running.wait(10)


def ask(url: str, body: object = None, method: str = "", **headers: str) -> Any:
    """Ask a server about itself."""
    data = None if body is None else json.dumps(body).encode()
    with urlopen(Request(url, data, headers, method=method or None), timeout=10) as reply:  # noqa: S310  loopback
        return json.load(reply)


def entries(home: Aikeys) -> list[Entry]:
    """Return the calls that the ledger holds, oldest first."""
    found: list[Entry] = json.loads(home.run("log", "--json", "-n", "1000").stdout)["calls"]
    return found
