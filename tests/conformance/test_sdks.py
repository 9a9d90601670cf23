"""The SDKs of others through the gateway, with only base URL and key changed: they understand the same as directly."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple, cast
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

from aikeys.money import PUSD_PER_USD
from tests.conformance.conftest import free_port, program, server
from tests.conformance.front import Front, front
from tests.conftest import clean_environment
from tests.gateway.process import SECRET, Gateway, House, gateway
from tests.gateway.steered import Steered

CLIENTS = Path(__file__).with_name("clients")
HELLO = "Hello, this is the same answer every time."
TOOL = [["get_weather", {"city": "Oslo"}]]
PLACES = {"anthropic": "", "gemini": "", "cohere": "", "groq": "", "together": "/v1", "mistral": "/v1"}
"""What follows the provider's address in the base URL of each key, as in the catalogue."""
PYTHON = {
    "openai": ("/openai/v1", "/v1"),
    "openai_any_provider": ("/v1", ""),
    "anthropic": ("", ""),
    "anthropic_bearer": ("", ""),
    "google_genai": ("", ""),
    "groq": ("/groq", ""),
    "together": ("/together", ""),
    "mistral": ("/mistral", ""),
    "cohere": ("/cohere", ""),
    "langchain_openai": ("/openai/v1", "/v1"),
}
"""The path of the base URL at the gateway, and at the provider ("": the same client cannot ask it, or without path)."""
NODE = {
    "openai": ("/openai/v1", "/v1"),
    "anthropic": ("", ""),
    "genai": ("", ""),
    "ai_openai": ("/openai/v1", "/v1"),
    "ai_anthropic": ("/v1", "/v1"),
}
THE_SAME_DIRECTLY = "openai_any_provider"
"""Its names of models are ours: directly it is `openai` that is asked."""
TRANSLATED = {
    "whole": HELLO,
    "usage": [11, 7],
    "finish": "stop",
    "stream": HELLO,
    "stream_usage": [[11, 7]],
    "bare_stream": HELLO,
    "bare_stream_usage": [],
    "tool": TOOL,
    "tool_finish": "tool_calls",
    "tool_stream": TOOL,
    "tool_answered": "stop",
    "json": {"name": "Ada", "age": 36},
    "image": HELLO,
    "parsed": {"name": "Ada", "age": 36},
    "helper_tool": TOOL,
    "helper_usage": [21, 9],
    "helper_finish": "tool_calls",
}


class Stage(NamedTuple):
    """A provider, a gateway before it, and a token for it."""

    front: Front
    gateway: Gateway
    token: str
    is_limited: bool

    @property
    def house(self) -> House:
        return self.gateway.house

    def asked(self, route: str) -> int:
        """Return how often a route was asked, once the gateway has written down all that was asked so far."""
        mark = f"/healthz/{len(self.gateway.lines)}"
        with pytest.raises(HTTPError):
            urlopen(self.gateway.url + mark, timeout=10)  # noqa: S310  loopback
        self.gateway.wait_for(lambda: any(mark in line for line in self.gateway.lines))
        return len([line for line in self.gateway.lines if re.search(rf" POST {route} \d\d\d ", line)])


