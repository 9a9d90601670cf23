"""Rows for generate.py from LiteLLM's price table: limits, exact names, and the models that genai-prices lacks."""

from __future__ import annotations

import json
import re
import zipfile
from decimal import Decimal
from typing import Any, NamedTuple

from aikeys.pricing import names

Row = dict[str, Any]
_TABLE = "litellm/model_prices_and_context_window_backup.json"
_MODES = ("chat", "completion", "responses", "embedding", None)
_MAKES_IMAGES = "image_generation"
"""Of what makes images beside text only the limits are taken, and only where genai-prices has the model."""
_PER_MILLION = 1_000_000
_PROVIDERS = {
    **{name: name for name in ("openai", "anthropic", "gemini", "xai", "mistral", "deepseek", "groq", "cohere")},
    **{name: name for name in ("perplexity", "cerebras", "deepinfra", "nebius", "novita", "baseten", "databricks")},
    **{name: name for name in ("voyage", "moonshot", "minimax", "volcengine", "bedrock", "openrouter")},
    "cohere_chat": "cohere",
    "fireworks_ai": "fireworks",
    "together_ai": "together",
    "bedrock_converse": "bedrock",
    "azure": "azure-openai",
    "azure_ai": "azure-openai",
    "dashscope": "qwen",
    "vercel_ai_gateway": "vercel",
    "zai": "zhipu",
}
_FIRST_PARTIES = ("openai", "anthropic", "gemini", "xai", "mistral", "deepseek", "groq", "cohere", "perplexity")
_COSTS = {
    "input_cost_per_token": "input",
    "output_cost_per_token": "output",
    "cache_read_input_token_cost": "cache_read",
    "cache_creation_input_token_cost": "cache_write_5m",
    "cache_creation_input_token_cost_above_1hr": "cache_write_1h",
    "output_cost_per_reasoning_token": "reasoning",
    "input_cost_per_audio_token": "input_audio_tokens",
    "output_cost_per_audio_token": "output_audio_tokens",
    "input_cost_per_image_token": "input_image_tokens",
    "output_cost_per_image_token": "output_image_tokens",
    "cache_read_input_audio_token_cost": "cache_audio_read_tokens",
}
_SERVED = {
    "batches": ("processing", "batch"),
    "priority": ("service_tier", "priority"),
    "flex": ("service_tier", "flex"),
}
_KEY = re.compile(r"(.+?)(?:_above_(\d+)k_tokens)?(?:_(batches|priority|flex))?")


def load(wheel: str) -> dict[tuple[str, str], Row]:
    """Return the table's entries by our provider and model name; later spellings of one name don't replace earlier."""
    with zipfile.ZipFile(wheel) as archive:
        table = json.loads(archive.read(_TABLE), parse_float=Decimal)
    found: dict[tuple[str, str], Row] = {}
    for key, entry in table.items():
        provider = _PROVIDERS.get(entry.get("litellm_provider", ""))
        if provider is None or entry.get("mode") not in (*_MODES, _MAKES_IMAGES):
            continue
        first, _, rest = key.partition("/")
        model = rest if rest and first in _PROVIDERS else key
        if provider == "bedrock" and "/" in model:  # a region's own price, not a name that a call uses
            continue
        found.setdefault((provider, model), entry)
    return found


class Task(NamedTuple):
    """One provider's book while it is completed."""

    provider: str
    book: Row
    by_name: dict[str, Row]
    stale: dict[tuple[str, str], str]
    date: str


def add(
    books: dict[str, Row], table: dict[tuple[str, str], Row], stale: dict[tuple[str, str], str], date: str
) -> list[str]:
    """Complete the books in place; return one line for every first-party price that the two sources disagree on."""
    differences: list[str] = []
    for provider in sorted({provider for provider, _ in table} - set(books)):
        books[provider] = {"provider": provider, "falls_back": [], "models": []}
    for provider, book in books.items():
        task = Task(provider, book, _index(book["models"]), stale, date)
        for (of, model), entry in sorted(table.items()):
            if of != provider:
                continue
            if entry.get("mode") == _MAKES_IMAGES:
                _limit_images(task, model, entry)
            else:
                differences += _merge(task, model, entry)
        for row in book["models"]:
            _order(row)
    return sorted(differences)


def _merge(task: Task, model: str, entry: Row) -> list[str]:
    spelled, priced = names.spelled(model), _priced(entry)
    row = task.by_name.get(spelled)
    if row is None:
        _add_name(task, model, entry, priced)
        return []
    if row.get("source") == "litellm":
        return []
    _limit(row, entry)
    if not priced or not row["rates"]:
        return []
    if _agree(task, row, priced):
        _add_variants(task, row, priced)
        return []
    line = f"{task.provider}/{model}: genai-prices {_both(_today(task, row))}, LiteLLM {_both(priced['rates'])}"
    reason = task.stale.get((task.provider, row["id"])) or task.stale.get((task.provider, model))
    if reason:
        for key in ("rates", "later", "variants"):
            row.pop(key, None)
        row.update(priced, source="litellm")
        return [f"{line}; LiteLLM's is used: genai-prices {reason}"]
    return [line] if task.provider in _FIRST_PARTIES else []


