"""What every recorded exchange with usage used, against an oracle: equal, or listed here with the reason."""

from __future__ import annotations

import json
from collections import Counter
from decimal import Decimal

import pytest
from recorded_exchanges import (
    Record,
    all_records,
    body_of,
    counts,
    decoded,
    expected,
    headers_of,
    is_stream,
    needs_recorded,
    records,
    stream_of,
)

from aikeys.money import usd_text
from aikeys.providers.wire.refusals import refusal
from aikeys.providers.wire.values import KINDS, ApiError, Metered, Reply, StreamEnd

pytestmark = needs_recorded

_COMPACTION = "the top leaves the compaction out: iterations[] are summed (facts: mistake 8)"
_CACHED_APART = "Grok at Azure: cached tokens stand beside the input (facts: fees.md)"
_COHERE_THOUGHTS = "the oracle reads billed_units only; the thoughts in `tokens` are a part of the billed output"
_GOOGLE_SEARCHES = "searches are billed beside the tokens; the oracle counts only what stands in usageMetadata"
_OPENAI_TOOLS = "the provider's own tools are counted from the calls in `output`; the oracle reads only `usage`"
_OPENROUTER_SEARCHES = "server_tool_use_details.web_search_requests: the oracle does not read it"
_HIDDEN_THOUGHTS = "thoughts stand only in the total: total - input - output (Gemini's OpenAI endpoint)"
_MISTRAL_CACHE = "usage.num_cached_tokens: the oracle does not read it"
_SEARCH_MODELS = "a search model of chat has searched once, whatever its usage says; the oracle knows no such fee"
_XAI_SEARCHES = "server_side_tool_usage_details.web_search_calls: the oracle does not read it"