@pytest.fixture(scope="module", params=["without a budget", "under a budget"])
def stage(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    is_limited = request.param == "under a budget"
    port = free_port()
    argv = [program("AIKEYS_AIMOCK"), "-p", str(port), "-f", str(CLIENTS / "fixtures.json")]
    with server(argv, "listening", {"AIMOCK_API_KEYS": SECRET}), front(port) as provider:
        house = House(tmp_path_factory.mktemp("sdks"), cast("Steered", provider))
        for name, place in PLACES.items():
            house.add_key(name, SECRET, name, provider.url + place)
        budget_pusd = 50 * PUSD_PER_USD if is_limited else None
        token = house.issue("chat:write", "chat:read", "embeddings:write", budget_pusd=budget_pusd)
        with gateway(house) as running:
            yield Stage(provider, running, token.text, is_limited)


def call(argv: list[str], folder: Path, more: Mapping[str, str] | None = None) -> Any:
    """Run a client without anything of ours in its environment; return what it printed."""
    folder.mkdir(exist_ok=True)
    environment = {**clean_environment(folder), **(more or {})}
    environment.pop("PYTHONPATH", None)
    done = subprocess.run(
        argv, env=environment, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, encoding="utf-8",
        timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout)


def with_python(tmp_path: Path, name: str, url: str, key: str) -> Any:
    return call([program("AIKEYS_SDK_PYTHON"), str(CLIENTS / "sdk_calls.py"), name, url, key], tmp_path / "user")


def with_node(tmp_path: Path, name: str, url: str, key: str) -> Any:
    modules = program("AIKEYS_NODE_MODULES")
    node = shutil.which("node")
    if node is None:
        pytest.skip("there is no node")
    argv = [node, str(CLIENTS / "sdk_calls.mjs"), name, url, key]
    return call(argv, tmp_path / "user", {"AIKEYS_NODE_MODULES": modules})


def check_entries(stage: Stage, first: int, arrived: int, sources: frozenset[str] = frozenset({"computed"})) -> None:
    """Every request that the provider saw has an entry, whole, with the usage that the provider reported."""
    free = ("/count_tokens", "/models")
    spent = [each for each in stage.front.arrived[arrived:] if not each.path.partition("?")[0].endswith(free)]
    made = stage.house.entries()[first:]
    assert [each.status for each in made] == ["ok"] * len(spent)
    assert {each.source for each in made} == sources
    assert stage.house.reserved == 0


def check_credentials(stage: Stage, arrived: int) -> None:
    """Only the vault's secret went up, and nothing else of who asked."""
    for each in stage.front.arrived[arrived:]:
        told = " ".join(each.headers.values()) + each.path
        assert SECRET in told
        assert stage.token not in told
        assert not {"openai-organization", "cookie", "x-stainless-os"} & each.headers.keys()


@pytest.mark.parametrize("name", PYTHON)
def test_a_python_sdk_understands_the_same_as_directly(stage: Stage, tmp_path: Path, name: str) -> None:
    there, here = PYTHON[name]
    direct_name, here = ("openai", "/v1") if name == THE_SAME_DIRECTLY else (name, here)
    direct = with_python(tmp_path, direct_name, stage.front.url + here, SECRET)
    first, arrived = len(stage.house.entries()), len(stage.front.arrived)
    through = with_python(tmp_path, name, stage.gateway.url + there, stage.token)
    assert direct["whole"] == HELLO
    assert through == direct
    # Mistral reports the usage of every stream unasked, so it is not asked for; aimock wants to be asked
    unknown = "worst_case" if stage.is_limited else "estimated"
    more = {unknown} if name == "mistral" else set()
    check_entries(stage, first, arrived, frozenset({"computed"} | more))
    check_credentials(stage, arrived)


@pytest.mark.parametrize("name", NODE)
def test_a_node_sdk_understands_the_same_as_directly(stage: Stage, tmp_path: Path, name: str) -> None:
    there, here = NODE[name]
    direct = with_node(tmp_path, name, stage.front.url + here, SECRET)
    first, arrived = len(stage.house.entries()), len(stage.front.arrived)
    through = with_node(tmp_path, name, stage.gateway.url + there, stage.token)
    assert direct["whole"] == HELLO
    assert through == direct
    check_entries(stage, first, arrived)
    check_credentials(stage, arrived)


def test_openais_sdk_understands_anthropic_gemini_and_cohere(stage: Stage, tmp_path: Path) -> None:
    first, arrived = len(stage.house.entries()), len(stage.front.arrived)
    found = with_python(tmp_path, "translated", f"{stage.gateway.url}/v1", stage.token)
    assert found == {"anthropic": TRANSLATED, "gemini": TRANSLATED, "cohere": TRANSLATED}
    check_entries(stage, first, arrived)


def test_vercels_sdk_understands_anthropic_gemini_and_cohere(stage: Stage, tmp_path: Path) -> None:
    first, arrived = len(stage.house.entries()), len(stage.front.arrived)
    found = with_node(tmp_path, "ai_any_provider", f"{stage.gateway.url}/v1", stage.token)
    same = {"text": HELLO, "stream": HELLO, "tool": TOOL, "tool_stream": TOOL, "finish": ["tool-calls"] * 2}
    assert found == {"anthropic": same, "gemini": same, "cohere": same}
    check_entries(stage, first, arrived)


REFUSED = {"python": with_python, "node": with_node}
ROUTES = {
    "openai": "/v1/chat/completions",
    "anthropic": "/v1/messages",
    "google": "/v1(?:beta)?/models/gemini-2.5-flash:generateContent",
}


@pytest.mark.parametrize("language", REFUSED)
def test_no_sdk_asks_again_when_the_budget_is_spent(stage: Stage, tmp_path: Path, language: str) -> None:
    broke = stage.house.issue("chat:write", budget_pusd=1)
    before, arrived = {route: stage.asked(route) for route in ROUTES.values()}, len(stage.front.arrived)
    found = REFUSED[language](tmp_path, "refused", stage.gateway.url, broke.text)
    assert {name: each[1] for name, each in found.items()} == dict.fromkeys(found, 402)
    for name, (_, _, said) in found.items():
        assert "budget" in said
        assert stage.asked(ROUTES[name]) == before[ROUTES[name]] + 1, name
    assert len(stage.front.arrived) == arrived


@pytest.mark.parametrize("language", REFUSED)
def test_an_sdk_says_how_a_token_is_renewed(stage: Stage, tmp_path: Path, language: str) -> None:
    ended = stage.house.issue("chat:write").text
    before = {route: stage.asked(route) for route in ROUTES.values()}
    for wrong in ("sk-of-somebody", ended[:-1] + ("0" if ended[-1] != "0" else "1")):
        found = REFUSED[language](tmp_path, "refused", stage.gateway.url, wrong)
        assert {name: each[1] for name, each in found.items()} == dict.fromkeys(found, 401)
        for _, _, said in found.values():
            assert "aikeys token issue" in said
    for name in found:
        assert stage.asked(ROUTES[name]) == before[ROUTES[name]] + 2, name


def test_claude_code_works(stage: Stage, tmp_path: Path) -> None:
    claude = Path(program("AIKEYS_NODE_MODULES"), ".bin", "claude")
    if not claude.exists():
        pytest.skip("claude is not installed there")
    more = {
        "ANTHROPIC_BASE_URL": stage.gateway.url,
        "ANTHROPIC_API_KEY": stage.token,
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        "DISABLE_AUTOUPDATER": "1",
    }
    first, arrived = len(stage.house.entries()), len(stage.front.arrived)
    assert HELLO in shot([str(claude), "-p", "Say hello", "--model", "claude-sonnet-4-5"], tmp_path, more)
    check_entries(stage, first, arrived)
    assert len(stage.house.entries()) > first


def test_codex_works(stage: Stage, tmp_path: Path) -> None:
    codex = Path(program("AIKEYS_NODE_MODULES"), ".bin", "codex")
    if not codex.exists():
        pytest.skip("codex is not installed there")
    base = f'openai_base_url="{stage.gateway.url}/openai/v1"'
    argv = [str(codex), "exec", "--skip-git-repo-check", "--sandbox", "read-only", "-m", "gpt-5.1", "-c", base]
    if stage.is_limited:
        argv += ["-c", 'web_search="disabled"']  # it sets no max_tool_calls, so nothing bounds its searches
    first, arrived = len(stage.house.entries()), len(stage.front.arrived)
    assert HELLO in shot([*argv, "Say hello"], tmp_path, {"CODEX_API_KEY": stage.token})
    check_entries(stage, first, arrived)
    assert len(stage.house.entries()) > first


def shot(argv: list[str], folder: Path, more: Mapping[str, str]) -> str:
    """Run a program once; return what it said."""
    home = folder / "user"
    (home / "work").mkdir(parents=True, exist_ok=True)
    environment = {**clean_environment(home), "PATH": os.environ["PATH"], **more}
    done = subprocess.run(
        argv, env=environment, cwd=home / "work", stdin=subprocess.DEVNULL, capture_output=True, encoding="utf-8",
        timeout=150, check=False,
    )  # fmt: skip
    assert done.returncode == 0, (done.stdout[-2000:], done.stderr[-3000:])
    return done.stdout
