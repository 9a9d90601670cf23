"""Chat completions of OpenAI and all who speak them, and the old completions (pure)."""

from __future__ import annotations

from aikeys.providers.wire.exact_json import Table, at, table, text
from aikeys.providers.wire.values import Json
from aikeys.spending.native.findings import Findings, names

_SAMPLING = names(
    "model temperature top_p top_k min_p top_a stop seed random_seed presence_penalty frequency_penalty "
    "repetition_penalty logit_bias logprobs top_logprobs user metadata stream stream_options service_tier n "
    "max_tokens safety_identifier prompt_cache_key prompt_cache_retention prompt_cache_options store"
)
_CHAT = _SAMPLING | names(
    "messages tools tool_choice functions function_call parallel_tool_calls max_completion_tokens response_format "
    "reasoning reasoning_effort reasoning_format include_reasoning thinking enable_thinking thinking_budget "
    "clear_thinking verbosity modalities audio safe_prompt prompt_mode usage web_search_options"
)
_COMPLETIONS = _SAMPLING | {"prompt", "suffix", "best_of"}
_MESSAGE = names(
    "role content name tool_calls tool_call_id function_call refusal audio reasoning reasoning_content "
    "reasoning_details prefix partial cache_control annotations"
)
CAPS = ("max_tokens", "max_completion_tokens")
"""The two names of the cap; a provider knows one of them, or both."""
_TEXTS = frozenset({"text", "refusal", "thinking", "input_text", "output_text"})


def read(body: Table, found: Findings) -> None:
    """Read a chat."""
    found.meter(body, _CHAT)
    for message in found.many(body.get("messages"), "messages"):
        found.meter(message, _MESSAGE, "messages.")
        found.messages += 1
        if message.get("audio") is not None:  # names a reply that the provider keeps
            found.referenced = True
        read_parts(message.get("content"), found)
    for tool in found.many(body.get("tools"), "tools"):
        kind = text(tool, "type") or "function"
        found.tools += 1
        if kind not in ("function", "custom"):
            found.unmetered.append(f"tools.{kind}")
    found.tools += len(found.many(body.get("functions"), "functions")) + (body.get("response_format") is not None)
    found.choices = found.count(body.get("n"), "n", 1)
    _cap(body, found)
    for budget in (at(body, "thinking", "budget_tokens"), at(body, "reasoning", "max_tokens")):
        found.thinking_tokens = max(found.thinking_tokens, found.count(budget, "thinking"))
    _output(body.get("modalities"), found)
    found.serve("service_tier", body.get("service_tier"))
    _searches(body, found)


def read_completion(body: Table, found: Findings) -> None:
    """Read an old completion: one text or several, each answered `n` times."""
    found.meter(body, _COMPLETIONS)
    found.serve("service_tier", body.get("service_tier"))
    found.inputs = how_many(body.get("prompt"))
    found.messages = found.inputs
    best, n = (found.count(body.get(name), name, 1) for name in ("best_of", "n"))
    found.choices = max(best, n) * found.inputs
    found.max_output = found.count(body.get("max_tokens"), "max_tokens")


def how_many(value: Json) -> int:
    """Return how many inputs there are: a text, a list of texts, of token numbers, or of lists of token numbers."""
    if isinstance(value, list) and value and not all(type(each) is int for each in value):
        return len(value)
    return 1


def read_parts(content: Json, found: Findings) -> None:
    """Read the content of a message."""
    for part in found.many(content, "messages.content"):
        found.messages += 1
        kind = text(part, "type") or ("text" if "text" in part else "")
        inner = part.get(kind)
        match kind:
            case "image_url" | "input_image":
                found.image(text(part, "image_url", "url") or part.get("image_url"))
            case "input_audio":
                found.medium("audio", table(inner).get("data"))
            case "video_url":
                found.medium("video")
            case "file" | "input_file":
                found.file(table(inner).get("file_data") or part.get("file_data"))
            case "file_url" | "document_url":
                found.file(None)
            case _ if kind not in _TEXTS:
                found.unmetered.append(f"messages.content.{kind}")


def _cap(body: Table, found: Findings) -> None:
    """A cap under a name that the provider may pass over is none; of two that differ nobody knows which it believes."""
    caps = {name: found.count(body.get(name), name) for name in {*CAPS, found.dialect.cap}}
    if len(set(filter(None, caps.values()))) > 1:
        found.unmetered.append("max_tokens beside another max_completion_tokens")
    if caps["max_tokens"] or caps[found.dialect.cap]:
        found.max_output = max(caps.values())


def _output(modalities: Json, found: Findings) -> None:
    found.outputs(modalities, "modalities")
    if "image" in found.output_modalities:  # counted apart from the text that the cap is for
        found.cap_covers_reasoning = False


def _searches(body: Table, found: Findings) -> None:
    """Who searches without being given a tool for it."""
    provider = found.dialect.provider
    if provider in ("openai", "azure-openai") and "search" in found.model:
        found.runs_again(0)
        found.units["web_searches"] = 1
    elif body.get("web_search_options") is not None:
        found.unmetered.append("web_search_options")
    if provider == "perplexity" or "compound" in found.model or ":online" in found.model:
        found.unmetered.append("searches that the model decides on")
