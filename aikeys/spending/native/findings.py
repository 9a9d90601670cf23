"""Findings of a reader that goes through a request body (pure).

- A reader knows the fields of its protocol that it meters. Every other one that is set is noted in `unmetered`.
- All text counts, wherever it stands: readers only take away the payloads of media that have a cap of their own.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

from aikeys.pricing.bounds import Media
from aikeys.providers.wire.dialects import Dialect
from aikeys.providers.wire.exact_json import Table, items
from aikeys.providers.wire.values import Json

CLIENT_TOOL = 16
"""A tool the provider describes and the client runs (a shell, an editor) counts as so many: its text is not sent."""
_DEEPEST = 8


@dataclass(slots=True)
class Findings:
    """What was found so far; the fields are those of Bounds, where they have their names."""

    dialect: Dialect
    model: str
    unmetered: list[str] = field(default_factory=list)
    media: list[Media] = field(default_factory=list)
    payload_bytes: int = 0
    messages: int = 0
    tools: int = 0
    referenced: bool = False
    iterations: int = 1
    inputs: int = 1
    choices: int = 1
    max_output: int = 0
    thinking_tokens: int = 0
    cap_covers_reasoning: bool = True
    output_modalities: list[str] = field(default_factory=list)
    says_outputs: bool = False
    units: dict[str, int] = field(default_factory=dict)
    asked: dict[str, str] = field(default_factory=dict)

    def meter(self, value: Table, known: Collection[str], where: str = "") -> None:
        """Note every field that is set and not in `known`."""
        for name, inner in value.items():
            if inner is not None and name not in known:
                self.unmetered.append(where + name)

    def serve(self, name: str, value: Json) -> None:
        """Note in which way the request asks to be served: a word; anything else is not metered."""
        if isinstance(value, str):
            self.asked[name] = value.lower()
        elif value is not None:
            self.unmetered.append(name)

    def outputs(self, modalities: Json, where: str) -> None:
        """Note what the reply may hold, where the request says so: a list of words."""
        if modalities is None:
            return
        words = [each.lower() for each in modalities if isinstance(each, str)] if isinstance(modalities, list) else []
        if not isinstance(modalities, list) or len(words) < len(modalities):
            self.unmetered.append(where)
        self.says_outputs = bool(words)
        self.output_modalities = [each for each in words if each != "text"]

    def count(self, value: Json, where: str, otherwise: int = 0) -> int:
        """Return a count that was given; one that is none is no bound."""
        if value is None:
            return otherwise
        if type(value) is int and value > 0:
            return value
        self.unmetered.append(where)
        return otherwise

    def payload(self, data: Json) -> None:
        """Take bytes written as base64 out of the text: the cap of their medium bounds them."""
        if isinstance(data, str) and data.isascii():
            self.payload_bytes += len(data)

    def medium(self, kind: str, data: Json = None) -> None:
        self.media.append(Media(kind))
        self.payload(data)

    def image(self, address: Json) -> None:
        """An image by its address, or by its bytes within it: its size in tokens has a cap either way."""
        is_data = isinstance(address, str) and address.startswith("data:image/")
        self.medium("image", address if is_data else None)

    def file(self, data: Json) -> None:
        """A file of unknown length."""
        self.medium("document", data)

    def many(self, value: Json, where: str) -> list[Table]:
        """Return the objects of a list; whatever else stands in it but text is not metered."""
        if isinstance(value, list) and not all(isinstance(each, dict | str) for each in value):
            self.unmetered.append(where)
        return items(value)

    def is_too_deep(self, depth: int, where: str) -> bool:
        if depth > _DEEPEST:
            self.unmetered.append(where)
        return depth > _DEEPEST

    def runs_again(self, times: int, unit: str = "") -> None:
        """The provider may run the model so many more times by itself, billing each as one of `unit`."""
        self.iterations += times
        self.referenced = True
        if unit:
            self.units[unit] = self.units.get(unit, 0) + times


def medium_of(media_type: Json) -> str:
    """Return the kind of medium that a MIME type names."""
    kind = media_type.partition("/")[0].lower() if isinstance(media_type, str) else ""
    return kind if kind in ("image", "audio", "video") else "document"


def names(text: str) -> frozenset[str]:
    """Return the names of fields that stand in a text, between spaces."""
    return frozenset(text.split())