DIFFERENCES: dict[str, tuple[dict[str, tuple[int, int]], str]] = {
    # record: what differs as (ours, the oracle's), why
    "05eefea82e14b4aa": ({"input_tokens": (55416, 220), "output_tokens": (133, 8)}, _COMPACTION),
    "3b716623f5dfdad3": (
        {"input_tokens": (55377, 55277), "output_tokens": (91, 8)},
        _COMPACTION,
    ),
    "f1bf1ee3d6ab7a58": ({"input_tokens": (171, 10)}, _CACHED_APART),
    "f9806beb58b205fd": ({"input_tokens": (608, 235)}, _CACHED_APART),
    "7a10e39153d813a3": ({"input_tokens": (419, 241)}, _CACHED_APART),
    "3d443335c429c60a": ({"input_tokens": (364, 205)}, _CACHED_APART),
    "72bc2969f0b518bd": ({"cache_read_tokens": (32, 0)}, _MISTRAL_CACHE),
    "c0c00b236aeb78bf": ({"cache_read_tokens": (32, 0)}, _MISTRAL_CACHE),
    "537a80e8eb28186f": ({"cache_read_tokens": (76, 0)}, _MISTRAL_CACHE),
    "40adb9b54780fce5": ({"cache_read_tokens": (99, 0)}, _MISTRAL_CACHE),
    "d2322de99f7cfa00": ({"web_searches": (1, 0)}, _SEARCH_MODELS),
    "0c42209142392a81": ({"web_searches": (1, 0)}, _SEARCH_MODELS),
    "54868a88b541054d": ({"web_searches": (1, 0)}, _SEARCH_MODELS),
    "e1c86588a49d37f6": ({"web_searches": (1, 0)}, _SEARCH_MODELS),
    "18d38dfd5b7d5602": ({"output_reasoning_tokens": (29, 0)}, _COHERE_THOUGHTS),
    "d8ed6b94571d0c5d": ({"output_reasoning_tokens": (58, 0)}, _COHERE_THOUGHTS),
    "67ed5d9b0f240a22": ({"output_reasoning_tokens": (28, 0)}, _COHERE_THOUGHTS),
    "93c545bb91b51dbb": ({"output_reasoning_tokens": (38, 0)}, _COHERE_THOUGHTS),
    "c862703065fea362": ({"output_reasoning_tokens": (145, 0)}, _COHERE_THOUGHTS),
    "6fc2a427638aeac7": ({"web_searches": (1, 0)}, _GOOGLE_SEARCHES),
    "9296efbbfce64670": ({"web_searches": (1, 0)}, _GOOGLE_SEARCHES),
    "c7afdf4357ff3372": ({"web_searches": (1, 0)}, _GOOGLE_SEARCHES),
    "26440862d0fb4f82": ({"web_searches": (2, 0)}, _GOOGLE_SEARCHES),
    "b54ed6407e816cc8": ({"web_searches": (1, 0)}, _GOOGLE_SEARCHES),
    "cb076f21baf586dc": ({"web_searches": (3, 0)}, _GOOGLE_SEARCHES),
    "ea27d795f08d2331": ({"web_searches": (1, 0)}, _GOOGLE_SEARCHES),
    "5af31d9880f17898": ({"web_searches": (1, 0)}, _GOOGLE_SEARCHES),
    "566528e0e3934529": ({"output_tokens": (74, 12), "output_reasoning_tokens": (62, 0)}, _HIDDEN_THOUGHTS),
    "13090e4ed3adda6c": ({"output_tokens": (34, 6), "output_reasoning_tokens": (28, 0)}, _HIDDEN_THOUGHTS),
    "b0b7eba4a7074980": (
        {"input_tokens": (384, 9), "input_audio_tokens": (375, 0), "input_audio_seconds": (3, 0)},
        "audio comes on top of prompt_tokens: 9 + 375 + 248 = the total 632; the oracle reads no audio of Mistral",
    ),
    "1c7552fb89e67d77": ({"code_executions": (1, 0)}, _OPENAI_TOOLS),
    "c299f1bb111e6f59": ({"web_searches": (4, 0)}, _OPENAI_TOOLS),
    "1abf4dfcd227c6dc": ({"web_searches": (2, 0)}, _OPENAI_TOOLS),
    "0297d8736db2bd98": ({"web_searches": (1, 0)}, _OPENAI_TOOLS),
    "4f66630acb0612ec": ({"web_searches": (1, 0)}, _OPENAI_TOOLS),
    "0fd1d428d2ce5e80": (
        {"input_tokens": (11, 0)},
        "an empty completion without completion_tokens: the total leaves none; the oracle asks for the field",
    ),
    "8058adb49bbaca2a": ({"input_video_tokens": (258, 0)}, "video tokens of OpenRouter: the oracle does not read them"),
    "598c0bb6da72bc95": (
        {"output_tokens": (11, 10)},
        "more reasoning (11) than output (10): no reported token is dropped",
    ),
    "2362589d9c4086c2": ({"web_searches": (1, 0)}, _OPENROUTER_SEARCHES),
    "da658a06e93d381d": ({"web_searches": (1, 0)}, _OPENROUTER_SEARCHES),
    "47d5259e563f55bf": ({"web_searches": (1, 0)}, _OPENROUTER_SEARCHES),
    "49a65a1b95fe4fcf": ({"web_searches": (1, 0)}, _OPENROUTER_SEARCHES),
    "0d9bcb679ba25a8d": ({"web_searches": (3, 0)}, _OPENROUTER_SEARCHES),
    "c5b6e6961267b305": ({"web_searches": (2, 0)}, _XAI_SEARCHES),
    "ba11909ef9b9647d": ({"web_searches": (2, 0)}, _XAI_SEARCHES),
}

WITHOUT_USAGE = {
    "849393dbd4f36f62": "usageMetadata without any count",
}
INCOMPLETE = {
    "598c0bb6da72bc95": "the provider reported an error after the limit of tokens",
}


def metered_of(record: Record) -> Metered:
    found = decoded(record)
    return found.reply.metered if isinstance(found, StreamEnd) else found.metered


