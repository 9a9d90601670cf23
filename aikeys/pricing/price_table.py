"""The price table of one provider from one source (pure): which row a name means, and that row's price."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from aikeys.pricing import names, pins, reading
from aikeys.pricing.values import Price

Row = Mapping[str, object]


class PriceTable:
    """The models of one provider from one source."""

    def __init__(self, document: Row, source: str, version: str = "") -> None:
        """`version`: what entries name the table by, its date where there is none."""
        self.provider = str(document["provider"])
        self.version = version or str(document["date"])
        self.date = str(document["date"])
        self.source = source
        self.falls_back = tuple(cast("list[str]", document.get("falls_back", [])))
        self.rows = cast("list[Row]", document["models"])
        self._exact: dict[str, Row] | None = None
        self._rules: list[tuple[str, Row]] = []
        self._prices: dict[int, Price] = {}

    def ids(self) -> list[str]:
        return [str(row["id"]) for row in self.rows]

    def names(self) -> list[str]:
        """Return every name that certainly means a model, spelled."""
        self.exact("")
        return list(self._exact or ())

    def exact(self, spelled: str) -> Row | None:
        if self._exact is None:
            self._exact = self._index()
        return self._exact.get(spelled)

    def members(self, family: str) -> list[Row]:
        """Return the rows of a family: its own, and those of its pins."""
        self.exact(family)
        found = {id(row): row for name, row in (self._exact or {}).items() if pins.is_member(name, family)}
        found.update({id(row): row for name, row in self._rules if pins.is_member(name.replace("#", "0"), family)})
        return list(found.values())

    def by_rule(self, spelled: str) -> tuple[Row, bool] | None:
        """Return the first row whose rule fits; a rule of digits only is as good as a name."""
        self.exact(spelled)
        fitting = [(listed, row) for listed, row in self._rules if names.matches(listed, spelled)]
        fitting.sort(key=lambda found: names.is_rule(found[0]))
        return (fitting[0][1], not names.is_rule(fitting[0][0])) if fitting else None

    def price(self, row: Row) -> Price:
        kept = self._prices.get(id(row))  # rows live as long as the table
        if kept is None:
            source = f"{self.source}-{row['source']}" if "source" in row else self.source
            kept = self._prices[id(row)] = reading.price(row, self.provider, source, self.version)
        return kept

    def _index(self) -> dict[str, Row]:
        exact: dict[str, Row] = {}
        for row in self.rows:
            exact.setdefault(names.spelled(str(row["id"])), row)
        for row in self.rows:
            for name in cast("list[str]", row.get("names", ())):
                spelled = names.spelled(name)
                if names.is_rule(name) or "#" in name:
                    self._rules.append((spelled, row))
                else:
                    exact.setdefault(spelled, row)
        return exact
