"""The table of LiteLLM (pure): limits, exact names, fees, factors of regions, and models that genai-prices lacks."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any, NamedTuple

from aikeys.pricing import names

Row = dict[str, Any]
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
_REGIONS = {
    "anthropic": {"us": "us"},
    "openai": {
        "eu": "regional_processing_uplift_multiplier_eu",
        "us": "regional_processing_uplift_multiplier_us",
        "gov": "fedramp_uplift_multiplier",
    },
}
"""Regions in which a provider keeps data, and the field that has the factor of each."""
_ANYWHERE_THE_SAME = (
    *("claude-2", "claude-3", "claude-instant", "claude-v", "claude-haiku-4-5", "claude-sonnet-4-0"),
    *("claude-sonnet-4-2025", "claude-sonnet-4-5", "claude-opus-4-0", "claude-opus-4-1", "claude-opus-4-5"),
)
_MAPS: dict[object, Decimal] = {Decimal(35): Decimal(25), Decimal(14): Decimal(14)}
"""What a thousand prompts grounded by Maps cost, by what a thousand searches do."""
_SERVED = {
    "batches": ("processing", "batch"),
    "priority": ("service_tier", "priority"),
    "flex": ("service_tier", "flex"),
}
_KEY = re.compile(r"(.+?)(?:_above_(\d+)k_tokens)?(?:_(batches|priority|flex))?")


def entries(table: Row) -> dict[tuple[str, str], Row]:
    """Return the table's entries by our provider and model name; later spellings of one name don't replace earlier."""
    found: dict[tuple[str, str], Row] = {}
    for key, entry in table.items():
        if not isinstance(entry, dict):
            continue
        provider = _PROVIDERS.get(str(entry.get("litellm_provider", "")))
        if provider is None or entry.get("mode") not in (*_MODES, _MAKES_IMAGES):
            continue
        first, _, rest = key.partition("/")
        model = rest if rest and first in _PROVIDERS else key
        if provider == "bedrock" and "/" in model:  # a region's own price, not a name that a call uses
            continue
        found.setdefault((provider, model), entry)
    return found


class TableTerms(NamedTuple):
    """What holds for all of a book: where genai-prices is stale and why, its day, and what could not be read."""

    stale: dict[tuple[str, str], str]
    date: str
    left_out: list[str]


class Task(NamedTuple):
    """One provider's book while it is completed."""

    provider: str
    book: Row
    by_name: dict[str, Row]
    stale: dict[tuple[str, str], str]
    date: str


def add(books: dict[str, Row], table: dict[tuple[str, str], Row], terms: TableTerms) -> list[str]:
    """Complete the books in place; return one line for every first-party price that the two sources disagree on."""
    differences: list[str] = []
    for provider in sorted({provider for provider, _ in table} - set(books)):
        books[provider] = {"provider": provider, "falls_back": [], "models": []}
    by_provider: dict[str, list[tuple[str, Row]]] = {}
    for (provider, model), entry in sorted(table.items(), key=lambda each: each[0]):
        by_provider.setdefault(provider, []).append((model, entry))
    for provider, book in books.items():
        task = Task(provider, book, _index(book["models"]), terms.stale, terms.date)
        for model, entry in by_provider.get(provider, ()):
            try:
                differences += _completed(task, model, entry)
            except (ValueError, TypeError, KeyError, AttributeError, ArithmeticError):
                terms.left_out.append(f"{provider}/{model[:60]}")
        for row in book["models"]:
            _add_regions(provider, row)
            _order(row)
    return sorted(differences)


def _completed(task: Task, model: str, entry: Row) -> list[str]:
    if entry.get("mode") == _MAKES_IMAGES:
        _limit_images(task, model, entry)
        return []
    return _merge(task, model, entry)


