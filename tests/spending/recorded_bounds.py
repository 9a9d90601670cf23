"""What bounds the recorded requests, beside what they cost."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from functools import cache
from typing import NamedTuple

from aikeys.pricing.book import Book
from aikeys.pricing.cost import cost
from aikeys.pricing.values import Price
from aikeys.pricing.worst_case import WorstCase, worst_case
from aikeys.providers import catalogue
from aikeys.providers.usage import Usage
from aikeys.providers.wire.values import Metered, StreamEnd
from aikeys.spending.native.bodies import Metering, NativeRequest, bounds_of_body
from tests.providers.wire.recorded_exchanges import Record, decoded, dialect, records

NOON_US = 1_795_435_200_000_000
SENT_US = NOON_US + 900_000_000
_PROTOCOLS = {
    "chat": "openai_chat",
    "completions": "openai_completions",
    "responses": "openai_responses",
    "embeddings": "openai_embeddings",
    "messages": "anthropic_messages",
    "generateContent": "gemini_generate",
    "cohere-chat": "cohere_chat",
}
_OWN_EMBEDDINGS = {"gemini": "gemini_embeddings", "vertex": "gemini_embeddings", "cohere": "cohere_embeddings"}
_ANOTHER_SHAPE = ("writer", "ollama")  # OpenAI's at Cohere's path; Ollama's own is not passed through


class Judged(NamedTuple):
    """One recorded call. `cost_pusd` None: nobody knows its price. `refused`: why it is, under a limit."""

    record: Record
    metering: Metering
    worst: WorstCase
    usage: Usage
    cost_pusd: int | None
    refused: tuple[str, ...]
    metered: Metered
    price: Price

    def dearest_pusd(self) -> int:
        """Return what the same use costs at the dearest way of serving and region, with every fee that it may have."""
        fees = dict(self.usage.other) | dict(self.metering.bounds.units)
        usage = self.usage._replace(other=tuple(sorted(fees.items())))
        ways = self.metering.bounds.services
        return max(cost(self.price, usage, at_us=NOON_US, service=way).cost_pusd for way in ways)

    @property
    def kind(self) -> str:
        bounds = self.metering.bounds
        if self.record["endpoint"] == "embeddings":
            return "embeddings"
        if bounds.media:
            return "images"
        if bounds.referenced:
            return "referenced"
        if bounds.tools:
            return "tools"
        return "text, capped" if bounds.max_output else "text"

    def cost_ratio(self) -> float | None:
        return self.worst.cost_pusd / self.cost_pusd if self.cost_pusd else None

    def input_ratio(self) -> float | None:
        return self.worst.input_tokens / self.usage.input if self.usage.input else None


def native_of(record: Record) -> NativeRequest | None:
    """Return the recorded request as it would be passed through, None where it is not."""
    body = record["request"].get("body")
    endpoint, provider = record["endpoint"], record["provider"]
    if not body or provider == "bedrock" or endpoint not in _PROTOCOLS or provider in _ANOTHER_SHAPE:
        return None
    value = json.loads(body, parse_float=Decimal)
    if not isinstance(value, dict):
        return None
    protocol = _PROTOCOLS[endpoint]
    if endpoint == "embeddings":
        protocol = _OWN_EMBEDDINGS.get(provider, protocol)
    return NativeRequest(protocol, dialect(provider), record["model"] or str(value.get("model", "")), value)


@cache
def judged_records() -> tuple[Judged, ...]:
    return tuple(_judged())


def _judged() -> Iterator[Judged]:
    known = catalogue.load()
    book = Book("", {}, {}, known)
    for record in records():
        native = native_of(record)
        metered = _metered(record)
        if native is None or metered.usage is None:
            continue
        # a deployment of Azure as if config.toml said that it is like the model of its name
        found = book.find(native.dialect.provider, native.model, is_reply=True) if native.model else None
        certain = found is not None and found.is_certain and found.price.is_known
        price = found.price if found is not None and certain else Price(native.dialect.provider, native.model)
        metering = bounds_of_body(native, price, NOON_US, SENT_US)
        worst = worst_case(price, metering.bounds)
        undecided = tuple(each for each in worst.undecided if certain or each != "no price is known")
        spent = _spent(price, metered) if certain and not price.free else None
        yield Judged(record, metering, worst, metered.usage, spent, metering.unmetered + undecided, metered, price)


def _metered(record: Record) -> Metered:
    found = decoded(record)
    return found.reply.metered if isinstance(found, StreamEnd) else found.metered


def _spent(price: Price, metered: Metered) -> int:
    if metered.billed_pusd is not None:
        return metered.billed_pusd
    assert metered.usage is not None
    return cost(price, metered.usage, at_us=NOON_US, service=dict(metered.service)).cost_pusd
