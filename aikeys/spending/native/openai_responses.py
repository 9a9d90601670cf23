"""OpenAI responses (pure). Tools that run at the provider are metered only where `max_tool_calls` bounds them.

`client_metadata` is what Codex says of itself: it counts as text, as everything does.
"""

from __future__ import annotations

from aikeys.providers.wire.exact_json import Table, at, text
from aikeys.providers.wire.values import Json
from aikeys.spending.native.findings import CLIENT_TOOL, Findings, names
from aikeys.spending.native.openai_chat import read_parts

_KNOWN = names(
    "model input instructions max_output_tokens max_tool_calls temperature top_p top_logprobs tools tool_choice "
    "parallel_tool_calls text reasoning stream stream_options store metadata user safety_identifier prompt_cache_key "
    "prompt_cache_retention prompt_cache_options include truncation service_tier previous_response_id conversation "
    "prompt client_metadata"
)
_COMPACTION = names(
    "model input instructions previous_response_id prompt_cache_key prompt_cache_retention prompt_cache_options "
    "service_tier"
)
_KEPT = ("previous_response_id", "conversation", "prompt")
_PLAIN = names(
    "function_call custom_tool_call tool_search_call tool_search_output mcp_list_tools mcp_call mcp_approval_request "
    "mcp_approval_response local_shell_call local_shell_call_output shell_call shell_call_output apply_patch_call "
    "apply_patch_call_output computer_call"
)
_FROM_AFAR = names("item_reference compaction web_search_call file_search_call code_interpreter_call")
_OUTPUTS = frozenset({"function_call_output", "custom_tool_call_output"})
_CLIENT_TOOLS = frozenset({"local_shell", "apply_patch", "computer_use_preview", "computer"})
_AT_THE_PROVIDER = {
    "web_search": "web_searches",
    "web_search_preview": "web_searches",
    "file_search": "storage_searches",
    "code_interpreter": "code_executions",
    "mcp": "",
}


def read(body: Table, found: Findings) -> None:
    """Read a request for a response."""
    found.meter(body, _KNOWN)
    found.referenced = any(body.get(name) is not None for name in _KEPT)
    found.serve("service_tier", body.get("service_tier"))
    found.messages += 1 + (body.get("instructions") is not None)
    for item in found.many(body.get("input"), "input"):
        found.messages += 1
        _item(item, found)
    found.max_output = found.count(body.get("max_output_tokens"), "max_output_tokens")
    found.thinking_tokens = found.count(at(body, "reasoning", "max_tokens"), "reasoning")
    found.tools += at(body, "text", "format") is not None
    calls = found.count(body.get("max_tool_calls"), "max_tool_calls")
    hosted = _tools(body.get("tools"), found, 0)
    for kind in sorted(hosted):
        if calls and found.dialect.provider in ("openai", "azure-openai"):
            if _AT_THE_PROVIDER[kind]:
                found.units[_AT_THE_PROVIDER[kind]] = calls
        else:
            found.unmetered.append(f"tools.{kind} without max_tool_calls")
    if hosted and calls:
        found.runs_again(calls)


def read_compaction(body: Table, found: Findings) -> None:
    """Read a conversation to be made shorter: what it is made into has no cap."""
    found.meter(body, _COMPACTION)
    found.referenced = body.get("previous_response_id") is not None
    found.messages += 1 + (body.get("instructions") is not None)
    for item in found.many(body.get("input"), "input"):
        found.messages += 1
        _item(item, found)


def _item(item: Table, found: Findings) -> None:
    kind = text(item, "type") or "message"
    if kind == "message":
        read_parts(item.get("content"), found)
    elif kind in _OUTPUTS:
        read_parts(item.get("output"), found)
    elif kind == "reasoning":
        found.referenced = found.referenced or not item.get("encrypted_content")
    elif kind == "computer_call_output":
        found.image(text(item, "output", "image_url"))
    elif kind == "additional_tools":
        found.unmetered.extend(f"input.tools.{each}" for each in sorted(_tools(item.get("tools"), found, 0)))
    elif kind in _FROM_AFAR:
        found.referenced = True
    elif kind not in _PLAIN:
        found.unmetered.append(f"input.{kind}")


def _tools(tools: Json, found: Findings, depth: int) -> set[str]:
    """Count the tools, and return the kinds of those that run at the provider."""
    hosted: set[str] = set()
    if found.is_too_deep(depth, "tools"):
        return hosted
    for tool in found.many(tools, "tools"):
        kind = text(tool, "type")
        found.tools += CLIENT_TOOL if kind in _CLIENT_TOOLS else 1
        if kind == "namespace":
            hosted |= _tools(tool.get("tools"), found, depth + 1)
        elif kind in _AT_THE_PROVIDER:
            hosted.add(kind)
        elif kind == "tool_search" and tool.get("execution") == "client":
            continue
        elif kind not in ("function", "custom") and kind not in _CLIENT_TOOLS:
            found.unmetered.append(f"tools.{kind}")
    return hosted