def _add_name(task: Task, model: str, entry: Row, priced: Row) -> None:
    """A name that only a rule of thumb knew becomes exact where both sources agree; else the model gets a row."""
    spelled = names.spelled(model)
    likely = next((each for each in task.book["models"] if _by_rule(each, spelled)), None)
    if likely is not None and priced and _agree(task, likely, priced):
        likely.setdefault("names", []).append(model)
        task.by_name[spelled] = likely
        _limit(likely, entry)
        _add_variants(task, likely, priced)
    elif priced:
        row = {"id": model, **priced, "source": "litellm"}
        task.by_name[spelled] = row
        _limit(row, entry)
        task.book["models"].append(row)


def _add_variants(task: Task, row: Row, priced: Row) -> None:
    """Ways of serving that genai-prices lacks; not where its price is about to change."""
    if any(each.get("from", "") > task.date for each in row.get("later", ())):
        return
    known = [each["when"] for each in row.get("variants", ())]
    more = [each for each in priced.get("variants", ()) if each["when"] not in known]
    if more:
        row.setdefault("variants", []).extend(more)


def _index(rows: list[Row]) -> dict[str, Row]:
    found: dict[str, Row] = {}
    for row in rows:
        for name in (row["id"], *row.get("names", ())):
            if not names.is_rule(name):
                found.setdefault(names.spelled(name), row)
    return found


def _by_rule(row: Row, spelled: str) -> bool:
    return any(names.matches(names.spelled(name), spelled) for name in row.get("names", ()))


def _limit_images(task: Task, model: str, entry: Row) -> None:
    row = task.by_name.get(names.spelled(model))
    if row is not None and row.get("source") != "litellm":
        _limit(row, entry)


def _limit(row: Row, entry: Row) -> None:
    """The larger of two known windows: it is an upper bound."""
    largest = _tokens(entry.get("max_output_tokens"))
    window = _tokens(entry.get("max_input_tokens"))
    if largest > row.get("output", 0):
        row["output"] = largest
    if window > row.get("context", 0):
        row["context"] = window
    starts = [value[-2] for value in row["rates"].values() if isinstance(value, list)]
    if starts and row.get("context", 0) and max(starts) >= row["context"]:
        row["context"] = 1_000_000  # a tier that starts at the window: the long-context beta goes on from there


def _tokens(value: object) -> int:
    return value if isinstance(value, int) and 0 < value <= 100_000_000 else 0


def _priced(entry: Row) -> Row:
    """Return the rates and variants of an entry; nothing when it has no price. A zero there means unknown."""
    rates: dict[str, dict[str, Any]] = {}
    for key, value in entry.items():
        match = _KEY.fullmatch(key)
        unit = _COSTS.get(match[1]) if match else None
        if match is None or unit is None or not isinstance(value, Decimal | int) or not value:
            continue
        usd = round(Decimal(value) * _PER_MILLION, 9).normalize()  # the table comes from floats: 2.9999900000000002
        steps = rates.setdefault(match[3] or "", {}).setdefault(unit, {})
        steps[int(match[2] or 0) * 1000] = usd
    plain = _scales(rates.pop("", {}))
    if "input" not in plain:
        return {}
    searches = set((entry.get("search_context_cost_per_query") or {}).values())
    if len(searches) == 1 and isinstance(price := searches.pop(), Decimal | int) and price:
        plain["web_searches"] = Decimal(price) * 1000
    priced: Row = {"rates": plain}
    variants = [
        {"when": dict([_SERVED[served]]), "rates": scales}
        for served, units in sorted(rates.items())
        if (scales := _scales(units))
    ]
    return priced | ({"variants": variants} if variants else {})


def _scales(units: dict[str, dict[int, Decimal]]) -> dict[str, Any]:
    """A unit that only has a tier, without a base, is left out."""
    return {
        unit: steps[0]
        if len(steps) == 1
        else [steps[0], *(part for step in sorted(steps.items())[1:] for part in step)]
        for unit, steps in units.items()
        if 0 in steps
    }


def _agree(task: Task, row: Row, priced: Row) -> bool:
    return _both(_today(task, row)) == _both(priced["rates"])


def _today(task: Task, row: Row) -> Row:
    """The newest rates that hold all day."""
    dated = [each["rates"] for each in row.get("later", ()) if each.get("from", "9999") <= task.date]
    rates: Row = dated[-1] if dated else row["rates"]
    return rates


def _both(rates: Row) -> str:
    shown = [rates.get(unit) for unit in ("input", "output")]
    plain = [value[0] if isinstance(value, list) else value for value in shown]
    return "/".join("-" if value is None else f"${value.normalize():f}" for value in plain)


def _order(row: Row) -> None:
    for key in ("id", "names", "context", "output", "rates", "later", "variants", "free", "minimums", "source"):
        if key in row:
            row[key] = row.pop(key)
