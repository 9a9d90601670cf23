"""What providers really said, through `prompt`: the ledger holds what the recorded usage costs, to the pico-dollar.

The usage is read here once more, by hand, from what was recorded.
"""

from __future__ import annotations

import gzip
import json
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from aikeys import clock
from aikeys.money import usd_text
from aikeys.pricing.book import Book
from aikeys.pricing.cost import cost
from aikeys.providers import catalogue
from aikeys.providers.usage import Usage
from aikeys.secret import Secret
from aikeys.spending.names import SpendingKey
from tests.conftest import Aikeys
from tests.spending.conftest import Purse

RECORDED = Path(__file__).parents[3] / "shared" / "recorded"
ENDPOINTS = ("/chat/completions", "/v1/messages", "/v2/chat", ":generateContent", ":streamGenerateContent")
PLACES = {  # the recorder's name of a provider: ours, and where its paths begin
    "anthropic": ("anthropic", ""),
    "azure": ("azure-openai", ""),
    "cerebras": ("cerebras", "/v1"),
    "cohere": ("cohere", ""),
    "deepseek": ("deepseek", ""),
    "gemini": ("gemini", ""),
    "groq": ("groq", ""),
    "huggingface": ("huggingface", "/v1"),
    "mistral": ("mistral", "/v1"),
    "ollama-cloud": ("ollama", "/v1"),
    "openai": ("openai", "/v1"),
    "openrouter": ("openrouter", "/api/v1"),
    "perplexity": ("perplexity", ""),
    "together": ("together", "/v1"),
    "zai": ("zhipu", "/api/paas/v4"),
}
NAMES = sorted(PLACES)

pytestmark = pytest.mark.skipif(not RECORDED.is_dir(), reason="../shared/recorded is not here: nothing to replay")
Record = dict[str, Any]


def chats() -> list[Record]:
    """Return the recorded chats whose usage was reported."""
    with gzip.open(RECORDED / "exchanges.jsonl.gz", "rt", encoding="utf-8") as lines:
        found = [json.loads(line, parse_float=Decimal) for line in lines]
    return [
        one
        for one in found
        if one["provider"] in PLACES
        and one["has_usage"]
        and one["path"].partition("?")[0].endswith(ENDPOINTS)
        and "body_omitted_bytes" not in one["response"]
        and int(one["response"]["status"]) == 200
        and one["body_kind"] in ("json", "sse")
        and one["model"]
        and not (one["provider"] in ("anthropic", "gemini") and one["path"].endswith("/chat/completions"))
    ]


@pytest.fixture(scope="module")
def recorded() -> list[Record]:
    return chats()


