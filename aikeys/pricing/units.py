"""The units that providers bill (pure): their names, what they are parts of, and the rate that serves where one lacks.

- Names are those of `providers.usage.Usage` and of its `other`. Prices use the same names.
- A part is counted once: `cells` takes every unit apart into counts that do not overlap.
- A unit without a rate of its own is charged at the nearest wider one. Where that may be less than what is due (audio
  at the rate of text), the unit also counts as unpriced: `charged_as` says so.
"""

from __future__ import annotations

from collections.abc import Container
from typing import NamedTuple

from aikeys.providers.usage import Usage

REQUESTS = "requests"
_MTOK = 1_000_000
_PLAIN_TOKENS = frozenset({"input", "cache_read", "cache_write_5m", "cache_write_1h", "output", "reasoning"})


class Unit(NamedTuple):
    """One billed unit; list prices are for `per` of it.

    `wider` holds the units it is a part of, the rate that serves first standing first; the rates of those in `covers`
    are never less than what is due.
    """

    per: int = _MTOK
    wider: tuple[str, ...] = ()
    covers: tuple[str, ...] = ()


def _input(modality: str, *, as_text: bool) -> dict[str, Unit]:
    """Images and video are billed as text where nothing else is said; audio never is."""
    whole, read, write = f"input_{modality}_tokens", f"cache_{modality}_read_tokens", f"cache_{modality}_write_tokens"
    text = ("input",) if as_text else ()
    return {
        whole: Unit(wider=("input",), covers=text),
        read: Unit(
            wider=(whole, "cache_read", "input"), covers=(whole, "cache_read", "input") if as_text else (whole,)
        ),
        write: Unit(wider=(whole, "cache_write_5m", "input"), covers=()),
    }


UNITS: dict[str, Unit] = {
    "input": Unit(),
    "cache_read": Unit(wider=("input",), covers=("input",)),
    "cache_write_5m": Unit(wider=("input",)),
    "cache_write_1h": Unit(wider=("cache_write_5m", "input")),
    **_input("text", as_text=True),
    **_input("image", as_text=True),
    **_input("video", as_text=True),
    **_input("audio", as_text=False),
    "input_tool_tokens": Unit(wider=("input",), covers=("input",)),
    "output": Unit(),
    "reasoning": Unit(wider=("output",), covers=("output",)),
    "output_citation_tokens": Unit(wider=("output",), covers=("output",)),
    "output_text_tokens": Unit(wider=("output",), covers=("output",)),
    "output_audio_tokens": Unit(wider=("output",)),
    "output_image_tokens": Unit(wider=("output",)),
    "output_video_tokens": Unit(wider=("output",)),
    "input_characters": Unit(),
    "input_text_messages": Unit(1000),
    "audio_seconds": Unit(3600),
    "input_audio_seconds": Unit(3600, ("audio_seconds",), ("audio_seconds",)),
    "output_audio_seconds": Unit(3600, ("audio_seconds",), ("audio_seconds",)),
    "input_pixels": Unit(1_000_000_000),
    "input_document_pages": Unit(1000),
    "input_annotated_document_pages": Unit(1000, ("input_document_pages",)),
    "rerank_searches": Unit(1000),
    "web_searches": Unit(1000),
    "maps_searches": Unit(1000),
    "social_searches": Unit(1000),
    "storage_searches": Unit(1000),
    "code_executions": Unit(1000),
    REQUESTS: Unit(1000),
}


def cells(usage: Usage) -> list[tuple[str, int]]:
    """Return what was used as counts that do not overlap, in the order of UNITS, unknown units last; no zeros.

    Parts that add up to more than their whole win: no reported token is dropped.
    """
    read, write_5m, write_1h = usage.cache_read, usage.cache_write_5m, usage.cache_write_1h
    counts = {
        "input": usage.input,
        "cache_read": read,
        "cache_write_5m": write_5m,
        "cache_write_1h": write_1h,
        "output": usage.output,
        "reasoning": usage.reasoning,
    }
    if not usage.other:
        counts["input"] = max(0, usage.input - read - write_5m - write_1h)
        counts["output"] = max(0, usage.output - usage.reasoning)
        return [(name, count) for name, count in counts.items() if count > 0]
    for name, count in usage.other:
        counts[name] = counts.get(name, 0) + count
    return _apart(counts)


def is_tokens(unit: str) -> bool:
    """Tell whether a unit counts tokens of the model, not searches, pages or seconds."""
    return unit in _PLAIN_TOKENS or unit.endswith("_tokens")


def input_tokens(usage: Usage) -> int:
    """Return the whole input, which decides the tier."""
    return max(usage.input, usage.cache_read + usage.cache_write_5m + usage.cache_write_1h)


def charged_as(unit: str, rates: Container[str]) -> tuple[str, bool]:
    """Return the unit whose rate is charged ("" if none), and whether that rate is certainly not too low."""
    if unit in rates:
        return unit, True
    known = UNITS.get(unit)
    for wider in known.wider if known else ():
        if wider in rates:
            return wider, wider in (known.covers if known else ())
    return "", False


def _apart(counts: dict[str, int]) -> list[tuple[str, int]]:
    """A cache write of 1 h is no part of those of 5 min in a usage, though its rate may serve: see `_PARTS`."""
    left = {name: count for name, count in counts.items() if count > 0}
    for name in sorted(left, key=_depth, reverse=True):
        for whole in _PARTS.get(name, ()):
            if whole in left:
                left[whole] = max(0, left[whole] - left[name])
    order = {name: position for position, name in enumerate(UNITS)}
    return sorted(
        ((name, count) for name, count in left.items() if count > 0), key=lambda cell: order.get(cell[0], 999)
    )


def _depth(name: str) -> int:
    return len(_PARTS.get(name, ()))


_PARTS: dict[str, tuple[str, ...]] = {name: unit.wider for name, unit in UNITS.items()} | {"cache_write_1h": ("input",)}
