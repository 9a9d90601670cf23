"""The messages of a chat request become values, and reach every provider in its own form."""

from __future__ import annotations

import json
from base64 import b64encode
from typing import Any

import pytest

from aikeys.errors import UsageError
from aikeys.gateway.formats.fields import InvalidRequest
from aikeys.gateway.formats.openai_messages import messages_of
from aikeys.gateway.formats.openai_requests import chat_request
from aikeys.providers.catalogue import load
from aikeys.providers.wire.protocols import protocol_of
from aikeys.providers.wire.values import File, Image, Message, Options, Request, Text, ToolCall, ToolResult

PIXEL = b"\x89PNG\r\n"
PIXEL_URL = f"data:image/png;base64,{b64encode(PIXEL).decode()}"


def call(call_id: str, name: str = "weather", arguments: str = '{"town":"Bonn"}') -> dict[str, Any]:
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}


TOOL_LOOP: list[Any] = [
    {"role": "developer", "content": "be brief"},
    {"role": "user", "content": [{"type": "text", "text": "weather?"}]},
    {"role": "assistant", "content": "", "tool_calls": [call("c1"), call("c2", "time", "{}")]},
    {"role": "tool", "tool_call_id": "c1", "content": "rain"},
    {"role": "tool", "tool_call_id": "c2", "content": [{"type": "text", "text": "no"}, {"type": "text", "text": "on"}]},
]


def sent(provider: str, messages: list[Any]) -> dict[str, Any]:
    dialect = load()[provider].dialect()
    request = Request("m", messages_of(messages), options=Options(9))
    found = json.loads(protocol_of(dialect).encode(request, dialect).body)
    assert isinstance(found, dict)
    return found


def part(**fields: object) -> list[Any]:
    return [{"role": "user", "content": [fields]}]


def refused(messages: list[Any]) -> str:
    with pytest.raises(InvalidRequest) as caught:
        messages_of(messages)
    return caught.value.field


def test_a_loop_of_tools_becomes_one_message_of_results_with_the_names_of_the_tools() -> None:
    assert messages_of(TOOL_LOOP) == (
        Message("system", (Text("be brief"),)),
        Message("user", (Text("weather?"),)),
        Message("assistant", (ToolCall("c1", "weather", '{"town":"Bonn"}'), ToolCall("c2", "time", "{}"))),
        Message("tool", (ToolResult("c1", "weather", "rain"), ToolResult("c2", "time", "noon"))),
    )


def test_a_loop_of_tools_reaches_every_provider() -> None:
    openai = sent("openai", TOOL_LOOP)["messages"]
    assert [message["role"] for message in openai] == ["system", "user", "assistant", "tool", "tool"]
    claude = sent("anthropic", TOOL_LOOP)["messages"]
    assert [block["type"] for block in claude[1]["content"]] == ["tool_use", "tool_use"]
    assert [block["tool_use_id"] for block in claude[2]["content"]] == ["c1", "c2"]
    gemini = sent("gemini", TOOL_LOOP)["contents"]
    assert [each["functionResponse"]["name"] for each in gemini[2]["parts"]] == ["weather", "time"]
    cohere = sent("cohere", TOOL_LOOP)["messages"]
    assert [message.get("tool_call_id") for message in cohere][-2:] == ["c1", "c2"]


def test_an_id_that_is_used_again_means_the_latest_call() -> None:
    again = [*TOOL_LOOP, {"role": "assistant", "tool_calls": [call("c1", "wind")]}]
    found = messages_of([*again, {"role": "tool", "tool_call_id": "c1", "content": "strong"}])
    assert found[-1].parts == (ToolResult("c1", "wind", "strong"),)
    assert found[3].parts[0] == ToolResult("c1", "weather", "rain")


def test_the_mark_of_gemini_goes_back_to_gemini() -> None:
    marked = {**call("c1"), "extra_content": {"google": {"thought_signature": "mark"}}}
    messages = [{"role": "user", "content": "?"}, {"role": "assistant", "content": None, "tool_calls": [marked]}]
    assert sent("gemini", messages)["contents"][1]["parts"][0]["thoughtSignature"] == "mark"


