"""Groups and filters of a report (pure)."""

from __future__ import annotations

from collections.abc import Sequence

from aikeys.errors import UsageError
from aikeys.ledger.questions import SLOT, TAG, Where
from aikeys.names import meant, sought
from aikeys.secret import refuse_secret

TIMES = ("day", "week", "month", "hour")
LABELS = (*SLOT, "token")
ALL = (*LABELS, *TIMES, "tag:NAME")


def groups_of(text: str) -> tuple[str, ...]:
    """Return the groups of `team,model`; UsageError for what is none, or stands there twice."""
    names = tuple(name.strip() for name in text.split(","))
    for name in names:
        if name not in TIMES:
            _check(name, "--by", ALL)
        if names.count(name) > 1:
            raise UsageError(f"--by names {name} twice", "name every group once")
    return names


def filters_of(texts: Sequence[str]) -> Where:
    """Return the filters of `team=support`: those of one group are alternatives, different groups narrow down."""
    found: dict[str, list[str]] = {}
    refuse_secret(*texts)
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals:
            raise UsageError(
                f"--where {text[:40]!r} has no =", "write --where team=support; team= finds calls without a team"
            )
        _check(name, "--where", (*LABELS, "tag:NAME"))
        found.setdefault(name, []).append(sought(value, name))
    return tuple((name, tuple(values)) for name, values in found.items())


def _check(name: str, option: str, known: Sequence[str]) -> None:
    if name in LABELS or (name.startswith(TAG) and len(name) > len(TAG)):
        return
    hint = f"{meant(name, known)} known: {', '.join(known)}".strip()
    raise UsageError(f"{option} does not know {name[:40]!r}", hint)
