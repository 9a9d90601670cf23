"""The price book: who is believed about a model's price.

In this order: the user's own price (config.toml), the updated book in the home, the bundled one, nobody. What was
fetched and not accepted only adds and raises (taking.py). The updated
book never expires by age, but one that is older than the bundled one stands behind it. A provider's file is read when
one of its models is asked for, and only once.

Free is what the user prices at zero, and a program of the catalogue that runs on this machine (ollama, llama-cpp …),
where the key itself sends to this machine. An address in config.toml makes nothing free, and neither does another
provider's key that sends here: behind it may be a tunnel to whom one pays.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from functools import cache
from typing import NamedTuple

from aikeys import clock
from aikeys.network.addresses import is_loopback
from aikeys.pricing import names, overrides, pins, snapshot
from aikeys.pricing.fetched import SOURCE as FETCHED
from aikeys.pricing.fetched import FetchedBook
from aikeys.pricing.found import FoundPrice
from aikeys.pricing.price_table import PriceTable
from aikeys.pricing.rates import at_host, dearest
from aikeys.pricing.values import Price
from aikeys.providers.catalogue import Provider

_DATA = os.path.join(os.path.dirname(__file__), "data")
_Asked = tuple[str, str, bool, str, int, bool]
DEPLOYMENTS = "azure"
"""The protocol whose names of models are those of deployments."""
_AT_ITS_MAKERS = "cloud"
"""The end of a model's tag that Ollama on this machine hands on to its makers: gpt-oss:120b-cloud."""
_MOST_FOUND = 1000
"""Prices that were looked up: a book reads its files once."""


class BookStatus(NamedTuple):
    """One source of prices for `prices status`."""

    source: str
    date: str
    providers: int
    models: int
    in_use: bool


