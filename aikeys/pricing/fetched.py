"""The fetched price book in the home (`prices-fetched.jsonl`): what a table said that nobody has accepted yet.

Beside `models`, a provider's document may have `held`: rows of an earlier fetch that the newest one would lower. A file
that is older than the prices it would add to counts for nothing.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import cast

from aikeys.pricing import snapshot
from aikeys.pricing.found import FoundPrice
from aikeys.pricing.price_table import PriceTable, Row
from aikeys.pricing.taking import added, fallen, taken
from aikeys.pricing.values import Price

SOURCE = "fetched"
PriceFor = Callable[[str, str], Price | None]
"""The price that counts of a model at a provider by now, None where nobody knows it."""


class FetchedBook:
    """Fetched prices; None: there are none."""

    def __init__(self, kept: snapshot.Snapshot | None) -> None:
        self._kept = kept
        self._tables: dict[str, tuple[PriceTable, ...]] = {}

    @property
    def kept(self) -> snapshot.Snapshot | None:
        """Return the file, None where there is none that counts."""
        return self._kept

    def tables_of(self, provider: str) -> tuple[PriceTable, ...]:
        """Return the newest table of a provider, and what is held of earlier ones."""
        if provider not in self._tables:
            self._tables[provider] = self._read(provider)
        return self._tables[provider]

    def prices(self, provider: str, spelled: str) -> list[Price]:
        """Return what the tables say of a name; rules of thumb do not count."""
        found = [(table, table.exact(spelled)) for table in self.tables_of(provider)]
        return [table.price(row) for table, row in found if row is not None]

    def price(self, found: FoundPrice | None, provider: str, spelled: str, now_us: int) -> FoundPrice | None:
        """Return what counts of a name: what was found without these tables, and what they add to it."""
        said = self.prices(provider, spelled)[::-1]
        if not said:
            return found
        if found is None or not found.is_bound or not (found.price.is_known or found.price.free):
            price = added(said[0])
            for each in said[1:]:
                price = taken(price, added(each), now_us)
            return FoundPrice(price, is_certain=True)
        price = found.price
        for each in said:
            price = taken(price, each, now_us)
        is_listed = found.is_certain or not any(fallen(found.price, each, now_us) for each in said)
        return FoundPrice(price, is_listed, not is_listed)

    def _read(self, provider: str) -> tuple[PriceTable, ...]:
        line = self._kept.lines.get(provider) if self._kept is not None else None
        if self._kept is None or line is None:
            return ()
        document = snapshot.document(line, provider, snapshot.FETCHED)
        layers = [cast("list[Row]", document["models"]), *_layers(cast("list[Row]", document.get("held", [])))]
        return tuple(PriceTable({**document, "models": rows}, SOURCE, self._kept.mark) for rows in layers if rows)


def with_held(lines: Mapping[str, bytes], earlier: FetchedBook, counts: PriceFor, now_us: int) -> list[str]:
    """Return the lines of a new fetch with the rows of an earlier one that it would lower; `counts` knows the new one.

    Raises ValueError where a line is none.
    """
    made = []
    for provider in sorted({*lines, *(earlier.kept.lines if earlier.kept else ())}):
        held = _lowered(provider, earlier, counts, now_us)
        if provider in lines:
            document = dict(snapshot.parse(lines[provider], provider))
        elif held and earlier.kept is not None:
            document = {**snapshot.parse(earlier.kept.lines[provider], provider), "models": []}
        else:
            continue
        document.pop("held", None)
        if held:
            document["held"] = held
        made.append(written(document))
    return made


def accepted(lines: Iterable[bytes]) -> list[str]:
    """Return the lines of a fetched book without what is held."""
    made = []
    for line in lines:
        document = {name: value for name, value in snapshot.parse(line, "").items() if name != "held"}
        if document["models"]:
            made.append(written(document))
    return made


def written(document: Mapping[str, object]) -> str:
    """Return a document as a line; amounts stay the texts that they were read as."""
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"))


def _lowered(provider: str, earlier: FetchedBook, counts: PriceFor, now_us: int) -> list[Row]:
    """Return the rows of an earlier fetch that nothing since is as dear as, what was held already first."""
    held: list[Row] = []
    prices: dict[str, list[Price]] = {}
    for table in earlier.tables_of(provider)[::-1]:
        for row in table.rows:
            name, before = str(row["id"]), table.price(row)
            if name not in prices:
                after = counts(provider, name)
                prices[name] = [after] if after is not None else []
            if all(fallen(before, each, now_us) for each in prices[name]):
                held.append(row)
                prices[name].append(before)
    return held


def _layers(rows: list[Row]) -> list[list[Row]]:
    """Return rows in lists that have each name once."""
    layers: list[list[Row]] = []
    found: dict[str, int] = {}
    for row in rows:
        name = str(row["id"])
        depth = found[name] = found.get(name, -1) + 1
        layers += [[]] * (depth >= len(layers))
        layers[depth] = [*layers[depth], row]
    return layers
