"""What clients really sent: taken as it is, or refused by the name of a field, and sent on the same."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

from aikeys.errors import UsageError
from aikeys.gateway.formats.fields import InvalidRequest
from aikeys.gateway.formats.openai_requests import chat_request
from aikeys.providers.wire.protocols import protocol_of
from tests.providers.wire import recorded_exchanges as recorded


def as_sent(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return messages without what says nothing: nulls, empty texts, other words for the same."""
    found = []
    for message in messages:
        kept = {name: value for name, value in message.items() if value not in (None, "", [])}
        content = kept.get("content")
        if isinstance(content, list) and all(part["type"] == "text" for part in content):
            kept["content"] = "\n\n".join(part["text"] for part in content)
        elif isinstance(content, list):
            kept["content"] = [{name: value for name, value in part.items() if value} for part in content]
            for part in kept["content"]:
                if isinstance(part.get("image_url"), str):
                    part["image_url"] = {"url": part["image_url"]}
        kept["role"] = "system" if kept["role"] == "developer" else kept["role"]
        for call in kept.get("tool_calls", []):
            call.pop("index", None)
            call["type"] = "function"
        for repeated in ("annotations", "reasoning", "reasoning_content", "reasoning_details"):
            kept.pop(repeated, None)
        found.append(kept)
    return found


@recorded.needs_recorded
def test_the_messages_of_recorded_requests_go_out_as_they_came() -> None:
    seen: Counter[str] = Counter()
    for record in recorded.all_records():
        body = record["request"].get("body")
        try:
            body = json.loads(body) if isinstance(body, str) else body
        except ValueError:
            continue
        if record["endpoint"] != "chat" or not isinstance(body, dict):
            continue
        try:
            request = chat_request(body).request
        except InvalidRequest:
            seen["refused"] += 1
            continue
        spoken = recorded.dialect(record["provider"])
        if spoken.protocol != "openai":
            continue
        try:
            out = json.loads(protocol_of(spoken).encode(request, spoken).body)
        except UsageError:
            seen["not for this provider"] += 1
            continue
        assert as_sent(out["messages"]) == as_sent(body["messages"]), record["id"]
        assert request.stream == bool(body.get("stream"))
        seen["same"] += 1
    print(dict(seen))
    assert seen["same"] >= 180
    assert seen["refused"] <= 80  # fields of one provider only (thinking, cache_control, web_search_options)
