"""The output of `prompt --dry-run`: the request that would go out, without the key, and what it could cost."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import NamedTuple, cast

from aikeys.cli.render.json_text import document, indented
from aikeys.money import shown_usd, usd_text
from aikeys.network.addresses import joined
from aikeys.providers.transport import CREDENTIALS
from aikeys.spending.order import encoded
from aikeys.spending.plan import Plan

_MASK = "‹secret›"
_LONGEST_TEXT = 4000


class _Number(NamedTuple):
    """A number with a fraction, as it stands in the body."""

    text: str


def as_json(plans: Iterable[Plan]) -> str:
    """Return the requests for a program, bodies in full."""
    return document("aikeys.prompt-request/1", requests=[_fields(plan) for plan in plans])


def as_text(plans: Iterable[Plan]) -> str:
    """Return the requests for a person; attachments are shortened."""
    return "\n\n".join("\n".join(_lines(plan)) for plan in plans)


def _fields(plan: Plan) -> dict[str, object]:
    outgoing = encoded(plan)
    known = plan.price is not None and not plan.worst.undecided
    return {
        "model": str(plan.target),
        "key": plan.target.key.name,
        "method": outgoing.method,
        "url": joined(plan.target.key.base_url, outgoing.path),
        "headers": _headers(plan),
        "body": json.loads(outgoing.body),
        "max_tokens": plan.cap or None,
        "worst_case_usd": usd_text(plan.worst.cost_pusd) if known else None,
        "floor_usd": usd_text(plan.floor_pusd) if known else None,
        "input_tokens_at_most": plan.worst.input_tokens or None,
        "output_tokens_at_most": plan.worst.output_tokens or None,
        "undecided": list(plan.worst.undecided) or None,
    }


def _lines(plan: Plan) -> Iterator[str]:
    outgoing = encoded(plan)
    yield f"{outgoing.method} {joined(plan.target.key.base_url, outgoing.path)}"
    yield from (f"{name}: {value}" for name, value in _headers(plan).items())
    yield ""
    yield body_text(outgoing.body)
    yield ""
    if plan.price is None:
        yield "could cost: unknown, the model has no price"
    elif plan.worst.undecided:
        yield f"could cost: unknown ({'; '.join(plan.worst.undecided)})"
    else:
        yield (
            f"could cost up to {shown_usd(plan.worst.cost_pusd)} "
            f"({plan.worst.input_tokens:,} tokens in, {plan.worst.output_tokens:,} out, at most)"
        )


def _headers(plan: Plan) -> dict[str, str]:
    name, prefix = CREDENTIALS[plan.dialect.auth]
    return {**dict(encoded(plan).headers), name: prefix + _MASK}


def body_text(body: bytes) -> str:
    """Return the body of a request for a person."""
    return _lined(_shortened(json.loads(body, parse_float=_Number)), "")


def _lined(value: object, margin: str) -> str:
    """Return a value as JSON over several lines, its numbers as they are sent."""
    inner = margin + "  "
    if isinstance(value, _Number):
        return value.text
    if isinstance(value, dict) and value:
        pairs = [f"{inner}{indented(name)}: {_lined(each, inner)}" for name, each in value.items()]
        return "{\n" + ",\n".join(pairs) + f"\n{margin}}}"
    if isinstance(value, list) and value:
        return "[\n" + ",\n".join(inner + _lined(each, inner) for each in value) + f"\n{margin}]"
    return indented(value)


def _shortened(value: object) -> object:
    if isinstance(value, dict):
        return {name: _shortened(each) for name, each in cast("dict[str, object]", value).items()}
    if isinstance(value, list):
        return [_shortened(each) for each in cast("list[object]", value)]
    if isinstance(value, str) and len(value) > _LONGEST_TEXT:
        return f"{value[:100]}… ({len(value):,} characters)"
    return value
