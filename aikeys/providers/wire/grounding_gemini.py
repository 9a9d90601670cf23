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
    queries: frozenset[str] = frozenset()
    """What was searched for, where each search is billed."""

    def plus(self, more: Grounded) -> Grounded:
        """Return what two pieces of one reply tell."""
        units = dict(self.units)
        for unit, count in more.units:
            units[unit] = max(units.get(unit, 0), count)
        queries = self.queries | more.queries
        if queries:
            units["web_searches"] = max(units.get("web_searches", 0), len(queries))
        return Grounded(tuple(sorted(units.items())), together(self.unread, more.unread), queries)


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
    searches, is_mapped, asked = 0, False, set[str]()
    kinds: list[str] = []
    for candidate in items(body, "candidates"):
        reports += reports_in(candidate, plain=("content",))
        queries, used_maps = _looked_up(table(candidate, _GROUNDING), kinds)
        called, called_maps = _called(candidate, kinds)
        searches += max(len(queries), len(called))
        asked.update(queries, called)
        is_mapped = is_mapped or used_maps or called_maps
    if searches and any(fnmatchcase(model, each) for each in dialect.searches_per_prompt.split()):
        searches, asked = 1, set()
    found = (("maps_searches", int(is_mapped)), ("web_searches", max(searches, len(asked))))
    unread = together(items_of(kinds, dialect.reported), unread_of(reports, set(), dialect.reported))
    return Grounded(tuple((unit, count) for unit, count in found if count), unread, frozenset(asked))


def made_medium(part: Table) -> str:
    """Return which medium a part of a reply holds, "" where it is text."""
    kind = text(part, "inlineData", "mimeType").partition("/")[0]
    return kind if kind in _MADE else ""


def _looked_up(found: Table, kinds: list[str]) -> tuple[list[str], bool]:
    """Return what a candidate's grounding says was searched for, and whether maps were asked."""
    searches: list[str] = []
    for name, value in found.items():
        if name.endswith("Queries") and isinstance(value, list) and value:
            if name == _QUERIES:
                searches = list(map(str, value))
            else:
                kinds += [f"{_GROUNDING}.{name}"] * len(value)
    chunks = items(found, "groundingChunks")
    if not searches and found.get("searchEntryPoint"):  # a chunk of the web alone may come of an address in the prompt
        searches = [""]
    return searches, any("maps" in chunk for chunk in chunks) or bool(found.get("googleMapsWidgetContextToken"))


def _called(candidate: Table, kinds: list[str]) -> tuple[list[str], bool]:
    """Return the same of the tools that the parts of a candidate show."""
    searches: list[str] = []
    is_mapped = False
    for part in items(candidate, "content", "parts"):
        for name in part.keys() - _PLAIN_PARTS:
            tool = text(part, name, "toolType") if name == "toolCall" else ""
            if tool in _SEARCH_TOOLS:
                queries = table(part, "toolCall", "args").get("queries")
                searches += map(str, queries) if isinstance(queries, list) and queries else [text(part, name, "id")]
            elif tool == _MAP_TOOL:
                is_mapped = True
            else:
                kinds.append(f"parts.{name}.{tool}" if tool else f"parts.{name}")
    return searches, is_mapped
