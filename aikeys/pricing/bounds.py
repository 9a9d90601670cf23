"""Bounds of a request (pure): how many input tokens its text can be, and what its media can count.

- Text: a byte-level tokenizer never makes more tokens than bytes, and some normalise first: so the larger of the raw,
  NFC and NFKC length in UTF-8, with a fixed overhead for every message and tool (role marks, schema wrapping).
- Media: the caps below. A kind without one, and anything that is only referenced, may fill the whole context window.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from aikeys.pricing.cost import is_dearer
from aikeys.pricing.rates import dearest_region
from aikeys.pricing.values import RESIDENCY, STANDARD, Price, Service

MESSAGE_TOKENS = 16
TOOL_TOKENS = 64
REQUEST_TOKENS = 1024
"""Tokens that a provider adds on its own: its system prompt for tools (Anthropic: up to some 700 tokens), framing."""

MEDIA_TOKENS: dict[tuple[str, str], int] = {
    # OpenAI, images guide: at most 8 tiles; gpt-4o-mini counts 2,833 + 5,667 a tile, every other model less
    ("openai", "image"): 2833 + 8 * 5667,
    ("azure-openai", "image"): 2833 + 8 * 5667,
    ("openai", "audio_second"): 10,  # OpenAI, realtime costs guide: one token for 100 ms
    # Anthropic, vision guide: pixels / 750 after scaling to at most 3.75 megapixels
    ("anthropic", "image"): 5000,
    # Google, tokens guide: 258 a tile of 256 to 768 pixels after scaling to 3,072 pixels, and one of the whole
    ("gemini", "image"): 25 * 258,
    ("gemini", "audio_second"): 32,
    ("gemini", "document_page"): 1120,  # media resolution guide: the highest one
}

_OUTPUTS = tuple((each, f"output_{each}_tokens") for each in ("audio", "image", "video"))
_TEXT_UNLESS_ASKED = ("openai", "azure-openai")

_OF_THE_ACCOUNT = ("service_tier", "route")
"""Ways of serving that need no word in the request."""


_ONLY_STANDARD: tuple[Service, ...] = (STANDARD,)
_MOST_WAYS = 1024
_LONGEST_AT_ONCE = 1 << 18
_WAYS: dict[tuple[object, ...], tuple[Price, tuple[Service, ...]]] = {}
"""By the id of a price, which lives as long as it stands here, and what was asked for."""


class Media(NamedTuple):
    """Media of one kind: `image`, `audio_second`, `video_second`, `document_page`, `document` (pages unknown)."""

    kind: str
    amount: int = 1

    @property
    def modality(self) -> str:
        """Return which rates its tokens may have: `image`, `audio`, `video`."""
        first = self.kind.partition("_")[0]
        return "image" if first == "document" else first


class Bounds(NamedTuple):
    """What can make a request expensive. A request whose meter needs more than this is refused under a blocking budget.

    `text_tokens`: see `text_tokens()`. `referenced`: content is only named (stored conversations, file ids, caches,
    URLs). `iterations`: how often the provider may run the model by itself (server-side tools). `max_output`: the cap
    the request carries for one choice, 0 none; `cap_covers_reasoning`: False where reasoning comes on top of it.
    `cache_write`: `none`, `auto` (the provider writes by itself, where its price lists that), `5m`, `1h`.
    `services`: the ways it may be served; empty means any the price knows. `units`: the most of every further unit
    that may be billed (`web_searches`). `thinks`: it says something of reasoning. It is sent between `from_us` and
    `until_us`.
    """

    text_tokens: int
    from_us: int
    until_us: int
    messages: int = 1
    tools: int = 0
    media: tuple[Media, ...] = ()
    referenced: bool = False
    iterations: int = 1
    choices: int = 1
    max_output: int = 0
    cap_covers_reasoning: bool = True
    cache_write: str = "auto"
    services: tuple[Service, ...] = (STANDARD,)
    output_modalities: tuple[str, ...] = ()
    units: tuple[tuple[str, int], ...] = ()
    inputs: int = 1
    thinks: bool = False


def ways_of_serving(price: Price | None, asked: Service = STANDARD) -> tuple[Service, ...]:
    """Return the ways a request may be served: the standard one, those the account's own settings can bring about, and
    those it asks for, also without rates; each also in the dearest region, which needs no word in the request."""
    dear = {name: value for name, value in asked.items() if is_dearer(value)}
    if price is None or not (price.variants or price.residency or dear):
        return _ONLY_STANDARD
    key = (id(price), *asked.items())
    kept = _WAYS.get(key)
    if kept is None or kept[0] is not price:
        if len(_WAYS) >= _MOST_WAYS:
            _WAYS.clear()
        kept = _WAYS[key] = price, tuple(_ways(price, asked, dear))
    return kept[1]


def _ways(price: Price, asked: Service, dear: Service) -> Iterator[Service]:
    fitting = [
        dict(variant.when)
        for variant in price.variants
        if all(name in _OF_THE_ACCOUNT or asked.get(name) == value for name, value in variant.when)
    ]
    known = {pair for way in fitting for pair in way.items()} | {(RESIDENCY, region) for region, _ in price.residency}
    without_rates = {name: value for name, value in dear.items() if (name, value) not in known}
    region = dearest_region(price)
    together = [without_rates] if without_rates else [dear] if len(dear) > 1 else []
    for way in (STANDARD, *fitting, *together):
        yield way
        if region:
            yield {**way, RESIDENCY: region}


def unasked_outputs(price: Price | None, provider: str) -> tuple[str, ...]:
    """Return what a reply may hold beside text where the request does not say: whatever its price bills apart.

    No cap on tokens is known to cover these. OpenAI's replies are text unless asked (API reference, `modalities`).
    """
    if price is None or provider in _TEXT_UNLESS_ASKED:
        return ()
    tariffs = (*price.tariffs, *(variant.tariff for variant in price.variants))
    return tuple(name for name, unit in _OUTPUTS if any(unit in tariff.rates for tariff in tariffs))


def text_tokens(texts: Iterable[str]) -> int:
    """Return the most tokens that texts can be: message contents, tool and schema definitions as sent."""
    return sum(_longest(piece) for text in texts for piece in _pieces(text))


def _pieces(text: str) -> Iterable[str]:
    """Cut what is very long: other threads run in between, and the sum is no less than that of the whole."""
    if len(text) <= _LONGEST_AT_ONCE:
        return (text,)
    return (text[start : start + _LONGEST_AT_ONCE] for start in range(0, len(text), _LONGEST_AT_ONCE))


def _longest(text: str) -> int:
    if text.isascii():  # its own normal form
        return len(text)
    from unicodedata import normalize

    raw = len(text.encode("utf-8", "surrogatepass"))
    return max(raw, *(len(normalize(form, text).encode("utf-8", "surrogatepass")) for form in ("NFC", "NFKC")))
