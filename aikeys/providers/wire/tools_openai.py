"""Counts what the provider's own tools did in a reply of OpenAI's shapes (pure), and names what it cannot count.

- Responses: a search is billed by the call, code by the container it ran in (several calls may share one), images by
  the tokens of the model that made them, which stand in `tool_usage`. What other items cost stands in the usage.
- A number that the usage reports of a tool counts where it is more than the items show.
- Chat: a model that searches by itself has searched once, whatever its reply shows. A citation of the web from any
  other model tells of a search that nobody counted.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from aikeys.providers.reported import Reported
from aikeys.providers.usage import Usage
from aikeys.providers.wire.counts import UsageCounts, named
from aikeys.providers.wire.dialects import Dialect
from aikeys.providers.wire.exact_json import Table, items, table, text
from aikeys.providers.wire.unread import Unread, items_of
from aikeys.providers.wire.values import ModelUsage

_CALLS = {
    "web_search_call": "web_searches",
    "x_search_call": "social_searches",
    "file_search_call": "storage_searches",
}
_SERVER_TOOLS = {
    "web_search_calls": "web_searches",
    "x_search_calls": "social_searches",
    "code_interpreter_calls": "code_executions",
    "document_search_calls": "storage_searches",
    "file_search_calls": "storage_searches",
}
_DETAILS = "server_side_tool_usage_details"
_SEARCHES = (
    ("num_search_queries",),
    ("server_tool_use_details", "web_search_requests"),
    ("server_tool_use", "web_search_requests"),
    ("tool_calls_details", "search_web", "invocation"),
)
_SEARCHING_MODEL = re.compile(r"(?:^|-)search(?:-|$)")
_SEARCHING_PROVIDERS = ("openai", "azure-openai")
_IMAGE_MODEL = "gpt-image-1"
"""What the image tool uses where nobody says: its price is a lower bound then."""
_SHOWN = {
    "choices.message.annotations.url_citation": "web_searches",
    "choices.message.audio": "output_audio_tokens",
    "choices.message.images": "output_image_tokens",
    "web_search": "web_searches",
    "search_info": "web_searches",
    "search_results": "web_searches",
}
"""What a chat shows of something that is billed, and the unit that bills it."""
_FOUND = ("web_search", "search_info", "search_results")


class ToolsUsed(NamedTuple):
    """What was done: units, what other models used, and the kinds of what stands in the reply."""

    units: dict[str, int]
    others: tuple[ModelUsage, ...] = ()
    kinds: tuple[str, ...] = ()


def done(counts: UsageCounts, body: Table, dialect: Dialect) -> ToolsUsed:
    """Return what the tools of a reply did; `counts` are those of its usage."""
    reported = UsageCounts(table(body, "tool_usage"), counts)
    units = _reported(counts, reported)
    image = _image(reported, body)
    kinds: list[str] = []
    if isinstance(body.get("output"), list):
        shown = _of_items(items(body, "output"), kinds, has_image=image is not None)
        if not isinstance(counts.raw.get(_DETAILS), dict):
            units.update({unit: max(units.get(unit, 0), count) for unit, count in shown.items()})
    kinds += kinds_in_chat(body)
    for choice in items(body, "choices"):
        kinds += kinds_in_message(table(choice, "message"))
    if "choices" in body and searches_by_itself(text(body, "model"), dialect.provider):
        units["web_searches"] = max(1, units["web_searches"])
    if image is not None and not image.model:
        kinds.append("tool_usage.image_gen.model")
        image = image._replace(model=_IMAGE_MODEL)
    return ToolsUsed(units, (image,) if image is not None else (), tuple(kinds))


def unbilled(kinds: Iterable[str], usage: Usage | None, lists: Reported) -> Unread:
    """Return the kinds that no list names, and that no unit of the usage bills."""
    billed = {unit for unit, _ in usage.other} if usage else set()
    return items_of([kind for kind in kinds if _SHOWN.get(kind) not in billed], lists)


def _reported(counts: UsageCounts, reported: UsageCounts) -> dict[str, int]:
    """What the usage says, and what stands beside it in `tool_usage`."""
    units = {"web_searches": max(counts.largest(*_SEARCHES), reported.of("web_search", "num_requests"))}
    if isinstance(counts.raw.get(_DETAILS), dict):
        for name, unit in _SERVER_TOOLS.items():
            units[unit] = units.get(unit, 0) + counts.of(_DETAILS, name)
    return units


def searches_by_itself(model: str, provider: str) -> bool:
    """Tell whether a model searches the web in every chat, and bills that."""
    return provider in _SEARCHING_PROVIDERS and bool(_SEARCHING_MODEL.search(model))


def kinds_in_chat(body: Table) -> list[str]:
    """Return what a chat, or a chunk of one, shows of a search beside its messages."""
    return [name for name in _FOUND if body.get(name)] if "choices" in body else []


def kinds_in_message(message: Table) -> Iterator[str]:
    """Yield what a message of a chat, or a piece of one, holds of tools that the provider ran."""
    if message.get("annotations") and any(each.get("type") == "url_citation" for each in items(message, "annotations")):
        yield "choices.message.annotations.url_citation"
    if message.get("audio") and table(message, "audio").get("data"):
        yield "choices.message.audio"
    if message.get("images"):
        yield "choices.message.images"
    if message.get("executed_tools"):
        for tool in items(message, "executed_tools"):
            yield f"choices.message.executed_tools.{text(tool, 'type') or 'tool'}"


def _of_items(found: list[Table], kinds: list[str], *, has_image: bool) -> dict[str, int]:
    units: dict[str, int] = {}
    containers = set()
    for number, item in enumerate(found):
        kind = text(item, "type")
        if kind == "code_interpreter_call":
            containers.add(text(item, "container_id") or f"{number}")
        elif kind == "shell_call" and "environment" in item:
            containers.update(filter(None, (text(item, "environment", "container_id"),)))
        elif kind in _CALLS:
            action = text(item, "action", "type")
            if action in ("", "search"):
                units[_CALLS[kind]] = units.get(_CALLS[kind], 0) + 1
            else:
                kinds.append(f"output.{kind}.{action}")
        elif kind and not (kind == "image_generation_call" and has_image):
            kinds.append(f"output.{kind}")
    if containers:
        units["code_executions"] = len(containers)
    return units


def _image(reported: UsageCounts, body: Table) -> ModelUsage | None:
    """What the model behind the image tool used; its name is "" where the reply does not say it."""
    raw = reported.raw.get("image_gen")
    if not isinstance(raw, dict):
        return None
    counts = UsageCounts(raw, reported)
    read, written = counts.of("input_tokens"), counts.of("output_tokens")
    if not read and not written:
        return None
    drawn = counts.seen("output_tokens_details", "image_tokens")
    other = {
        "input_image_tokens": counts.of("input_tokens_details", "image_tokens"),
        "output_image_tokens": written if drawn is None else drawn,
    }
    cached = min(read, counts.of("input_tokens_details", "cached_tokens"))
    model = next((text(each, "model") for each in items(body, "tools") if each.get("type") == "image_generation"), "")
    return ModelUsage(model, Usage(input=read, cache_read=cached, output=written, other=named(other)))
