"""Queries of reports to the ledger and their answers; sums of rows (pure: no SQL)."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from aikeys.ledger.calendar import HOUR_US, Calendar
from aikeys.money import joined
from aikeys.providers.usage import Usage

SLOT = ("team", "project", "environment", "user", "key", "provider", "model")
TAG = "tag:"
ERASED = "erased"
ROLL_UPS, CALLS = "roll-ups", "calls"


class Figures(NamedTuple):
    """Sums of calls. A failed call is a request too; a correction is none, but its cost counts."""

    requests: int = 0
    failed: int = 0
    input: int = 0
    cache_read: int = 0
    cache_write: int = 0
    output: int = 0
    reasoning: int = 0
    cost_pusd: int = 0
    list_pusd: int = 0
    doubt_pusd: int = 0

    def plus(self, other: "Figures") -> "Figures":
        return Figures(*[mine + its for mine, its in zip(self, other, strict=True)])

    def minus(self, other: "Figures") -> "Figures":
        return Figures(*[mine - its for mine, its in zip(self, other, strict=True)])


NONE = Figures()
Keys = tuple[str | int, ...]
Where = tuple[tuple[str, tuple[str, ...]], ...]


class SumQuery(NamedTuple):
    """A question. `by`: names of SLOT, `token`, `tag:NAME`, `day`, `hour`; `where`: a group and the texts it may have.

    Days are those of `calendar`: first ≤ day < end. `between` narrows them down to the instants start ≤ at < end, in µs
    since 1970; roll-ups answer that where both begin an hour.
    """

    by: tuple[str, ...]
    where: Where
    first: int
    end: int
    calendar: Calendar
    between: tuple[int, int] | None = None

    @property
    def start_us(self) -> int:
        return self.between[0] if self.between else self.calendar.start_us(self.first)

    @property
    def end_us(self) -> int:
        return self.between[1] if self.between else self.calendar.start_us(self.end)

    @property
    def needs(self) -> set[str]:
        """Return the groups it takes to answer, without those of time."""
        return {*self.by, *(name for name, _ in self.where)} - {"day", "hour"}


class LedgerSums(NamedTuple):
    """Sums by (keys in the order of `by`, cost source). A day is its number, an hour its start in µs since 1970.

    `read` says where from; `slots` and `contexts` are what was met there, with `is_wide` slots without persons.
    """

    cells: dict[tuple[Keys, str], Figures]
    read: str
    slots: frozenset[int] = frozenset()
    contexts: frozenset[int] = frozenset()
    is_wide: bool = False


class Runs(NamedTuple):
    """Programs that `exec` handed keys to, whose spending nobody metered; not all where acts are archived."""

    known: int
    is_all: bool


class CallSums(NamedTuple):
    """Calls of one day, context and cost source, added up. `labels` also hold token, tags (`tag:NAME`) and price."""

    day: int
    labels: dict[str, str]
    source: str
    is_correction: bool
    requests: int
    usage: Usage
    cost_pusd: int


class SqlFrame(NamedTuple):
    """How SQL finds calls and their time: days of the ledger, or with `step_us` instants in steps since 1970."""

    time: str
    calls: str
    values: tuple[int, ...]
    days: tuple[int, int]
    step_us: int
    calendar: Calendar

    def day(self, at: int) -> int:
        return self.calendar.day_of(at * self.step_us) if self.step_us else at

    def hour_us(self, at: int) -> int:
        """Return the start of the hour on the zone's clock; half-hour zones have their own."""
        at_us = at * self.step_us
        if self.step_us == HOUR_US:
            return at_us
        offset = datetime.fromtimestamp(at_us // 1_000_000, UTC).astimezone(self.calendar.zone).utcoffset()
        assert offset is not None  # noqa: S101  the zone is an IANA one
        offset_us = int(offset.total_seconds()) * 1_000_000
        return (at_us + offset_us) // HOUR_US * HOUR_US - offset_us


class Met:
    """Adds rows to cells: looks up what a slot or context stands for, once, and leaves out what is not wanted."""

    def __init__(
        self,
        asked: SumQuery,
        frame: SqlFrame,
        look_up: Callable[[Any], dict[str, str]],
        cells: dict[tuple[Keys, str], Figures] | None = None,
    ) -> None:
        self.cells = {} if cells is None else cells
        self._asked = asked
        self._frame = frame
        self._look_up = look_up
        self._labels: dict[Any, dict[str, str] | None] = {}

    def add(self, rows: Iterable[tuple[Any, ...]]) -> None:
        cells = self.cells
        for at, identity, source, *sums in rows:
            keys = self.keys(identity, at)
            if keys is not None:
                cell = keys, source
                figures = figures_of(sums)
                cells[cell] = cells[cell].plus(figures) if cell in cells else figures

    def keys(self, identity: Any, at: int) -> Keys | None:
        """Return the keys of a row; None where a filter leaves it out."""
        if identity not in self._labels:
            found = self._look_up(identity)
            self._labels[identity] = found if is_wanted(found, self._asked.where) else None
        labels = self._labels[identity]
        if labels is None:
            return None
        frame = self._frame
        return tuple(
            frame.day(at) if name == "day" else frame.hour_us(at) if name == "hour" else labels.get(name, "")
            for name in self._asked.by
        )

    def labels(self, identity: Any) -> dict[str, str]:
        return self._labels[identity] or {}

    def identities(self) -> Iterator[int]:
        return (identity for identity, labels in self._labels.items() if labels is not None)


def is_wanted(labels: Mapping[str, str], where: Where) -> bool:
    """Tell whether labels are among those that every filter names."""
    return all(labels.get(name, "") in texts for name, texts in where)


def figures_of(sums: Sequence[int]) -> Figures:
    return Figures._make([*sums[:-6], *(joined(sums[at], sums[at + 1]) for at in (-6, -4, -2))])
