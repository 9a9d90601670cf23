"""Anthropic messages and those who copied them (pure). Tools that run at the provider need their `max_uses`."""

from __future__ import annotations

from aikeys.pricing.values import RESIDENCY
from aikeys.providers.wire.counts import ANYWHERE
from aikeys.providers.wire.exact_json import Table, at, items, table, text
from aikeys.providers.wire.values import Json
from aikeys.spending.native.findings import CLIENT_TOOL, Findings, names

_KNOWN = names(
    "model messages system max_tokens stream stop_sequences temperature top_p top_k tools tool_choice thinking "
    "metadata service_tier output_config output_format cache_control speed inference_geo context_management"
)
_PLAIN = names(
    "text tool_use thinking redacted_thinking server_tool_use mcp_tool_use tool_reference tool_addition compaction"
)
_CLIENT_TOOLS = ("bash_", "text_editor_", "computer_", "memory_")
_SEARCHES = {"web_search_20250305": "web_searches", "web_fetch_20250910": ""}


def read(body: Table, found: Findings) -> None:
    """Read a message."""
    found.meter(body, _KNOWN)
    _blocks(body.get("system"), found, 0)
    for message in found.many(body.get("messages"), "messages"):
        found.messages += 1
        found.meter(message, ("role", "content"), "messages.")
        _blocks(message.get("content"), found, 0)
    for tool in found.many(body.get("tools"), "tools"):
        _tool(tool, found)
    found.tools += body.get("output_format") is not None or at(body, "output_config", "format") is not None
    found.max_output = found.count(body.get("max_tokens"), "max_tokens")
    found.thinking_tokens = found.count(at(body, "thinking", "budget_tokens"), "thinking")
    found.serve("speed", body.get("speed"))
    found.serve("service_tier", body.get("service_tier"))
    if body.get("inference_geo") not in (None, *ANYWHERE):
        found.serve(RESIDENCY, body.get("inference_geo"))
    edits = items(body, "context_management", "edits")
    if body.get("context_management") and not all(text(each, "type").startswith("clear_") for each in edits):
        found.unmetered.append("context_management")  # a compaction is a run of the model of its own


def _tool(tool: Table, found: Findings) -> None:
    kind = text(tool, "type") or "custom"
    if kind == "custom":
        found.tools += 1
    elif kind.startswith(_CLIENT_TOOLS):
        found.tools += CLIENT_TOOL
    elif kind in _SEARCHES and tool.get("max_uses") is not None:
        found.tools += CLIENT_TOOL
        found.runs_again(found.count(tool.get("max_uses"), f"tools.{kind}.max_uses"), _SEARCHES[kind])
    else:
        found.unmetered.append(f"tools.{kind}" + (" without max_uses" if kind in _SEARCHES else ""))


def _blocks(content: Json, found: Findings, depth: int) -> None:
    if found.is_too_deep(depth, "messages.content"):
        return
    for block in found.many(content, "messages.content"):
        found.messages += 1
        kind = text(block, "type")
        if kind == "image":
            found.medium("image", table(block, "source").get("data"))
        elif kind == "document":
            _document(table(block, "source"), found, depth)
        elif kind in ("tool_result", "search_result"):
            _blocks(block.get("content"), found, depth + 1)
        elif kind.endswith("_tool_result") or kind == "container_upload":
            found.referenced = True  # what it stands for may be longer than what is sent
        elif kind not in _PLAIN:
            found.unmetered.append(f"messages.content.{kind}")


def _document(source: Table, found: Findings, depth: int) -> None:
    match source.get("type"):
        case "text":
            return
        case "content":
            _blocks(source.get("content"), found, depth + 1)
        case "base64":
            found.file(source.get("data"))
        case _:
            found.file(None)
