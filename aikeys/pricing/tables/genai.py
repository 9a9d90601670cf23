"""The table of genai-prices (pure): providers, models, prices by date, hour and way of serving.

A row that holds anything unknown is left out and named: an unknown price would be silently free.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from aikeys.pricing import names

Row = dict[str, Any]
OURS = names.ELSEWHERE
_SKIPPED = ("huggingface_", "github-copilot", "cursor", "openai-decisions", "typesafe", "quicksilverpro")
_NOT_SERVED = {("google", "claude-"): "anthropic"}
"""Rows of a provider's other service (Vertex), which the endpoint we know does not serve, and whose they are."""
_UNITS = {
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
_WRONG = (ValueError, TypeError, KeyError, AttributeError, IndexError, ArithmeticError, RecursionError)
_LEAST_SECONDS = {"audio_seconds": 10, "input_audio_seconds": 10}


def books(table: list[Row], left_out: list[str]) -> dict[str, Row]:
    """Return a book for each provider of the table; what cannot be read is named in `left_out`."""
    found: dict[str, Row] = {}
    for provider in table:
        try:
            name = str(provider["id"])
            if not name.startswith(_SKIPPED):
                found[OURS.get(name, name)] = _book(name, provider, left_out)
        except _WRONG:
            left_out.append("a provider")
    return found


def _book(name: str, provider: Row, left_out: list[str]) -> Row:
    rows = []
    for model in provider["models"]:
        try:
            if not any(name == at and model["id"].startswith(start) for at, start in _NOT_SERVED):
                rows.append(_row(name, model))
        except _WRONG:
            left_out.append(f"{name}/{str(model.get('id') if isinstance(model, dict) else model)[:60]}")
    not_here = {(at, maker) for (at, _), maker in _NOT_SERVED.items()}
    others = [other for other in provider.get("fallback_model_providers") or () if (name, other) not in not_here]
    return {
        "provider": OURS.get(name, name),
        "falls_back": [OURS.get(other, other) for other in others],
        "models": rows,
    }


def _row(provider: str, model: Row) -> Row:
    row: Row = {"id": model["id"]}
    listed = [name for name in _names(model["match"]) if names.spelled(name) != names.spelled(model["id"])]
    if listed:
        row["names"] = list(dict.fromkeys(listed))
    if model.get("context_window"):
        row["context"] = model["context_window"]
    dated = model["prices"] if isinstance(model["prices"], list) else [{"prices": model["prices"]}]
    row["rates"] = _rates(dated[0]["prices"])
    if dated[0].get("constraint"):
        raise ValueError("the first price has a condition")
    later = [{**_condition(each.get("constraint")), "rates": _rates(each["prices"])} for each in dated[1:]]
    if later:
        row["later"] = later
    variants = [
        {"when": dict(each["when"]), **_condition(each.get("constraint")), "rates": _rates(each["prices"])}
        for each in model.get("price_variants") or ()
    ]
    if variants:
        row["variants"] = [each for each in variants if each["rates"]]
    if not row["rates"] and not later and model["id"].endswith(":free"):
        row["free"] = True
    if provider == "groq" and model["id"] in ("whisper-large-v3", "whisper-large-v3-turbo"):
        row["minimums"] = dict(_LEAST_SECONDS)
    return row


def _rates(prices: Row) -> Row:
    found: Row = {}
    for key, value in prices.items():
        if value is None:
            continue
        if isinstance(value, dict):
            tiers = [part for tier in value["tiers"] for part in (tier["start"], _amount(tier["price"]))]
            found[_UNITS[key]] = [_amount(value["base"]), *tiers]
        else:
            found[_UNITS[key]] = _amount(value)
    return found


def _amount(value: object) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise TypeError("no amount")
    return Decimal(value)


def _condition(constraint: Row | None) -> Row:
    if not constraint:
        return {}
    if "start_date" in constraint:
        return {"from": constraint["start_date"]}
    return {"hours": [str(constraint[each])[:5] for each in ("start_time", "end_time")]}


def _names(clause: Row) -> list[str]:
    """Return a clause as listed names (names.py); the rules of `or` stand one by one."""
    ((kind, value),) = clause.items()
    if kind == "or":
        return [name for part in value for name in _names(part)]
    if kind == "regex":
        return _of_regex(value)
    if kind == "and":
        return ["&".join(name for part in value for name in _names(part))]
    rules = {
        "equals": value,
        "ends_with": f"*{value}",
        "starts_with": f"{_before_date(value)}*",
        "contains": f"*{_before_date(value)}*",
    }
    return [rules[kind]]


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
        raise ValueError("a pattern of an unknown kind")
    return [listed]