def test_every_recorded_exchange_uses_what_the_oracle_says_or_differs_for_a_listed_reason() -> None:
    outcome: Counter[str] = Counter()
    differences = {}
    for record in records():
        usage = metered_of(record).usage
        ours, theirs = counts(usage) if usage else {}, expected(record)
        names = {name for name in ours.keys() | theirs.keys() if ours.get(name, 0) != theirs.get(name, 0)}
        if names:
            differences[record["id"]] = {name: (ours.get(name, 0), theirs.get(name, 0)) for name in sorted(names)}
        outcome["differs" if names else "equal", is_stream(record)] += 1  # type: ignore[index]
    assert differences == {record_id: dict(sorted(found.items())) for record_id, (found, _) in DIFFERENCES.items()}
    print("equal, differing; of streams True:", dict(outcome))
    assert sum(outcome.values()) >= 789


def test_missing_usage_is_none_and_only_where_nothing_was_reported() -> None:
    missing = {record["id"] for record in records() if metered_of(record).usage is None}
    assert missing == set(WITHOUT_USAGE)


def test_an_exchange_without_recorded_usage_has_none() -> None:
    seen = 0
    for record in all_records():
        known = record["endpoint"] in ("chat", "messages", "generateContent", "responses")
        if record["has_usage"] or not known or record["response"]["status"] >= 400:
            continue
        if not body_of(record) or (record["endpoint"] == "messages" and record["provider"] == "openai"):
            continue  # a path of OpenAI's assistants that is named like Anthropic's
        seen += 1
        if record["body_kind"] in ("json", "sse"):
            assert metered_of(record).usage is None, record["id"]
    assert seen >= 20


def test_every_recorded_stream_comes_to_its_end() -> None:
    cut = {record["id"] for record in records() if is_stream(record) and not decoded(record).complete}  # type: ignore[union-attr]
    assert cut == set(INCOMPLETE)


def test_a_stated_cost_is_taken_exactly() -> None:
    """Compared with the digits as they stand in the body: the record's own numbers went through a float."""
    seen: Counter[str] = Counter()
    for record in records():
        metered = metered_of(record)
        if record["provider"] not in ("openrouter", "perplexity", "xai") or metered.raw is None:
            assert metered.billed_pusd is None
            continue
        stated = metered.raw.get("cost", metered.raw.get("cost_in_usd_ticks"))
        if isinstance(stated, dict):
            stated = stated["total_cost"]
        if stated is None:
            assert metered.billed_pusd is None
            continue
        assert isinstance(stated, int | Decimal)
        exact = Decimal(stated) / (10**10 if record["provider"] == "xai" else 1)
        if metered.raw.get("is_byok") is True:
            continue
        assert metered.billed_pusd is not None
        assert 0 <= Decimal(usd_text(metered.billed_pusd)) - exact < Decimal("1e-12"), record["id"]
        seen[record["provider"]] += 1
    assert set(seen) == {"openrouter", "perplexity", "xai"}


def test_every_recorded_error_has_a_kind_a_message_and_no_key() -> None:
    seen: Counter[str] = Counter()
    for record in all_records():
        response = record["response"]
        if response["status"] < 400:
            continue
        error = refusal(response["status"], headers_of(record), body_of(record))
        assert error.kind in KINDS
        assert error.message
        assert "***" not in error.message
        assert "\n" not in error.message
        assert error.status == response["status"]
        seen[error.kind] += 1
    assert {"authentication", "bad_request", "not_found", "rate_limited", "too_large"} <= set(seen)


def test_a_recorded_reply_says_something_or_why_not() -> None:
    silent = []
    for record in records():
        if record["endpoint"] in ("embeddings", "rerank", "invoke") or is_stream(record):
            continue
        reply = decoded(record)
        if isinstance(reply, Reply) and not (reply.text or reply.tool_calls or reply.reasoning or reply.finish):
            silent.append(record["id"])
    assert len(silent) <= 3, silent  # Vertex: replies without content and finish reason


