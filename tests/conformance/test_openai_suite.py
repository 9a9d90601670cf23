"""openai-python's own suite against a mock of OpenAI's published API: test by test the same through the gateway."""

from __future__ import annotations

import os
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, cast
from urllib.request import urlopen
from xml.etree import ElementTree as ET

import pytest

from tests.conformance.conftest import free_port, program, server
from tests.conftest import clean_environment
from tests.gateway.process import SECRET, House, gateway
from tests.gateway.steered import Steered

RESOURCES = ("chat", "responses", "completions", "embeddings", "models", "moderations")
_FORMATS = ("query-array", "form-array", "query-object", "form-object")
_READY_S = 60.0
Outcomes = dict[str, str]


class Mock(NamedTuple):
    """Where the mock is, as a key's base URL."""

    base_url: str


@pytest.fixture
def mock() -> Iterator[Mock]:
    steady, spec, port = program("AIKEYS_STEADY"), program("AIKEYS_OPENAI_SPEC"), free_port()
    formats = [f"--validator-{each}-format=brackets" for each in _FORMATS]
    with server([steady, "--host", "127.0.0.1", "-p", str(port), *formats, spec], "Ready to accept"):
        url = f"http://127.0.0.1:{port}"
        _wait_for(f"{url}/_x-steady/health")
        yield Mock(url)


def _wait_for(url: str) -> None:
    until_s = time.monotonic() + _READY_S
    while True:
        try:
            with urlopen(url, timeout=5):  # noqa: S310  loopback
                return
        except OSError:
            assert time.monotonic() < until_s, "the mock does not answer"


def outcomes(folder: Path, base_url: str, key: str) -> Outcomes:
    """Run the suite; return how every test ended."""
    suite, report = Path(program("AIKEYS_OPENAI_SUITE")), folder / "report.xml"
    where = suite / "tests" / "api_resources"
    files = [where / name if (where / name).is_dir() else where / f"test_{name}.py" for name in RESOURCES]
    files += [where / "test_responses.py"]
    folder.mkdir()
    environment = {**clean_environment(folder), "TEST_API_BASE_URL": base_url, "SUITE_KEY": key}
    environment["PYTHONPATH"] = os.fspath(Path(__file__).with_name("clients"))
    argv = [program("AIKEYS_SUITE_PYTHON"), "-m", "pytest", "-p", "suite_key", "-p", "no:cacheprovider"]
    argv += ["-o", "addopts=", "-o", "filterwarnings=default", "--tb=no", f"--junitxml={report}", *map(str, files)]
    done = subprocess.run(
        argv, env=environment, cwd=suite, capture_output=True, encoding="utf-8", timeout=900, check=False
    )
    assert done.returncode in (0, 1), done.stdout[-3000:] + done.stderr[-3000:]
    assert key not in done.stdout + done.stderr or key == SECRET
    return {_name(case): _outcome(case) for case in ET.parse(report).iter("testcase")}  # noqa: S314  our own


def _name(case: ET.Element) -> str:
    return f"{case.get('classname')}::{case.get('name')}"


def _outcome(case: ET.Element) -> str:
    return next((part.tag for part in case if part.tag in ("failure", "error", "skipped")), "passed")


def test_every_test_ends_as_it_does_directly(mock: Mock, tmp_path: Path) -> None:
    direct = outcomes(tmp_path / "direct", mock.base_url, SECRET)
    house = House(tmp_path, cast("Steered", mock))
    token = house.issue("chat:write", "chat:read", "embeddings:write", "native:all").text
    with gateway(house) as running:
        through = outcomes(tmp_path / "through", f"{running.url}/openai/v1", token)
    print("directly", Counter(direct.values()), "through the gateway", Counter(through.values()))
    assert {name: (ended, through.get(name)) for name, ended in direct.items() if through.get(name) != ended} == {}
    assert through.keys() == direct.keys()
    assert Counter(direct.values())["passed"] > 300
    house.verify()
