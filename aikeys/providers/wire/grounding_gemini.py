"""Counts what Gemini looked up with Google (pure): searches, maps, and what stands in no list.

- A search is billed by the query, by older models once for a prompt (the dialect's `searches_per_prompt`).
- Google Maps is billed once for a prompt that it grounds.
- The grounding of a stream comes in pieces, and a later one may repeat an earlier one: the larger count of each counts.
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import NamedTuple

from aikeys.providers.wire.dialects import Dialect
from aikeys.providers.wire.exact_json import Table, items, table, text
from aikeys.providers.wire.unread import Unread, items_of, reports_in, together, unread_of

_GROUNDING = "groundingMetadata"
_QUERIES = "webSearchQueries"
_SEARCH_TOOLS = ("GOOGLE_SEARCH_WEB", "GOOGLE_SEARCH")
_MAP_TOOL = "GOOGLE_MAPS"
_PLAIN = frozenset(("candidates", "usageMetadata", "modelVersion", "responseId", "createTime", "promptFeedback"))
_PLAIN_CANDIDATE = frozenset(("content", "finishReason", "finishMessage", "index", "safetyRatings", "avgLogprobs"))
_PLAIN_PARTS = frozenset(("text", "thought", "thoughtSignature"))
_MADE = ("image", "video")


class Grounded(NamedTuple):
    """What was looked up, by unit, and what of it nobody can price."""

    units: tuple[tuple[str, int], ...] = ()
    unread: Unread = ()

    def plus(self, more: Grounded) -> Grounded:
        """Return what two pieces of one reply tell."""
        units = dict(self.units)
        for unit, count in more.units:
            units[unit] = max(units.get(unit, 0), count)
        return Grounded(tuple(sorted(units.items())), together(self.unread, more.unread))


NOT_GROUNDED = Grounded()


def tells_more(body: Table) -> bool:
    """Tell whether a chunk has anything beside text and its usage."""
    if not _PLAIN.issuperset(body):
        return True
    for candidate in items(body, "candidates"):
        if not _PLAIN_CANDIDATE.issuperset(candidate):
            return True
        if not all(_PLAIN_PARTS.issuperset(part) for part in items(candidate, "content", "parts")):
            return True
    return False


def grounded(body: Table, model: str, dialect: Dialect) -> Grounded:
    """Return what a reply, or a chunk of one, tells of what was looked up."""
    reports = reports_in(body, plain=_PLAIN)
    searches = maps = 0
    kinds: list[str] = []
    for candidate in items(body, "candidates"):
        reports += reports_in(candidate, plain=("content",))
        queries, is_mapped = _looked_up(table(candidate, _GROUNDING), kinds)
        called, is_called = _called(candidate, kinds)
        searches += max(queries, called)
        maps |= is_mapped or is_called
    if searches and any(fnmatchcase(model, each) for each in dialect.searches_per_prompt.split()):
        searches = 1
    units = {name: int(count) for name, count in (("web_searches", searches), ("maps_searches", maps)) if count}
    unread = together(items_of(kinds, dialect.reported), unread_of(reports, set(), dialect.reported))
    return Grounded(tuple(sorted(units.items())), unread)


def made_medium(part: Table) -> str:
    """Return which medium a part of a reply holds, "" where it is text."""
    kind = text(part, "inlineData", "mimeType").partition("/")[0]
    return kind if kind in _MADE else ""


def _looked_up(found: Table, kinds: list[str]) -> tuple[int, bool]:
    """Return how many searches a candidate's grounding tells of, and whether maps were asked."""
    if not found:
        return 0, False
    searches = 0
    for name, value in found.items():
        if name.endswith("Queries") and isinstance(value, list) and value:
            if name == _QUERIES:
                searches = len(value)
            else:
                kinds += [f"{_GROUNDING}.{name}"] * len(value)
    chunks = items(found, "groundingChunks")
    if not searches and found.get("searchEntryPoint"):  # a chunk of the web alone may come of an address in the prompt
        searches = 1
    return searches, any("maps" in chunk for chunk in chunks) or bool(found.get("googleMapsWidgetContextToken"))


def _called(candidate: Table, kinds: list[str]) -> tuple[int, bool]:
    """Return the same of the tools that the parts of a candidate show."""
    searches, is_mapped = 0, False
    for part in items(candidate, "content", "parts"):
        for name in part.keys() - _PLAIN_PARTS:
            tool = text(part, name, "toolType") if name == "toolCall" else ""
            if tool in _SEARCH_TOOLS:
                queries = table(part, "toolCall", "args").get("queries")
                searches += len(queries) if isinstance(queries, list) and queries else 1
            elif tool == _MAP_TOOL:
                is_mapped = True
            else:
                kinds.append(f"parts.{name}.{tool}" if tool else f"parts.{name}")
    return searches, is_mapped