class Book:
    """Finds prices. `prices` and `aliases` are those of config.toml; `catalogue` says what people run themselves."""

    def __init__(
        self,
        home: str,
        prices: Mapping[str, Mapping[str, object]],
        aliases: Mapping[str, str],
        catalogue: Mapping[str, Provider],
        fetched: FetchedBook | None = None,
    ) -> None:
        """`fetched`: instead of what the home has of fetched prices."""
        self._home = home
        self._aliases = aliases
        self._catalogue = catalogue
        self._own = overrides.read(prices, (*catalogue, *bundled_providers()))
        self._shelves: dict[str, tuple[PriceTable, ...]] = {}
        self._snapshot: snapshot.Snapshot | None = None
        self._is_loaded = False
        self._fetched_book = fetched
        self._found: dict[_Asked, FoundPrice | None] = {}

    def resolve(self, text: str) -> names.Name:
        """Return the provider and model that a text names; see names.py."""
        return names.resolve(text, self._aliases, {*self._catalogue, *bundled_providers()})

    def find(self, provider: str, model: str, sends_to: str = "", *, is_reply: bool = False) -> FoundPrice | None:
        """Return the price of a model; None where nobody knows the model (its price may still be empty: `is_known`).

        `sends_to` is the address sealed with the key that is used, "" where no key is. `is_reply`: the provider itself
        said the name, so that it is no deployment's.
        """
        known = self._catalogue.get(provider)
        key = (
            *(provider, model, bool(sends_to) and self._is_run_here(provider, model, sends_to)),
            known.residency_of(sends_to) if known is not None else "",
            pins.today() if pins.may_be(model) else 0,
            is_reply,
        )
        try:
            return self._found[key]
        except KeyError:
            pass
        found = self._looked_up(*key)
        if len(self._found) >= _MOST_FOUND:
            self._found.clear()
        self._found[key] = found
        return found

    def _looked_up(
        self, provider: str, model: str, is_run_here: bool, region: str, today: int, is_reply: bool
    ) -> FoundPrice | None:
        spelled = names.spelled(model)
        known = self._catalogue.get(provider)
        own = self._own.get((provider, spelled)) or self._own.get((provider, overrides.ANY))
        if own is not None:
            return self._own_price(own, provider, model)
        if is_run_here:
            return FoundPrice(Price(provider, model, free=True, source="local"), is_certain=True)
        found = self._listed(provider, spelled, today)
        if found is None or not found.is_bound:
            return found
        if known is not None and known.protocol == DEPLOYMENTS and not is_reply:
            return found._replace(is_certain=False, is_pin=False)  # somebody chose the name: it says nothing
        if found.is_pin:
            found = found._replace(price=found.price._replace(model=model))
        return _in_region(found, region) if region else found

    def may_run_here(self, provider: str) -> bool:
        """Tell whether a provider is a program that people run themselves: free where its key sends to this machine."""
        known = self._catalogue.get(provider)
        return known is not None and known.local

    def _is_run_here(self, provider: str, model: str, sends_to: str) -> bool:
        """Tell whether it is this machine that answers, so that a call costs nothing."""
        is_handed_on = model.rpartition(":")[2].lower().endswith(_AT_ITS_MAKERS)
        return self.may_run_here(provider) and is_loopback(sends_to) and not is_handed_on

    def nearest(self, provider: str, model: str) -> list[str]:
        """Return up to three names of this provider's models that look alike, as `provider/model`."""
        return [f"{provider}/{near}" for near in names.nearest(model, self.models(provider))]

    def models(self, provider: str) -> list[str]:
        """Return the ids of the provider's models, sorted."""
        tables = (*self._tables_of(provider), *self._fetched.tables_of(provider))
        return sorted({each for table in tables for each in table.ids()})

    def names(self, provider: str) -> list[str]:
        """Return every spelled name that certainly means a model of a provider."""
        tables = (*self._tables_of(provider), *self._fetched.tables_of(provider))
        return sorted({each for table in tables for each in table.names()})

    @property
    def fetched(self) -> FetchedBook:
        """Return the fetched prices that only add and raise."""
        return self._fetched

    def states(self) -> list[BookStatus]:
        """Return what each source holds, the most trusted first. Reads every file."""
        own = [BookStatus("config", "", len({provider for provider, _ in self._own}), len(self._own), in_use=True)]
        bundled = [_bundled(provider) for provider in bundled_providers()]
        date = max(table.date for table in bundled)
        models = sum(len(table.rows) for table in bundled)
        states = own if self._own else []
        kept = self._updated()
        if kept is not None:
            count = sum(
                len(PriceTable(snapshot.document(line, name), "updated").rows) for name, line in kept.lines.items()
            )
            states.append(BookStatus("updated", kept.date, len(kept.lines), count, in_use=kept.date >= date))
        if (waiting := self._fetched.kept) is not None:
            count = sum(len(table.ids()) for name in waiting.lines for table in self._fetched.tables_of(name))
            states.append(BookStatus(FETCHED, waiting.date, len(waiting.lines), count, in_use=True))
        return [*states, BookStatus("bundled", date, len(bundled), models, in_use=True)]

    def newest_date(self) -> str:
        """Return the day of the newest prices that count."""
        dates = [kept.date for kept in (self._updated(), self._fetched.kept) if kept is not None]
        return max((bundled_date(), *dates))

    def _own_price(self, own: overrides.Override, provider: str, model: str) -> FoundPrice | None:
        """A price of the user keeps the limits that are known of the model, where it gives none."""
        target = names.resolve(own.like, {}, {*self._catalogue, *bundled_providers()}) if own.like else None
        of, named = (target.provider, target.model) if target else (provider, model)
        listed = self._listed(of, names.spelled(named), pins.today())
        if target:
            return listed
        price = own.price._replace(model=model)
        if listed is not None and listed.is_certain:
            price = price._replace(
                context_window=price.context_window or listed.price.context_window,
                max_output=price.max_output or listed.price.max_output,
            )
        return FoundPrice(price, is_certain=True)

    def _listed(self, provider: str, spelled: str, today: int) -> FoundPrice | None:
        tables = self._tables_of(provider)
        found = _on(tables, spelled)
        if found is None or not found.is_certain:
            found = self._pinned(provider, tables, spelled, today) or found
        if found is None:
            found = self._elsewhere(tables, spelled)
        return self._fetched.price(found, provider, spelled, clock.now_us())

    def _elsewhere(self, tables: tuple[PriceTable, ...], spelled: str) -> FoundPrice | None:
        """Return the price at the providers that these tables fall back to, without ways of serving not sold here."""
        for other in dict.fromkeys(name for table in tables for name in table.falls_back):
            found = self._fetched.price(_on(self._tables_of(other), spelled), other, spelled, clock.now_us())
            if found is not None:
                return found._replace(price=found.price._replace(variants=()))
        return None

    def _pinned(self, provider: str, tables: tuple[PriceTable, ...], spelled: str, today: int) -> FoundPrice | None:
        """Return the dearest price of the family that a pin belongs to; only its maker pins a model."""
        known = self._catalogue.get(provider)
        if known is None or not known.makes or not (family := pins.family_of(spelled, today)):
            return None
        rows = [(table, row) for table in tables for row in table.members(family)]
        if not any(table.exact(family) is not None for table in tables):
            return None
        prices = [table.price(row) for table, row in rows]
        price = dearest([each for each in prices if each.is_known or each.free] or prices, pins.start_us(today))
        return FoundPrice(price, is_certain=False, is_pin=True)

    def _tables_of(self, provider: str) -> tuple[PriceTable, ...]:
        if provider not in self._shelves:
            self._shelves[provider] = tuple(self._read(provider))
        return self._shelves[provider]

    def _read(self, provider: str) -> Iterator[PriceTable]:
        bundled = _bundled(provider) if provider in bundled_providers() else None
        kept = self._updated()
        updated = None
        if kept is not None and provider in kept.lines:
            updated = PriceTable(snapshot.document(kept.lines[provider], provider), "updated", kept.mark)
        both = [table for table in (updated, bundled) if table is not None]
        yield from sorted(both, key=lambda table: table.date, reverse=True)

    def _updated(self) -> snapshot.Snapshot | None:
        if not self._is_loaded:
            self._snapshot, self._is_loaded = snapshot.load(self._home), True
        return self._snapshot

    @property
    def _fetched(self) -> FetchedBook:
        if self._fetched_book is None:
            kept = snapshot.load(self._home, snapshot.FETCHED)
            accepted = self._updated()
            if kept is not None and kept.date < max(bundled_date(), accepted.date if accepted else ""):
                kept = None  # what came since is newer
            self._fetched_book = FetchedBook(kept)
        return self._fetched_book


