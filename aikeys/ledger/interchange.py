"""Calls as JSON lines, in both directions (pure): what `ledger export` writes and `ledger import` reads.

aikeys-ledger(5) has the fields. A line is refused for anything it says that is not known, not exact or not possible:
a misspelled field would otherwise count as zero.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Context as Arithmetic
from decimal import Decimal
from typing import Any, NamedTuple

from aikeys.clock import rfc3339
from aikeys.errors import UsageError as Refused
from aikeys.ledger.calls import (
    BILLED,
    COST_SOURCES,
    EQUIVALENT,
    IMPORT,
    MAX_COST_PUSD,
    MAX_COUNT,
    REVERSED,
    REVERSED_FAILED,
    UNPRICED,
    Call,
    Context,
    Labels,
)
from aikeys.ledger.listing import Recorded
from aikeys.money import PUSD_PER_USD, usd_text
from aikeys.names import escaped, key_name, label, meant
from aikeys.providers.usage import Usage

SCHEMA = "aikeys.ledger-export/1"
CALL = "call"
_KINDS = (CALL, "act", "ledger")
_TOKENS = {
    "input": "input_tokens",
    "cache_read": "cached_input_tokens",
    "cache_write_5m": "cache_write_5m_tokens",
    "cache_write_1h": "cache_write_1h_tokens",
    "output": "output_tokens",
    "reasoning": "reasoning_tokens",
}
_LABELS = ("team", "project", "environment", "user")
_TEXTS = ("key", "provider", "model", "answered", "token", "price", "address")
_ORIGINS = ("source", "tool")
_NAMES = ("provider", "model", "token", "tool")  # names of somebody or something, as labels are
FIELDS = (
    "kind", "id", "number", "at", "settled_at", *_LABELS, "tags", *_TEXTS, "door", *_TOKENS.values(), "units",
    "unpriced_units", "cost_usd", "cost_source", "status", "latency_ms", "first_token_ms", "corrects", "request_id",
    "message_id", "source", "tool", "run", "list_usd", "doubt_usd", "unread",
)  # fmt: skip
_KNOWN = frozenset(FIELDS)
_LONGEST = 200
_MOST_UNREAD = 8
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_AHEAD_US = 86_400_000_000
_AMOUNT = re.compile(r"-?\d{1,15}(\.\d{1,60})?", re.ASCII)
_exact = Arithmetic(prec=100)


class Item(NamedTuple):
    """A line of an import: its id, its call (without a cost where `is_unpriced`), the id it corrects or nothing."""

    id: str
    call: Call
    corrects: str
    is_unpriced: bool


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a number")


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise Refused(f"{next(name for name in names if names.count(name) > 1)[:40]} stands twice")
    return found


_decode = json.JSONDecoder(parse_float=Decimal, parse_constant=_no_constant, object_pairs_hook=_each_once).decode


class LineReader:
    """Reads lines; `now_us` is the time of the import. Remembers contexts: most lines share one."""

    def __init__(self, now_us: int) -> None:
        self._now_us = now_us
        self._contexts: dict[tuple[Any, ...], Context] = {}

    def read(self, line: bytes) -> Item | None:
        """Return a line's call, None for an act or the export's own first line; Refused says what is wrong."""
        try:
            row = _decode(line.decode("utf-8"))
        except UnicodeDecodeError:
            raise Refused("it is not UTF-8") from None
        except (ValueError, RecursionError) as error:
            reason = error.msg if isinstance(error, json.JSONDecodeError) else str(error)
            raise Refused(f"it is not JSON ({reason})") from None
        if not isinstance(row, dict):
            raise Refused("it is not a JSON object")
        kind = row.get("kind") or CALL
        if kind not in _KINDS:
            raise Refused(f"its kind is none of {', '.join(_KINDS)}")
        return self._item(row) if kind == CALL else None

    def _item(self, row: Mapping[str, Any]) -> Item:
        _refuse_unknown(row)
        at_us = self._instant(row, "at")
        corrects = _text(row, "corrects")
        source = _text(row, "cost_source")
        cost_pusd = _cost(row.get("cost_usd"), is_correction=bool(corrects))
        if source and source not in COST_SOURCES:
            raise Refused(f"cost_source {source!r} is none of {', '.join(COST_SOURCES)}")
        if cost_pusd is None and source not in ("", UNPRICED):
            raise Refused(f"cost_source is {source}, but cost_usd is missing")
        identity = _text(row, "id")
        if not identity:
            raise Refused("id is missing")
        call = Call(
            at_us=at_us,
            settled_us=self._now_us,
            context=self.context(row),
            usage=_usage(row),
            unpriced=_counts(row, "unpriced_units"),
            cost_pusd=cost_pusd or 0,
            cost_source=source or BILLED,
            status=_status(row),
            latency_ms=_count(row, "latency_ms", None),
            first_token_ms=_count(row, "first_token_ms", None),
            request_id=_text(row, "request_id"),
            message_id=_text(row, "message_id"),
            run=_text(row, "run"),
            list_pusd=_cost(row.get("list_usd"), is_correction=bool(corrects)) or 0,
            doubt_pusd=_cost(row.get("doubt_usd"), is_correction=bool(corrects)) or 0,
            unread=_unread(row),
            import_id=identity,
        )
        if call.cost_source == EQUIVALENT and call.cost_pusd:
            raise Refused("cost_source is equivalent, but cost_usd is not 0: what it would have cost is list_usd")
        return Item(identity, call, corrects, is_unpriced=cost_pusd is None)

    def context(self, row: Mapping[str, Any]) -> Context:
        """Return the context of a row; Refused."""
        tags = row.get("tags") or {}
        key = (
            *map(row.get, _LABELS),
            *map(row.get, (*_TEXTS, *_ORIGINS)),
            tuple(tags.items()) if isinstance(tags, dict) else tags,
        )
        try:
            found = self._contexts.get(key)
        except TypeError:  # a list where a text belongs: told below
            found = None
        if found is None:
            found = _new_context(row, tags)
            self._contexts[key] = found
        return found

    def _instant(self, row: Mapping[str, Any], name: str) -> int:
        text = row.get(name)
        if not isinstance(text, str):
            raise Refused(f"{name} is missing" if text is None else f"{name} is not a text")
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            raise Refused(f"{name} is not a time such as 2026-11-01T10:00:00Z") from None
        if moment.tzinfo is None or len(text) < len("2026-11-01T10:00Z"):
            raise Refused(f"{name} lacks its zone: write Z or +01:00 behind it")
        at_us = (moment - _EPOCH) // _MICROSECOND
        if at_us < 0 or at_us > self._now_us + _AHEAD_US:
            raise Refused(f"{name} lies {'before 1970' if at_us < 0 else 'in the future'}")
        return at_us


def exported(row: dict[str, object]) -> dict[str, object]:
    """Return a call's row as another ledger can import it: an old name that no door takes any more is escaped."""
    names = {name: escaped(str(row[name])) for name in (*_LABELS, *_NAMES) if name in row}
    tags = row.get("tags")
    if isinstance(tags, dict):
        names["tags"] = {escaped(name): escaped(value) for name, value in tags.items()}  # type: ignore[assignment]
    return {**row, **names}


