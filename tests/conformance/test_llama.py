"""The server of llama.cpp with a tiny model: chat, responses, messages, each chosen by config.toml."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conformance.conftest import SHARED, entries, free_port, program, server
from tests.conftest import Aikeys, canary

PROTOCOLS = {"chat": ("openai", "/v1"), "responses": ("openai-responses", "/v1"), "messages": ("anthropic", "")}


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    python = program("AIKEYS_LLAMA_PYTHON")
    if not SHARED.is_dir():
        pytest.skip(f"the model is not here: {SHARED}")
    model = str(tmp_path_factory.mktemp("model") / "tiny.gguf")
    subprocess.run([python, str(SHARED / "make_tiny_gguf.py"), model], check=True, capture_output=True)
    port = free_port()
    with server([python, str(SHARED / "serve_llama.py"), model, str(port), "tiny"], "listening http"):
        yield f"http://127.0.0.1:{port}"


@pytest.fixture
def home(ready_home: Aikeys, url: str) -> Aikeys:
    """Have a provider for each protocol, at 1 and 2 USD for a million tokens."""
    lines = []
    for name, (protocol, path) in PROTOCOLS.items():
        lines += [f"[providers.llama-{name}]", f'protocol = "{protocol}"', f'base_url = "{url}{path}"']
        lines += ['env = ["LLAMA_KEY"]', f'[prices."llama-{name}/tiny"]', "input = 1", "output = 2"]
    Path(ready_home.home, "config.toml").write_text("\n".join(lines), "utf-8")
    for name in PROTOCOLS:
        ready_home.add(f"llama-{name}", canary(name), "--provider", f"llama-{name}")
    return ready_home


@pytest.mark.parametrize("name", PROTOCOLS)
@pytest.mark.parametrize("words", [(), ("--no-stream",)], ids=["stream", "whole"])
def test_what_it_counts_is_recorded_and_within_the_worst_case(home: Aikeys, name: str, words: tuple[str, ...]) -> None:
    home.run("budget", "set", "org", "1")
    done = home.run("prompt", "-m", f"llama-{name}/tiny", "Say hello", "--max-tokens", "16", "--json", *words)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)
    (entry,) = entries(home)
    assert (entry["status"], entry["cost_source"]) == ("ok", "computed")
    assert entry["output_tokens"] == 16
    assert 9 <= entry["input_tokens"] < 100
    assert entry["cost_usd"] == f"{(entry['input_tokens'] + 32) / 1_000_000:.6f}"


def test_a_model_that_it_does_not_have_is_answered_by_the_one_it_has_and_recorded(home: Aikeys) -> None:
    done = home.run("prompt", "-m", "llama-chat/other", "hi", "--max-tokens", "4")
    assert done.returncode in (0, 30)
    assert len(entries(home)) == 1