def load(home: str) -> Book:
    """Return the price book of a home: its config.toml, its updated prices, the bundled ones."""
    from aikeys import config
    from aikeys.providers import catalogue

    settings = config.load(home)
    return Book(home, settings.prices, settings.aliases, catalogue.load(settings.providers, settings.reported))


@cache
def bundled_providers() -> tuple[str, ...]:
    """Return the names of the providers that the package has prices of."""
    return tuple(sorted(file.removesuffix(".json") for file in os.listdir(_DATA) if file.endswith(".json")))


def bundled_date() -> str:
    """Return the day of the bundled prices."""
    return _bundled("openai").date


def _bundled(provider: str) -> PriceTable:
    with open(os.path.join(_DATA, f"{provider}.json"), encoding="utf-8") as file:
        return PriceTable(snapshot.parse(file.read(), provider), "bundled")


def _in_region(found: FoundPrice, region: str) -> FoundPrice:
    """Return a price as a regional host has it; one that does not say what the region costs is no price of it."""
    price = at_host(found.price, region)
    return found._replace(price=price) if price is not None else FoundPrice(found.price, is_certain=False)


def _on(tables: tuple[PriceTable, ...], spelled: str) -> FoundPrice | None:
    for table in tables:
        row = table.exact(spelled)
        if row is not None:
            return FoundPrice(table.price(row), is_certain=True)
    for table in tables:
        found = table.by_rule(spelled)
        if found is not None:
            return FoundPrice(table.price(found[0]), found[1])
    return None
