"""The models that a gateway lets a token ask, in the fields of `aikeys models`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aikeys.pricing import names
from aikeys.pricing.listing import FIELDS
from aikeys.providers.wire.exact_json import text
from aikeys.remote.client import rows_in

if TYPE_CHECKING:
    from aikeys.providers.wire.exact_json import Table
    from aikeys.remote.client import Gateway


def models_at(gateway: Gateway, query: str = "") -> list[dict[str, object]]:
    """Return those with a part in their name or in one of their aliases."""
    part = names.spelled(query)
    rows = [_row(each) for each in rows_in(gateway.get("/v1/models", [("prices", "true")]), "data")]
    return [row for row in rows if any(part in names.spelled(each) for each in _names(row))]


def _row(model: Table) -> dict[str, object]:
    """Return a model; a gateway of an older version tells the name alone."""
    return {name: model.get(name) for name in FIELDS} | {
        "model": text(model, "id"),
        "keys": model.get("keys") or [],
        "aliases": model.get("aliases") or [],
    }


def _names(row: dict[str, object]) -> list[str]:
    aliases = row["aliases"]
    return [str(row["model"]), *(map(str, aliases) if isinstance(aliases, list) else ())]