def test_our_own_reply_may_come_back_as_it_was_sent() -> None:
    said = {"role": "assistant", "content": "hi", "refusal": None, "annotations": [], "reasoning_content": "hm"}
    more = {"audio": None, "function_call": None, "tool_calls": None}
    assert messages_of([{**said, **more}]) == (Message("assistant", (Text("hi"),)),)
    assert messages_of([{"role": "assistant", "content": ""}]) == (Message("assistant", (Text(""),)),)
    assert messages_of([{"role": "assistant", "refusal": "no"}]) == (Message("assistant", (Text("no"),)),)


def test_an_image_comes_by_its_bytes_or_its_address() -> None:
    found = messages_of(part(type="image_url", image_url={"url": PIXEL_URL, "detail": "low"}))
    assert found[0].parts == (Image("image/png", PIXEL, detail="low"),)
    found = messages_of(part(type="image_url", image_url={"url": "https://example.com/a.png", "detail": "auto"}))
    assert found[0].parts == (Image(url="https://example.com/a.png"),)
    assert messages_of(part(type="image_url", image_url="https://a.b/c"))[0].parts == (Image(url="https://a.b/c"),)
    jpg = PIXEL_URL.replace("image/png", "IMAGE/JPG;name=a.jpg")
    assert messages_of(part(type="image_url", image_url={"url": jpg}))[0].parts == (Image("image/jpeg", PIXEL),)


def test_a_recording_and_a_document_come_by_their_bytes() -> None:
    data = b64encode(b"RIFF").decode()
    found = messages_of(part(type="input_audio", input_audio={"data": data, "format": "wav"}))
    assert found[0].parts == (File("audio/wav", b"RIFF"),)
    file = {"filename": "a.pdf", "file_data": f"data:application/pdf;base64,{data}"}
    assert messages_of(part(type="file", file=file))[0].parts == (File("application/pdf", b"RIFF", "a.pdf"),)
    assert sent("openai", part(type="file", file=file))["messages"][0]["content"] == [{"type": "file", "file": file}]


def test_the_name_of_a_participant_is_carried_or_refused() -> None:
    messages = [{"role": "user", "content": "hello", "name": "ana"}]
    assert sent("openai", messages)["messages"] == messages
    with pytest.raises(Exception, match="does not take names of participants"):
        sent("anthropic", messages)