@pytest.mark.parametrize("seed", range(3))
def test_any_split_of_a_recorded_stream_gives_the_same_events(seed: int) -> None:
    from random import Random

    dice = Random(seed)
    for record in records():
        if not is_stream(record):
            continue
        body = body_of(record)
        whole = stream_of(record)
        whole.feed(body)
        events = []
        while (event := whole.next()) is not None:
            events.append(event)
        pieces = stream_of(record)
        found, position = [], 0
        while position < len(body):
            size = dice.choice((1, 2, 3, 7, 50, 200, 1400, 16000))
            pieces.feed(body[position : position + size])
            position += size
            while (event := pieces.next()) is not None:
                found.append(event)
        assert found == events, record["id"]
        assert pieces.end() == whole.end(), record["id"]


def test_a_recorded_stream_that_is_cut_anywhere_reports_no_more_than_the_whole_one() -> None:
    from random import Random

    dice = Random(7)
    for record in records():
        if not is_stream(record):
            continue
        body = body_of(record)
        cut = stream_of(record)
        cut.feed(body[: dice.randrange(len(body))])
        ended = cut.end()
        whole = decoded(record)
        assert isinstance(whole, StreamEnd)
        assert whole.reply.text.startswith(ended.reply.text), record["id"]
        assert ended.text_bytes <= whole.text_bytes
        if ended.reply.metered.usage and whole.reply.metered.usage:
            assert ended.reply.metered.usage.output <= whole.reply.metered.usage.output, record["id"]


def test_no_decoder_crashes_on_recorded_bytes_that_were_damaged() -> None:
    from random import Random

    from aikeys.errors import AikeysError

    dice = Random(11)
    for record in records():
        body = bytearray(body_of(record))
        for _ in range(dice.randrange(1, 8)):
            body[dice.randrange(len(body))] = dice.choice(b'{}[]",:0-9aeE\n\r \x00\xff\\nt')
        damaged = {**record, "response": {**record["response"], "body_b64": None, "body": None}}
        try:
            if is_stream(record):
                stream = stream_of(record)
                stream.feed(bytes(body))
                while stream.next() is not None:
                    pass
                stream.close()
                stream.end()
            else:
                damaged["response"].pop("body_b64")
                damaged["response"]["body"] = bytes(body).decode("utf-8", "replace")
                result = decoded(damaged)
                assert isinstance(result, Reply | ApiError)
        except AikeysError:
            pass


def test_swapped_types_crash_no_decoder() -> None:
    """Every value of a JSON body is replaced by one of another type, one after the other, in a sample of records."""
    from random import Random

    from aikeys.errors import AikeysError

    dice = Random(3)
    for record in records():
        if is_stream(record) or dice.random() > 0.3 or record["endpoint"] == "embeddings":
            continue
        value = json.loads(body_of(record))
        for _ in range(10):
            changed = _swapped(json.loads(json.dumps(value)), dice)
            response = {**record["response"], "body": json.dumps(changed)}
            response.pop("body_b64", None)
            try:
                found = decoded({**record, "response": response})
            except AikeysError:
                continue
            usage = found.metered.usage  # type: ignore[union-attr]
            assert usage is None or all(count >= 0 for count in (*usage[:6], *dict(usage.other).values()))


def _swapped(value: object, dice) -> object:  # noqa: ANN001
    others: list[object] = [None, -1, 1.5, "x", [], {}, True, [1], {"a": 1}, 10**30, 0, [None], [[]]]
    holder = value
    while isinstance(holder, dict | list) and holder:
        keys = list(holder) if isinstance(holder, dict) else list(range(len(holder)))
        key = dice.choice(keys)
        inner = holder[key]
        if not isinstance(inner, dict | list) or not inner or dice.random() < 0.3:
            holder[key] = dice.choice(others)
            return value
        holder = inner
    return dice.choice(others)
