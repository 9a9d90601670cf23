"""Gemini generateContent: what goes out, what comes back, and the stream that reports its usage in every chunk."""

from __future__ import annotations

import json

import pytest
from wire_samples import HELLO, NUMBER, TALK, WEATHER, dialect, drained, ended, sent, sse, with_options

from aikeys.errors import UsageError as BadUsage
from aikeys.providers.usage import Usage
from aikeys.providers.wire.gemini_generate import GenerateStream, decode, encode
from aikeys.providers.wire.values import (
    ApiError,
    Finished,
    Image,
    Message,
    ReasoningPiece,
    Reply,
    Started,
    TextPiece,
    ToolCall,
    ToolCallPiece,
    Unreadable,
    UsageSeen,
)

GEMINI = dialect("gemini")


def chunk(*parts: object, finish: str = "", **usage: int) -> dict[str, object]:
    candidate: dict[str, object] = {"content": {"parts": list(parts), "role": "model"}, "index": 0}
    if finish:
        candidate["finishReason"] = finish
    body: dict[str, object] = {"candidates": [candidate], "modelVersion": "gemini-x", "responseId": "resp-1"}
    return {**body, "usageMetadata": usage} if usage else body


def test_a_whole_conversation_goes_out() -> None:
    outgoing = encode(TALK, GEMINI)
    assert outgoing.path == "/v1beta/models/m:generateContent"
    assert sent(outgoing) == {
        "systemInstruction": {"parts": [{"text": "be brief"}]},
        "contents": [
            {
                "role": "user",
                "parts": [
                    {"text": "weather here?"},
                    {"inlineData": {"mimeType": "image/png", "data": "iVBORw0K"}},
                ],
            },
            {
                "role": "model",
                "parts": [{"functionCall": {"name": "weather", "args": {"town": "Bonn"}}, "thoughtSignature": "mark"}],
            },
            {"role": "user", "parts": [{"functionResponse": {"name": "weather", "response": {"result": "rain"}}}]},
        ],
        "tools": [
            {
                "functionDeclarations": [
                    {
                        "name": "weather",
                        "description": "the weather of a town",
                        "parametersJsonSchema": dict(WEATHER.parameters),
                    }
                ]
            }
        ],
        "generationConfig": {"maxOutputTokens": 99},
    }


def test_options_and_a_schema_go_out() -> None:
    request = with_options(temperature=0.5, top_p=0.1, stop=("a",), seed=3, n=2)._replace(schema=NUMBER)
    assert sent(encode(request, GEMINI))["generationConfig"] == {
        "maxOutputTokens": 9,
        "temperature": 0.5,
        "topP": 0.1,
        "stopSequences": ["a"],
        "seed": 3,
        "candidateCount": 2,
        "responseMimeType": "application/json",
        "responseJsonSchema": dict(NUMBER.schema),
    }


@pytest.mark.parametrize(
    ("model", "effort", "said"),
    [
        ("gemini-2.5-flash", "none", {"thinkingBudget": 0}),
        ("models/gemini-2.5-pro", "high", {"thinkingBudget": 24576}),
        ("gemini-3-pro-preview", "low", {"thinkingLevel": "low"}),
        ("gemini-flash-latest", "high", {"thinkingLevel": "high"}),
    ],
)
def test_an_effort_goes_out_in_the_words_of_the_model(model: str, effort: str, said: object) -> None:
    body = sent(encode(with_options(effort=effort)._replace(model=model), GEMINI))
    assert body["generationConfig"]["thinkingConfig"] == said  # type: ignore[index]


@pytest.mark.parametrize(("model", "effort"), [("gemini-2.5-flash", "xhigh"), ("gemini-3-pro", "none")])
def test_an_effort_that_the_model_does_not_have_is_refused(model: str, effort: str) -> None:
    with pytest.raises(BadUsage, match=f"{model} has no reasoning effort {effort}"):
        encode(with_options(effort=effort)._replace(model=model), GEMINI)


def test_a_model_name_cannot_change_the_path() -> None:
    outgoing = encode(HELLO._replace(model="../../v1/files?x=", stream=True), GEMINI)
    assert outgoing.path == "/v1beta/models/..%2F..%2Fv1%2Ffiles%3Fx%3D:streamGenerateContent?alt=sse"


@pytest.mark.parametrize(
    ("wanted", "said"),
    [("required", {"mode": "ANY"}), ("weather", {"mode": "ANY", "allowedFunctionNames": ["weather"]})],
)
def test_a_choice_of_tools_goes_out(wanted: str, said: object) -> None:
    body = sent(encode(with_options(tool_choice=wanted)._replace(tools=(WEATHER,)), GEMINI))
    assert body["toolConfig"] == {"functionCallingConfig": said}


def test_a_reply_is_read_whole_or_as_a_list_of_chunks() -> None:
    call = {"functionCall": {"name": "weather", "args": {"town": "Bonn"}}, "thoughtSignature": "mark"}
    usage = {"promptTokenCount": 9, "candidatesTokenCount": 3, "thoughtsTokenCount": 5, "totalTokenCount": 17}
    whole = chunk({"text": "hm", "thought": True}, {"text": "hi"}, call, finish="STOP", **usage)
    pieces = [
        chunk({"text": "hm", "thought": True}),
        chunk({"text": "h"}),
        chunk({"text": "i"}, call, finish="STOP", **usage),
    ]
    for value in (whole, pieces):
        reply = decode(200, {}, json.dumps(value).encode(), GEMINI)
        assert isinstance(reply, Reply)
        assert (reply.text, reply.reasoning, reply.finish, reply.model) == ("hi", "hm", "tool_calls", "gemini-x")
        assert reply.tool_calls == (ToolCall("call_0", "weather", '{"town":"Bonn"}', "mark"),)
        assert reply.usage == Usage(9, output=8, reasoning=5)