def call_row(recorded: Recorded, identity: str, corrects: str) -> dict[str, object]:
    """Return a call as one line says it; `identity` and `corrects` are ids that another ledger can keep."""
    number, call = recorded
    context, labels, usage = call.context, call.context.labels, call.usage
    row: dict[str, object] = {
        "kind": "call",
        "id": identity,
        "number": number,
        "at": time_text(call.at_us),
        "settled_at": time_text(call.settled_us),
        **{name: getattr(labels, name) for name in _LABELS},
        "tags": dict(labels.tags),
        **{name: getattr(context, name) for name in _TEXTS},
        "door": context.door,
        **{field: getattr(usage, name) for name, field in _TOKENS.items()},
        "units": dict(usage.other),
        "unpriced_units": dict(call.unpriced),
        "cost_usd": usd_text(call.cost_pusd),
        "cost_source": call.cost_source,
        "status": call.status,
        "latency_ms": call.latency_ms,
        "first_token_ms": call.first_token_ms,
        "corrects": corrects,
        "request_id": call.request_id,
        "message_id": call.message_id,
        "source": context.origin,
        "tool": context.tool,
        "run": call.run,
        "list_usd": usd_text(call.list_pusd) if call.list_pusd else "",
        "doubt_usd": usd_text(call.doubt_pusd) if call.doubt_pusd else "",
        "unread": list(call.unread),
    }
    return {name: value for name, value in row.items() if value not in ("", None, {}, [])}


def time_text(at_us: int) -> str:
    """Return an instant as RFC 3339 in UTC, with microseconds where it has some."""
    seconds, rest = divmod(at_us, 1_000_000)
    text = rfc3339(seconds)
    return f"{text[:-1]}.{rest:06d}Z" if rest else text


def _refuse_unknown(row: Mapping[str, Any]) -> None:
    if row.keys() <= _KNOWN:
        return
    name = min(str(name) for name in row.keys() - _KNOWN)
    hint = meant(name, FIELDS)
    raise Refused(f"the field {name[:40]!r} is not known" + (f"; {hint}" if hint else ""))


def _new_context(row: Mapping[str, Any], tags: Any) -> Context:
    if not isinstance(tags, dict) or not all(isinstance(value, str) for value in tags.values()):
        raise Refused("tags is not an object of texts")
    for name in tags:
        if not name or "=" in name:
            raise Refused("a tag has no name, or = in it")
    tags = {_name(name, "tags"): _name(value, "tags") if value else "" for name, value in tags.items()}
    team, project, environment, user = (_name(_text(row, name), name) for name in _LABELS)
    labels = Labels(team, project, environment, user, tuple(sorted(tags.items())))
    key, provider, model, answered, token, price, address = (_named(row, name) for name in _TEXTS)
    if not provider and not model:
        raise Refused("provider and model are missing")
    if model and provider and not model.startswith(f"{provider}/"):
        model = _name(f"{provider}/{model}", "model")
    return Context(
        labels,
        token,
        key,
        provider or model.partition("/")[0],
        model,
        answered,
        price,
        address,
        IMPORT,
        _source(row),
        _name(_text(row, "tool"), "tool"),
    )


