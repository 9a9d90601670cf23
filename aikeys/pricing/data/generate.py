"""Writes the bundled price files from genai-prices (MIT) and LiteLLM's price table (MIT). Not part of the wheel.

    python aikeys/pricing/data/generate.py --litellm litellm-1.110.2-….whl --date 2026-12-01 [--book prices.jsonl]

genai-prices has to be installed; of LiteLLM only the table inside the wheel is read, nothing of it is run. The book is
made by pricing/tables, as `aikeys prices update` makes it of the tables as they are published. The same input gives the
same bytes. `--book` also writes everything as one file, which `aikeys prices update --from` takes.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
import zipfile
from importlib import import_module, metadata
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[2]))

from aikeys.pricing import snapshot  # noqa: E402  a checkout is not always installed
from aikeys.pricing.tables import making  # noqa: E402

_TABLE = "litellm/model_prices_and_context_window_backup.json"
_KINDS = {
    "ClauseStartsWith": "starts_with",
    "ClauseEndsWith": "ends_with",
    "ClauseContains": "contains",
    "ClauseRegex": "regex",
    "ClauseEquals": "equals",
    "ClauseOr": "or",
    "ClauseAnd": "and",
}
Row = dict[str, Any]


def main() -> None:
    options = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    options.add_argument("--litellm", required=True, metavar="WHEEL")
    options.add_argument("--date", required=True)
    options.add_argument("--book", metavar="FILE")
    given = options.parse_args()
    litellm_version = Path(given.litellm).name.split("-")[1]
    sources = [f"genai-prices {metadata.version('genai-prices')} (MIT)", f"LiteLLM {litellm_version} (MIT)"]
    with zipfile.ZipFile(given.litellm) as archive:
        table = making.parsed(archive.read(_TABLE))
    made = making.made(genai_table(), table, given.date, sources)
    if made.left_out:
        raise SystemExit(f"not understood: {', '.join(made.left_out)}")
    for old in HERE.glob("*.json"):
        old.unlink()
    for document in made.documents:
        (HERE / f"{document['provider']}.json").write_text(_file(document), encoding="utf-8")
    (HERE / "DIFFERENCES.txt").write_text("".join(line + "\n" for line in made.differences), encoding="utf-8")
    if given.book:
        lines = [making.text(document) for document in made.documents]
        Path(given.book).write_bytes(snapshot.packed(given.date, lines))


def genai_table() -> list[Row]:
    """Return the installed package's data as genai-prices publishes it."""
    return [
        {
            "id": provider.id,
            "fallback_model_providers": provider.fallback_model_providers,
            "models": [_model(model) for model in provider.models],
        }
        for provider in import_module("genai_prices.data").providers
    ]


def _model(model: Any) -> Row:
    dated = isinstance(model.prices, list)
    return {
        "id": model.id,
        "match": _clause(model.match),
        "context_window": model.context_window,
        "prices": [_conditional(each) for each in model.prices] if dated else _prices(model.prices),
        "price_variants": [{"when": dict(each.when), **_conditional(each)} for each in model.price_variants or ()],
    }


def _conditional(price: Any) -> Row:
    return {"constraint": _constraint(price.constraint), "prices": _prices(price.prices)}


def _prices(price: Any) -> Row:
    return {key: _value(value) for key, value in price.__dict__.items() if value is not None}


def _value(value: Any) -> Any:
    if not hasattr(value, "tiers"):
        return value
    return {"base": value.base, "tiers": [{"start": tier.start, "price": tier.price} for tier in value.tiers]}


def _constraint(constraint: Any) -> Row | None:
    return None if constraint is None else {key: str(value) for key, value in dataclasses.asdict(constraint).items()}


def _clause(clause: Any) -> Row:
    (value,) = clause.__dict__.values()
    inner = [_clause(each) for each in value] if isinstance(value, list) else value
    return {_KINDS[type(clause).__name__]: inner}


def _file(document: Row) -> str:
    text = making.text
    head = "".join(f"{text(key)}: {text(value)},\n" for key, value in document.items() if key != "models")
    return "{\n" + head + '"models": [\n' + ",\n".join(text(row) for row in document["models"]) + "\n]}\n"


if __name__ == "__main__":
    main()
