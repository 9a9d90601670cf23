"""Writes the bundled price files from genai-prices (MIT) and LiteLLM's price table (MIT). Not part of the wheel.

    python aikeys/pricing/data/generate.py --litellm litellm-1.109.1-….whl --date 2026-11-23 [--book prices.jsonl]

genai-prices has to be installed; of LiteLLM only the table inside the wheel is read, nothing of it is run. The same
input gives the same bytes. `--book` also writes everything as one file, which `aikeys prices update --from` takes.

- genai-prices wins; the exceptions stand in STALE, each with its reason.
- LiteLLM adds maximum outputs, larger context windows, exact names for what genai-prices only matches by rule of thumb
  (where their prices agree), and the models that genai-prices lacks (rows with "source": "litellm").
- An empty price stays without rates (unpriced) unless the id ends in `:free`.
"""

from __future__ import annotations

import argparse
import json
import sys
from decimal import Decimal
from importlib import import_module, metadata
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[2]))

from aikeys.pricing import names, snapshot  # noqa: E402  a checkout is not always installed
from aikeys.pricing.data import litellm_rows  # noqa: E402

SCHEMA = "aikeys.prices/1"
OURS = names.ELSEWHERE
SKIPPED = ("huggingface_", "github-copilot", "cursor", "openai-decisions", "typesafe", "quicksilverpro")
STALE = {
    ("deepseek", "deepseek-chat"): "still has the prices and hours of February 2025",
    ("deepseek", "deepseek-reasoner"): "still has the prices and hours of February 2025",
}
MOVED = {("mistral", "mistral-large-latest"): "mistral-large-2512"}  # genai-prices has it at Mistral Large 2
NOT_SERVED = {("google", "claude-"): "anthropic"}
"""Rows of a provider's other service (Vertex), which the endpoint we know does not serve, and whose they are."""
UNITS = {
    "input_mtok": "input",
    "output_mtok": "output",
    "cache_read_mtok": "cache_read",
    "cache_write_mtok": "cache_write_5m",
    "cache_write_1h_mtok": "cache_write_1h",
    "output_reasoning_mtok": "reasoning",
    "input_audio_mtok": "input_audio_tokens",
    "input_image_mtok": "input_image_tokens",
    "input_video_mtok": "input_video_tokens",
    "cache_audio_read_mtok": "cache_audio_read_tokens",
    "cache_image_read_mtok": "cache_image_read_tokens",
    "cache_video_read_mtok": "cache_video_read_tokens",
    "output_audio_mtok": "output_audio_tokens",
    "output_image_mtok": "output_image_tokens",
    "output_video_mtok": "output_video_tokens",
    "output_citation_mtok": "output_citation_tokens",
    "input_mchars": "input_characters",
    "input_text_messages_kcount": "input_text_messages",
    "audio_hours": "audio_seconds",
    "input_audio_hours": "input_audio_seconds",
    "input_document_kpages": "input_document_pages",
    "input_annotated_document_kpages": "input_annotated_document_pages",
    "rerank_searches_kcount": "rerank_searches",
    "web_searches_kcount": "web_searches",
    "social_searches_kcount": "social_searches",
    "storage_searches_kcount": "storage_searches",
    "code_executions_kcount": "code_executions",
    "requests_kcount": "requests",
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
    books = {book["provider"]: book for book in _from_genai()}
    for (provider, name), model in MOVED.items():
        _move(books[provider]["models"], name, model)
    differences = litellm_rows.add(books, litellm_rows.load(given.litellm), STALE, given.date)
    for old in HERE.glob("*.json"):
        old.unlink()
    documents = []
    for provider, book in sorted(books.items()):
        head = {"schema": SCHEMA, "provider": provider, "date": given.date, "sources": sources}
        document = {**head, "falls_back": book["falls_back"], "models": book["models"]}
        documents.append(document)
        (HERE / f"{provider}.json").write_text(_file(document), encoding="utf-8")
    (HERE / "DIFFERENCES.txt").write_text("".join(line + "\n" for line in differences), encoding="utf-8")
    if given.book:
        Path(given.book).write_bytes(snapshot.packed(given.date, [text(document) for document in documents]))


def _from_genai() -> list[Row]:
    providers = import_module("genai_prices.data").providers
    return [
        {
            "provider": OURS.get(provider.id, provider.id),
            "falls_back": [
                OURS.get(other, other)
                for other in provider.fallback_model_providers or ()
                if (provider.id, other) not in {(at, maker) for (at, _), maker in NOT_SERVED.items()}
            ],
            "models": [
                _row(provider.id, model)
                for model in provider.models
                if not any(provider.id == at and model.id.startswith(start) for at, start in NOT_SERVED)
            ],
        }
        for provider in providers
        if not provider.id.startswith(SKIPPED)
    ]


def _move(rows: list[Row], name: str, model: str) -> None:
    for row in rows:
        row["names"] = [each for each in row.get("names", ()) if each != name] + ([name] if row["id"] == model else [])
        if not row["names"]:
            del row["names"]


def _row(provider: str, model: Any) -> Row:
    row: Row = {"id": model.id}
    listed = [name for name in _names(model.match) if names.spelled(name) != names.spelled(model.id)]
    if listed:
        row["names"] = list(dict.fromkeys(listed))
    if model.context_window:
        row["context"] = model.context_window
    prices = model.prices if isinstance(model.prices, list) else None
    row["rates"] = _rates(prices[0].prices if prices else model.prices)
    if prices and prices[0].constraint is not None:
        raise ValueError(f"{model.id}: the first price has a condition")
    later = [{**_condition(each.constraint), "rates": _rates(each.prices)} for each in (prices or [])[1:]]
    if later:
        row["later"] = later
    variants = [
        {"when": dict(each.when), **_condition(each.constraint), "rates": _rates(each.prices)}
        for each in model.price_variants or ()
    ]
    if variants:
        row["variants"] = [each for each in variants if each["rates"]]
    if not row["rates"] and not later and model.id.endswith(":free"):
        row["free"] = True
    if provider == "groq" and model.id in ("whisper-large-v3", "whisper-large-v3-turbo"):
        row["minimums"] = {"audio_seconds": 10, "input_audio_seconds": 10}
    return row


def _rates(price: Any) -> dict[str, Any]:
    """An unknown price key stops the run: it would be silently free."""
    found: dict[str, Any] = {}
    for key, value in price.__dict__.items():
        if value is None:
            continue
        if isinstance(value, Decimal):
            found[UNITS[key]] = value
        else:
            found[UNITS[key]] = [value.base, *(part for tier in value.tiers for part in (tier.start, tier.price))]
    return found


def _condition(constraint: Any) -> dict[str, Any]:
    if constraint is None:
        return {}
    if hasattr(constraint, "start_date"):
        return {"from": constraint.start_date.isoformat()}
    return {"hours": [f"{each:%H:%M}" for each in (constraint.start_time, constraint.end_time)]}


def _names(clause: Any) -> list[str]:
    """Return a clause as listed names (names.py); the rules of `or` stand one by one."""
    kind = type(clause).__name__
    match kind:
        case "ClauseOr":
            return [name for part in clause.or_ for name in _names(part)]
        case "ClauseAnd":
            return ["&".join(name for part in clause.and_ for name in _names(part))]
        case "ClauseRegex":
            return _of_regex(clause.regex)
        case "ClauseEquals":
            return [clause.equals]
        case _:
            return [_of_part(kind, clause)]


def _of_part(kind: str, clause: Any) -> str:
    if kind == "ClauseStartsWith":
        return _before_date(clause.starts_with) + "*"
    return "*" + clause.ends_with if kind == "ClauseEndsWith" else f"*{_before_date(clause.contains)}*"


def _before_date(rule: str) -> str:
    """Vertex writes `@` before a version's date; we spell it `-`, which alone would fit far more."""
    return rule[:-1] + "-20" if rule.endswith("@") else rule


def _of_regex(regex: str) -> list[str]:
    """Only digits at fixed places, and `not a -tts model`, are known."""
    if regex == "^(?!.*-[tT][tT][sS](?:$|-))":
        return ["!*-tts&!*-tts-*"]
    body = regex.removeprefix("^").replace(r"\.", ".").replace("[-@]", "-")
    for count in (8, 4, 2):
        body = body.replace(rf"\d{{{count}}}", "#" * count)
    plain = body.replace(r"\d", "#")
    listed = plain.removesuffix("$") if plain.endswith("$") else plain + "*"
    if set("\\^$()[]?+|{}") & set(listed):
        raise ValueError(f"a pattern of an unknown kind: {regex}")
    return [listed]


def _file(document: Row) -> str:
    head = "".join(f"{text(key)}: {text(value)},\n" for key, value in document.items() if key != "models")
    return "{\n" + head + '"models": [\n' + ",\n".join(text(row) for row in document["models"]) + "\n]}\n"


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


if __name__ == "__main__":
    main()