def _merge(task: Task, model: str, entry: Row) -> list[str]:
    spelled, priced = names.spelled(model), _priced(entry)
    row = task.by_name.get(spelled)
    if row is None:
        _add_name(task, model, entry, priced)
        return []
    if row.get("source") == "litellm":
        return []
    _limit(row, entry)
    _add_fees(task.provider, row, entry)
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
        _add_fees(task.provider, likely, entry)
        _add_variants(task, likely, priced)
    elif priced:
        row = {"id": model, **priced, "source": "litellm"}
        task.by_name[spelled] = row
        _limit(row, entry)
        _add_fees(task.provider, row, entry)
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
    priced: Row = {"rates": plain}
    variants = [
        {"when": dict([_SERVED[served]]), "rates": scales}
        for served, units in sorted(rates.items())
        if (scales := _scales(units))
    ]
    return priced | ({"variants": variants} if variants else {})


def _add_fees(provider: str, row: Row, entry: Row) -> None:
    """Fees beside the tokens that the row has not: at the dearest where they depend on how much is searched.

    Perplexity's are for a request, which genai-prices has.
    """
    sizes = (entry.get("search_context_cost_per_query") or {}).values()
    fees = {
        "web_searches": max((_per_thousand(each) for each in sizes), default=Decimal(0)),
        "maps_searches": _per_thousand(entry.get("google_maps_grounding_cost_per_query")),
    }
    for unit, usd in fees.items():
        if row["rates"] and provider != "perplexity":
            _add_fee(row, unit, usd)
    own = entry.get("provider_specific_entry") or {}
    if provider in _REGIONS:
        _add_factors(provider, row, entry, own)
    if provider == "anthropic" and own.get("fast"):
        _add_fast(row, Decimal(own["fast"]))


def _add_fee(row: Row, unit: str, usd: Decimal) -> None:
    """Add a fee for all time, where the row has it at no time."""
    dated = [row["rates"], *(each["rates"] for each in row.get("later", ()))]
    if usd and not any(unit in rates for rates in dated):
        for rates in dated:
            rates[unit] = usd


def _add_factors(provider: str, row: Row, entry: Row, own: Row) -> None:
    """A region that an entry says nothing of costs the same there."""
    known = row.setdefault("residency", {})
    for region, field in _REGIONS[provider].items():
        said = own.get(field, entry.get(field))
        factor = Decimal(said) if isinstance(said, Decimal | int) and said > 1 else Decimal(1)
        known[region] = max(factor, known.get(region, Decimal(1)))


def _add_fast(row: Row, factor: Decimal) -> None:
    when = {"speed": "fast"}
    if not any(each["when"] == when for each in row.get("variants", ())):
        rates = {unit: _times(value, factor) for unit, value in row["rates"].items() if not unit.endswith("_searches")}
        row.setdefault("variants", []).append({"when": when, "rates": rates})


def _times(value: Any, factor: Decimal) -> Any:
    if isinstance(value, list):
        return [each if position % 2 else each * factor for position, each in enumerate(value)]
    return value * factor


def _add_regions(provider: str, row: Row) -> None:
    """What follows from a provider's own rules where neither table has it.

    Anthropic: 1.1 in the United States for models of 4.6 and newer. Google: Maps costs what it costs for the others of
    a generation, which its searches tell.
    """
    if provider == "anthropic" and "residency" not in row:
        is_older = names.spelled(row["id"]).startswith(_ANYWHERE_THE_SAME)
        row["residency"] = {"us": Decimal(1) if is_older else Decimal("1.1")}
    for rates in (row["rates"], *(each["rates"] for each in row.get("later", ()))):
        maps = _MAPS.get(rates.get("web_searches")) if provider == "gemini" else None
        if maps is not None:
            rates.setdefault("maps_searches", maps)


def _per_thousand(usd: object) -> Decimal:
    return Decimal(usd) * 1000 if isinstance(usd, Decimal | int) and not isinstance(usd, bool) else Decimal(0)


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
    for key in (
        "id",
        "names",
        "context",
        "output",
        "rates",
        "later",
        "variants",
        "free",
        "minimums",
        "residency",
        "source",
    ):
        if key in row:
            row[key] = row.pop(key)
