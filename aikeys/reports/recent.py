"""Spending of the last minutes by a few labels (pure): calls as `aikeys log --json` has them become rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from aikeys.errors import UsageError
from aikeys.ledger.calls import UNPRICED
from aikeys.money import read_usd
from aikeys.reports.groups import LABELS


class Recent(NamedTuple):
    """One group: the texts of `by`, empty where unknown. A failed call is a request, too; a correction is none.

    `unpriced`: requests whose cost is not known, or only in part, and so not in `cost_pusd`.
    """

    keys: tuple[str, ...]
    requests: int = 0
    failed: int = 0
    input: int = 0
    output: int = 0
    cost_pusd: int = 0
    unpriced: int = 0
    newest_at: str = ""


def parse_by(text: str) -> tuple[str, ...]:
    """Return the groups of `team,model`; UsageError for what is none, or stands there twice."""
    names = tuple(name.strip() for name in text.split(","))
    for name in names:
        if name not in LABELS or names.count(name) > 1:
            raise UsageError(f"--by {name[:40]!a} cannot be", f"name each once, of: {', '.join(LABELS)}")
    return names


def recent(calls: Iterable[Mapping[str, object]], by: Sequence[str]) -> tuple[list[Recent], Recent]:
    """Return the groups, the most expensive first, and their total."""
    groups: dict[tuple[str, ...], Recent] = {}
    total = Recent(("",) * len(by))
    for call in calls:
        keys = tuple(str(call.get(name) or "") for name in by)
        groups[keys] = _with(groups.get(keys, Recent(keys)), call)
        total = _with(total, call)
    return sorted(groups.values(), key=lambda one: (-one.cost_pusd, -one.requests, one.keys)), total


def _with(one: Recent, call: Mapping[str, object]) -> Recent:
    is_call = call.get("corrects") is None
    return one._replace(
        requests=one.requests + is_call,
        failed=one.failed + (is_call and call.get("status") != "ok"),
        input=one.input + _whole(call, "input_tokens"),
        output=one.output + _whole(call, "output_tokens"),
        cost_pusd=one.cost_pusd + read_usd(f"{call.get('cost_usd') or 0}"),
        unpriced=one.unpriced + (is_call and call.get("cost_source") == UNPRICED),
        newest_at=max(one.newest_at, f"{call.get('at') or ''}") if is_call else one.newest_at,
    )


def _whole(call: Mapping[str, object], name: str) -> int:
    found = call.get(name)
    return found if isinstance(found, int) else 0
