"""The making of a price book from published tables (pure). The same input gives the same bytes.

- genai-prices wins; the exceptions stand in STALE, each with its reason.
- LiteLLM adds maximum outputs, larger context windows, exact names for what genai-prices only matches by rule of thumb
  (where their prices agree), fees and factors of regions, and the models that genai-prices lacks.
- An empty price stays without rates (unpriced) unless the id ends in `:free`.
"""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any, NamedTuple

from aikeys.pricing.tables import genai, litellm

SCHEMA = "aikeys.prices/1"
STALE = {
    ("deepseek", "deepseek-chat"): "still has the prices and hours of February 2025",
    ("deepseek", "deepseek-reasoner"): "still has the prices and hours of February 2025",
}
MOVED = {("mistral", "mistral-large-latest"): "mistral-large-2512"}  # genai-prices has it at Mistral Large 2
Row = dict[str, Any]


class Made(NamedTuple):
    """A book: a document for each provider; what the tables disagree on, and which rows were not understood."""

    documents: tuple[Row, ...]
    differences: tuple[str, ...]
    left_out: tuple[str, ...]


def parsed(data: bytes) -> Any:
    """Return a published table, numbers exact; ValueError where it is none."""
    try:
        return json.loads(data, parse_float=Decimal, parse_constant=_no_number)
    except RecursionError:
        raise ValueError("it is nested too deep") from None


def made(genai_table: Any, litellm_table: Any, date: str, sources: list[str]) -> Made:
    """Return the book of two tables; ValueError where one of them is no such table at all."""
    if not isinstance(genai_table, list) or not isinstance(litellm_table, dict):
        raise ValueError("it has another shape than is known")  # noqa: TRY004  it is the data that is wrong
    left_out: list[str] = []
    books = genai.books(genai_table, left_out)
    for (provider, name), model in MOVED.items():
        if provider in books:
            _move(books[provider]["models"], name, model)
    differences = litellm.add(books, litellm.entries(litellm_table), litellm.TableTerms(STALE, date, left_out))
    documents = []
    for provider, book in sorted(books.items()):
        head = {"schema": SCHEMA, "provider": provider, "date": date, "sources": sources}
        documents.append({**head, "falls_back": book["falls_back"], "models": book["models"]})
    return Made(tuple(documents), tuple(differences), tuple(left_out))


def text(value: Any) -> str:
    """Return compact JSON in which decimals stand exactly."""
    if isinstance(value, Decimal):
        plain = format(value, "f")
        return (plain.rstrip("0").rstrip(".") if "." in plain else plain) or "0"
    if isinstance(value, dict):
        return "{" + ",".join(f"{text(key)}:{text(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(text(each) for each in value) + "]"
    if isinstance(value, float):
        raise TypeError("money as a float")
    return json.dumps(value, ensure_ascii=False)


def _move(rows: list[Row], name: str, model: str) -> None:
    for row in rows:
        row["names"] = [each for each in row.get("names", ()) if each != name] + ([name] if row["id"] == model else [])
        if not row["names"]:
            del row["names"]


def _no_number(name: str) -> Any:
    raise ValueError(f"{name} is not a price")
