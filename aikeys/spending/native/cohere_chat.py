"""Cohere v2 chat (pure)."""

from __future__ import annotations

from aikeys.providers.wire.exact_json import Table, at, text
from aikeys.spending.native.findings import Findings, names
from aikeys.spending.native.openai_chat import read_parts

_KNOWN = names(
    "model messages tools documents citation_options response_format safety_mode max_tokens stop_sequences "
    "temperature seed frequency_penalty presence_penalty k p logprobs tool_choice thinking stream strict_tools "
    "priority"
)


def read(body: Table, found: Findings) -> None:
    """Read a chat."""
    found.meter(body, _KNOWN)
    for message in found.many(body.get("messages"), "messages"):
        found.messages += 1
        if text(message, "role").lower() == "tool":  # documents made of results: text, and marks around it
            found.messages += len(found.many(message.get("content"), "messages.content"))
        else:
            read_parts(message.get("content"), found)
    found.messages += len(found.many(body.get("documents"), "documents"))
    found.tools += len(found.many(body.get("tools"), "tools")) + (body.get("response_format") is not None)
    found.max_output = found.count(body.get("max_tokens"), "max_tokens")
    found.thinking_tokens = found.count(at(body, "thinking", "token_budget"), "thinking")
