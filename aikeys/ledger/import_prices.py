"""Costs of imported calls whose line states none: from the price book."""

from __future__ import annotations

from aikeys.ledger.calls import COMPUTED, ESTIMATED, UNPRICED, Call
from aikeys.pricing.book import Book
from aikeys.pricing.cost import cost, unpriced
from aikeys.pricing.found import FoundPrice
from aikeys.pricing.price_text import price_text


class BookPricing:
    """Prices calls by a book: `computed` by a price that is certain, `estimated` by one whose name only looks alike.

    What has no price, or not for every unit, is `unpriced`: its cost is a lower bound, and reports say so.
    """

    def __init__(self, book: Book) -> None:
        self._book = book
        self._found: dict[tuple[str, str], FoundPrice | None] = {}

    def __call__(self, call: Call) -> Call:
        provider = call.context.provider
        model = call.context.model.removeprefix(f"{provider}/")
        key = (provider, model)
        if key not in self._found:
            self._found[key] = self._book.find(provider, model)
        found = self._found[key]
        if found is None or not found.price.is_known:
            priced = unpriced(call.usage, "")
            return call._replace(cost_pusd=0, cost_source=UNPRICED, unpriced=priced.unpriced)
        priced = cost(found.price, call.usage, at_us=call.at_us)
        source = COMPUTED if found.is_certain else ESTIMATED
        return call._replace(
            context=call.context._replace(price=price_text(found.price, call.usage, at_us=call.at_us)),
            cost_pusd=priced.cost_pusd,
            cost_source=source if priced.is_complete else UNPRICED,
            unpriced=priced.unpriced,
        )