def test_a_blocked_prompt_is_a_filter_and_an_error_an_error() -> None:
    blocked = {"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": {"promptTokenCount": 4}}
    reply = decode(200, {}, json.dumps(blocked).encode(), GEMINI)
    assert isinstance(reply, Reply)
    assert (reply.finish, reply.usage) == ("content_filter", Usage(4))
    error = decode(200, {}, b'{"error": {"code": 503, "message": "busy", "status": "UNAVAILABLE"}}', GEMINI)
    assert isinstance(error, ApiError)
    assert error.kind == "overloaded"
    with pytest.raises(Unreadable):
        decode(200, {}, b"[1]", GEMINI)


def test_a_stream_yields_its_events_and_the_last_usage_counts() -> None:
    data = sse(
        chunk({"text": "hm", "thought": True}, promptTokenCount=15, thoughtsTokenCount=5),
        chunk({"text": "h"}, promptTokenCount=15, candidatesTokenCount=1, thoughtsTokenCount=5),
        chunk({"text": "i"}, promptTokenCount=15, candidatesTokenCount=2, thoughtsTokenCount=5),
        chunk(finish="STOP", promptTokenCount=14, candidatesTokenCount=3, thoughtsTokenCount=5),
    )
    stream = GenerateStream(GEMINI)
    stream.feed(data)
    events = drained(stream)
    assert [event for event in events if not isinstance(event, UsageSeen)] == [
        Started("gemini-x", "resp-1"),
        ReasoningPiece("hm"),
        TextPiece("h"),
        TextPiece("i"),
        Finished("stop"),
    ]
    stream.close()
    end = stream.end()
    assert end.complete
    assert end.reply.usage == Usage(14, output=8, reasoning=5)


def test_a_cut_stream_knows_the_usage_of_its_last_chunk() -> None:
    data = sse(chunk({"text": "h"}, promptTokenCount=15, candidatesTokenCount=1, thoughtsTokenCount=5))
    end = ended(GenerateStream(GEMINI), data, closed=False)
    assert (end.complete, end.reply.usage) == (False, Usage(15, output=6, reasoning=5))


def test_a_chunk_without_usage_wipes_nothing() -> None:
    data = sse(chunk({"text": "h"}, promptTokenCount=15, candidatesTokenCount=1), chunk({"text": "i"}, finish="STOP"))
    assert ended(GenerateStream(GEMINI), data).reply.usage == Usage(15, output=1)


def test_calls_of_tools_get_ids_of_their_own() -> None:
    stream = GenerateStream(GEMINI)
    stream.feed(
        sse(chunk({"functionCall": {"name": "a"}}), chunk({"functionCall": {"name": "b", "id": "x"}}, finish="STOP"))
    )
    calls = [event for event in drained(stream) if isinstance(event, ToolCallPiece)]
    assert calls == [ToolCallPiece(0, "call_0", "a", "{}"), ToolCallPiece(1, "x", "b", "{}")]
    assert stream.finish == "tool_calls"


def test_searches_of_google_are_counted_in_whatever_chunk_they_stand() -> None:
    grounded = chunk({"text": "h"}, promptTokenCount=5)
    grounded["candidates"][0]["groundingMetadata"] = {"webSearchQueries": ["a", "b"]}  # type: ignore[index]
    data = sse(grounded, chunk(finish="STOP", promptTokenCount=5, candidatesTokenCount=1))
    assert ended(GenerateStream(GEMINI), data).reply.usage == Usage(5, output=1, other=(("web_searches", 2),))


def test_what_the_gateway_is_asked_for_goes_out_in_geminis_words() -> None:
    request = with_options(json_object=True, frequency_penalty=0.5, presence_penalty=0.25)
    request = request._replace(
        tools=(WEATHER._replace(strict=True),),
        messages=(Message("user", (Image("image/png", b"p", detail="low"), Image("image/png", b"q", detail="low"))),),
    )
    body = sent(encode(request, GEMINI))
    config = body["generationConfig"]
    assert isinstance(config, dict)
    assert config["responseMimeType"] == "application/json"
    assert "responseJsonSchema" not in config
    assert (config["frequencyPenalty"], config["presencePenalty"]) == (0.5, 0.25)
    assert config["mediaResolution"] == "MEDIA_RESOLUTION_LOW"
    assert body["toolConfig"] == {"functionCallingConfig": {"mode": "VALIDATED"}}
    mixed = Message("user", (Image("image/png", b"p", detail="low"), Image("image/png", b"q")))
    with pytest.raises(BadUsage, match="one level of detail"):
        encode(request._replace(messages=(mixed,)), GEMINI)


def test_a_step_of_the_model_that_lost_its_mark_gets_googles_stand_in_since_gemini_3() -> None:
    one, two = ToolCall("a", "weather", "{}"), ToolCall("b", "weather", "{}")

    def marks(model: str, *calls: ToolCall) -> list[object]:
        request = with_options()._replace(model=model, messages=(Message("assistant", calls),))
        contents = sent(encode(request, GEMINI))["contents"]
        return [part.get("thoughtSignature") for part in contents[0]["parts"]]  # type: ignore[index]

    assert marks("gemini-3-pro-preview", one, two) == ["skip_thought_signature_validator", None]
    assert marks("gemini-3-pro-preview", one, two._replace(signature="real")) == [None, "real"]
    assert marks("gemini-2.5-flash", one, two) == [None, None]