def _text(row: Mapping[str, Any], name: str) -> str:
    value = row.get(name)
    if value is None or value == "":
        return ""
    if not isinstance(value, str):
        raise Refused(f"{name} is not a text")
    return _checked(value, name)


def _source(row: Mapping[str, Any]) -> str:
    """Return what a line was taken from: the name behind import, or the door of another ledger."""
    text = _text(row, "source")
    first, _, name = text.partition(" ")
    if first == IMPORT:
        return _name(name, "source") if name else ""
    return _name(text, "source")


def _unread(row: Mapping[str, Any]) -> tuple[str, ...]:
    value = row.get("unread") or []
    if not isinstance(value, list) or not all(isinstance(name, str) and name for name in value):
        raise Refused("unread is not a list of names")
    if len(value) > _MOST_UNREAD:
        raise Refused(f"unread has more than {_MOST_UNREAD} names")
    return tuple(_checked(name, "unread") for name in value)


def _named(row: Mapping[str, Any], name: str) -> str:
    text = _text(row, name)
    if name == "key":
        return key_name(text) if text else ""
    return _name(text, name) if name in _NAMES else text


def _name(text: str, of: str) -> str:
    """Return a name as every other door takes it: what a budget's WHO cannot say limits nobody."""
    return label(text, of) if text else ""


def _checked(value: str, name: str) -> str:
    if len(value) > (_LONGEST if name != "price" else 10 * _LONGEST) or not value.isprintable():
        raise Refused(f"{name} has an unprintable character or over {_LONGEST} characters")
    return value


def _status(row: Mapping[str, Any]) -> str:
    status = _text(row, "status") or "ok"
    if " " in status or not status.isascii():
        raise Refused("status is not one plain word")
    return status


def _usage(row: Mapping[str, Any]) -> Usage:
    """Return the counts of a line; those of a correction that takes a call out of its cost source are below zero."""
    if row.get("corrects") and row.get("status") in (REVERSED, REVERSED_FAILED):
        taken = {field: -count for field in _TOKENS.values() if type(count := row.get(field)) is int}
        usage = _usage({**row, **taken, "corrects": ""})
        return Usage._make((*(-count for count in usage.tokens), usage.other))
    counts = {name: _count(row, field, 0) or 0 for name, field in _TOKENS.items()}
    usage = Usage(**counts, other=_counts(row, "units"))
    if usage.cache_read + usage.cache_write_5m + usage.cache_write_1h > usage.input:
        raise Refused("input_tokens is less than its cached parts: it contains them")
    if usage.reasoning > usage.output:
        raise Refused("output_tokens is less than reasoning_tokens: it contains them")
    return usage


def _counts(row: Mapping[str, Any], name: str) -> tuple[tuple[str, int], ...]:
    given = row.get(name)
    if not given and given in (None, {}):
        return ()
    if not isinstance(given, dict):
        raise Refused(f"{name} is not an object of whole numbers")
    for unit in given:
        if not unit or "=" in unit:
            raise Refused(f"{name} has a unit without a name, or with = in it")
        _checked(unit, name)
    return tuple((unit, _count(given, unit, 0) or 0) for unit in sorted(given))


def _count(row: Mapping[str, Any], name: str, missing: int | None) -> int | None:
    value = row.get(name)
    if value is None:
        return missing
    if type(value) is not int or not 0 <= value <= MAX_COUNT:
        raise Refused(f"{name} is not a whole number from 0 on")
    return value


def _cost(value: Any, *, is_correction: bool) -> int | None:
    """A text is taken exactly; a JSON number, which programs print with noise, to the nearest pico-dollar."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        raise Refused("cost_usd is not an amount")
    if isinstance(value, str) and not _AMOUNT.fullmatch(value):
        raise Refused("cost_usd is not an amount such as 0.25")
    try:
        scaled = _exact.multiply(Decimal(value), PUSD_PER_USD)
        cost_pusd = int(scaled.to_integral_value()) if abs(scaled) <= MAX_COST_PUSD else None
    except (ArithmeticError, ValueError):
        raise Refused("cost_usd is not an amount") from None
    if cost_pusd is None:
        raise Refused("cost_usd is above 9 million USD")
    if isinstance(value, str) and cost_pusd != scaled:
        raise Refused("cost_usd has more than 12 decimals")
    if cost_pusd < 0 and not is_correction:
        raise Refused("cost_usd is below zero, which only a correction may be")
    return cost_pusd