@pytest.fixture(scope="module")
def replay() -> Iterator[str]:
    script = [sys.executable, "-u", str(RECORDED / "replay_server.py")]
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with subprocess.Popen([*script, str(port)], stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        assert "records on" in server.stdout.readline()
        yield f"http://127.0.0.1:{port}"
        server.terminate()


def used(record: Record) -> tuple[Usage, Decimal | None]:
    """Return the usage of a record, and what the provider says it charges."""
    seen = [usage for _, usage in record["usage"]]
    last = seen[-1]
    if record["provider"] == "anthropic" and "messages" in record["path"]:
        kept: Record = {}
        for each in seen:
            kept |= {name: value for name, value in each.items() if value or name not in kept}
        read, write = kept.get("cache_read_input_tokens") or 0, kept.get("cache_creation_input_tokens") or 0
        long = (kept.get("cache_creation") or {}).get("ephemeral_1h_input_tokens") or 0
        thought = (kept.get("output_tokens_details") or {}).get("thinking_tokens") or 0
        total = (kept.get("input_tokens") or 0) + read + write
        return Usage(total, read, write - long, long, kept.get("output_tokens") or 0, thought), None
    if record["provider"] == "cohere":
        units = last["billed_units"]
        return Usage(int(units["input_tokens"]), output=int(units["output_tokens"])), None
    if record["provider"] == "gemini":
        said = (last.get("candidatesTokenCount") or 0) + (last.get("thoughtsTokenCount") or 0)
        asked = (last.get("promptTokenCount") or 0) + (last.get("toolUsePromptTokenCount") or 0)
        cached = last.get("cachedContentTokenCount") or 0
        return Usage(asked, cached, 0, 0, said, last.get("thoughtsTokenCount") or 0), None
    asked, said = last.get("prompt_tokens") or 0, last.get("completion_tokens") or 0
    thought = (last.get("completion_tokens_details") or {}).get("reasoning_tokens") or last.get("reasoning_tokens") or 0
    if thought and last.get("total_tokens") == asked + said + thought:
        said += thought
    cached = (last.get("prompt_tokens_details") or {}).get("cached_tokens") or last.get("cached_tokens") or 0
    cached = cached or last.get("num_cached_tokens") or 0
    written = (last.get("prompt_tokens_details") or {}).get("cache_write_tokens") or 0
    charged = last.get("cost")
    if isinstance(charged, dict):
        charged = charged["total_cost"]
    if last.get("is_byok"):  # billed by the one behind, to the user's own key there
        charged = (charged or 0) + last["cost_details"]["upstream_inference_cost"]
    asked += (
        cached if record["provider"] == "azure" and "grok" in record["model"] else 0
    )  # they stand beside the prompt
    other = (("web_searches", 1),) if "-search-" in record["model"] else ()
    found = Usage(asked, cached, written, 0, said, min(thought, said), other)
    return found, None if charged is None else Decimal(charged)


def is_plain(record: Record) -> bool:
    """Text alone: media, searches, several models and ways of serving are billed by rules of their own, and tested with
    the wire formats; so is an error within a stream."""
    text = json.dumps(record["usage"], default=str)
    odd = (
        "web_search",
        "IMAGE",
        "AUDIO",
        "VIDEO",
        "DOCUMENT",
        "iterations",
        "FLEX",
        "priority",
        "prompt_audio_seconds",
    )
    if any(word in text for word in odd) or re.search(r'audio_tokens": [1-9]', text):
        return False
    body = record["response"].get("body", "")
    return not any(word in body for word in ("webSearchQueries", "usage_breakdown", '"error":{'))


def expected_pusd(book: Book, record: Record) -> int | None:
    """Return what a record has to cost, None where its model has no certain price."""
    usage, charged = used(record)
    if charged is not None and PLACES[record["provider"]][0] in ("openrouter", "perplexity"):
        return int(charged * 10**12)
    found = book.find(PLACES[record["provider"]][0], record["model"], is_reply=True)
    if found is None or not found.is_certain or not found.price.is_known:
        return None
    priced = cost(found.price, usage, at_us=clock.now_us())
    return priced.cost_pusd if priced.is_complete else None


@pytest.mark.parametrize("name", NAMES)
def test_every_recorded_chat_costs_what_was_used(purse: Purse, recorded: list[Record], replay: str, name: str) -> None:
    """In this process, all of them; a model whose price is not certain is recorded all the same."""
    ours, base = PLACES[name]
    purse.held = [SpendingKey(ours, ours, f"{replay}/{name}{base}", is_default=True)]
    book = Book(str(purse.folder), {}, {}, catalogue.load())
    wanted = []
    for record in (one for one in recorded if one["provider"] == name and is_plain(one)):
        purse.secret = Secret(record["id"].encode())
        purse.ask(model=f"{ours}/{record['model']}", stream=bool(record["stream"]))
        wanted.append((record["id"], used(record)[0][:5], expected_pusd(book, record)))
    calls = purse.calls()
    assert len(calls) == len(wanted) > 0
    wrong = []
    for call, (number, usage, pusd) in zip(calls, wanted, strict=True):
        if call.status != "ok" or call.usage[:5] != usage or (pusd is not None and call.cost_pusd != pusd):
            wrong.append((number, call.status, call.usage[:5], usage, call.cost_pusd, pusd, call.context.answered))
    assert not wrong, "\n".join(map(str, wrong))


@pytest.mark.parametrize("name", [each for each in NAMES if each not in ("huggingface", "ollama-cloud")])
def test_the_command_line_says_and_records_it(
    ready_home: Aikeys, recorded: list[Record], replay: str, name: str
) -> None:
    """`aikeys prompt`, streamed and whole."""
    ours, base = PLACES[name]
    book = Book(str(ready_home.home), {}, {}, catalogue.load())
    chosen = []
    for streamed in (False, True):
        fitting = (
            one
            for one in recorded
            if one["provider"] == name
            and bool(one["stream"]) is streamed
            and is_plain(one)
            and expected_pusd(book, one)
        )
        chosen += [one for one in [next(fitting, None)] if one is not None]
    assert chosen
    for number, record in enumerate(chosen):
        key = f"key{number}"
        ready_home.add(key, record["id"], "--provider", ours, "--base-url", f"{replay}/{name}{base}")
        words = [] if record["stream"] else ["--no-stream"]
        done = ready_home.run("prompt", "-m", f"{key}/{record['model']}", "hello", "--usage", *words)
        assert done.returncode == 0, done.stderr
    calls = json.loads(ready_home.run("log", "--json").stdout)["calls"]
    expected = [usd_text(expected_pusd(book, record) or 0) for record in chosen]
    assert [call["cost_usd"] for call in calls] == expected
    assert {call["cost_source"] for call in calls} <= {"computed", "billed"}