@pytest.mark.parametrize(
    ("messages", "field"),
    [
        ([{"content": "hello"}], "messages[0].role"),
        ([{"role": "function", "content": "x"}], "messages[0].role"),
        ([{"role": "user"}], "messages[0].content"),
        ([{"role": "user", "content": []}], "messages[0].content"),
        ([{"role": "user", "content": 5}], "messages[0].content"),
        ([{"role": "user", "content": "\ud83d"}], "messages[0].content"),
        ([{"role": "assistant"}], "messages[0].content"),
        ([{"role": "user", "content": "x", "tool_calls": [call("a")]}], "messages[0].tool_calls"),
        ([{"role": "assistant", "content": "x", "audio": {"id": "a"}}], "messages[0].audio"),
        ([{"role": "assistant", "content": "x", "function_call": {}}], "messages[0].function_call"),
        ([{"role": "tool", "content": "x"}], "messages[0].tool_call_id"),
        ([{"role": "tool", "tool_call_id": "a", "content": "x"}], "messages[0].tool_call_id"),
        ([{"role": "assistant", "tool_calls": [{"id": "a"}]}], "messages[0].tool_calls[0].function"),
        ([{"role": "assistant", "tool_calls": [{**call("a"), "type": "custom"}]}], "messages[0].tool_calls[0].type"),
        (
            [
                {
                    "role": "assistant",
                    "tool_calls": [{**call("a"), "extra_content": {"google": {"thought_signature": 1}}}],
                }
            ],
            "messages[0].tool_calls[0].extra_content.google.thought_signature",
        ),
        ([{"role": "system", "content": [{"type": "image_url"}]}], "messages[0].content[0].type"),
        (part(type="video"), "messages[0].content[0].type"),
        (part(type="text", text="a", cache_control={}), "messages[0].content[0].cache_control.type"),
        (part(type="text", text="a", cache_control="5m"), "messages[0].content[0].cache_control"),
        (
            part(type="text", text="a", cache_control={"type": "ephemeral", "ttl": "2h"}),
            "messages[0].content[0].cache_control.ttl",
        ),
        (
            part(type="text", text="a", cache_control={"type": "ephemeral", "scope": "global"}),
            "messages[0].content[0].cache_control.scope",
        ),
        (part(type="image_url", image_url=["https://a.b"]), "messages[0].content[0].image_url"),
        (part(type="image_url", image_url={"url": "file:///etc/passwd"}), "messages[0].content[0].image_url.url"),
        (part(type="image_url", image_url={"url": "https://a.b/\nc"}), "messages[0].content[0].image_url.url"),
        (part(type="image_url", image_url={"url": "data:image/png,abc"}), "messages[0].content[0].image_url.url"),
        (part(type="image_url", image_url={"url": PIXEL_URL + "!"}), "messages[0].content[0].image_url.url"),
        (part(type="image_url", image_url={"url": "data:image/png;base64,"}), "messages[0].content[0].image_url.url"),
        (
            part(type="image_url", image_url={"url": PIXEL_URL, "detail": "x"}),
            "messages[0].content[0].image_url.detail",
        ),
        (
            part(type="image_url", image_url={"url": "data:application/pdf;base64,aGk="}),
            "messages[0].content[0].image_url.url",
        ),
        (part(type="input_audio", input_audio={"data": "aGk="}), "messages[0].content[0].input_audio.format"),
        (part(type="file", file={"file_id": "file-1"}), "messages[0].content[0].file.file_id"),
        (part(type="file", file={"file_data": "aGk="}), "messages[0].content[0].file.file_data"),
    ],
)
def test_what_cannot_be_carried_is_refused_by_its_path(messages: list[Any], field: str) -> None:
    assert refused(messages) == field


def test_half_a_character_that_python_cannot_print_is_refused_everywhere() -> None:
    half = "\udc00"
    with pytest.raises(InvalidRequest, match="half a character"):
        messages_of([{"role": "assistant", "tool_calls": [call("a", arguments=half)]}])


def test_marks_of_the_cache_reach_anthropic_where_they_stand_and_nobody_who_has_no_words_for_them() -> None:
    five, hour = {"type": "ephemeral"}, {"type": "ephemeral", "ttl": "1h"}
    said: list[Any] = [
        {"role": "system", "content": [{"type": "text", "text": "long", "cache_control": hour}]},
        {"role": "user", "content": "hi", "cache_control": five},
        {"role": "assistant", "tool_calls": [call("a")]},
        {"role": "tool", "tool_call_id": "a", "content": [{"type": "text", "text": "1", "cache_control": five}]},
    ]
    tools = [{"type": "function", "function": {"name": "f"}, "cache_control": five}]
    asked = chat_request({"model": "x", "messages": said, "tools": tools, "max_tokens": 9}).request
    known = load()
    spoken = known["anthropic"].dialect()
    body = json.loads(protocol_of(spoken).encode(asked, spoken).body)
    assert body["system"] == [{"type": "text", "text": "long", "cache_control": hour}]
    assert body["tools"][0]["cache_control"] == five
    assert [each["content"][-1].get("cache_control") for each in body["messages"]] == [five, None, five]
    for name in ("gemini", "cohere"):
        with pytest.raises(UsageError, match="cache_control"):
            protocol_of(known[name].dialect()).encode(asked, known[name].dialect())
    plain: list[Any] = [{"role": "system", "content": "long"}, {"role": "user", "content": "hi"}]
    unmarked = chat_request({"model": "x", "messages": plain, "max_tokens": 9}).request
    assert b"cache_control" not in protocol_of(spoken).encode(unmarked, spoken).body
    assert json.loads(protocol_of(spoken).encode(unmarked, spoken).body)["system"] == "long"
