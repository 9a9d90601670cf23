"""Calls: what was asked and what it cost, as `aikeys log` and `aikeys top` show it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from aikeys.cli.ports.choice import chosen
from aikeys.clock import rfc3339
from aikeys.ledger.ranges import RangeWords, instants_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aikeys.remote.client import Gateway

Fields = dict[str, object]
ALWAYS = RangeWords()
_MOST_AT_ONCE = 100_000
_POLL_S = 0.25
_POLL_GATEWAY_S = 2.0


class CallsPort(Protocol):
    """Where calls are listed, in the fields of reports/records.py."""

    def newest(self, count: int, words: RangeWords = ALWAYS) -> list[Fields]:
        """Return the newest calls of a range of time, oldest first."""
        ...

    def more(self) -> list[Fields]:
        """Return the calls that came since the last question, oldest first."""
        ...

    def wait(self) -> None:
        """Wait until there may be more."""
        ...

    def since(self, since_s: int, most: int) -> list[Fields]:
        """Return the newest calls from an instant on, oldest first; TokenRefused once a token is over."""
        ...

    def one(self, which: str) -> Fields:
        """Return a call in full, with its corrections; NotFound."""
        ...

    def lost_us(self, since_us: int | None = None) -> int | None:
        """Return up to when nothing is known, because the ledger of that time was lost; None for nothing."""
        ...


class CallsHere:
    """The ledger, asked four times a second whether anybody wrote; a token, whether it is still good."""

    def __init__(self) -> None:
        from aikeys.cli import home
        from aikeys.cli.lost_calls import book_lost_calls

        self._ledger = home.present_ledger()
        book_lost_calls(self._ledger)
        self._version = 0
        self._last = 0

    def newest(self, count: int, words: RangeWords = ALWAYS) -> list[Fields]:
        from aikeys import clock
        from aikeys.cli import authority
        from aikeys.ledger.calendar import Calendar
        from aikeys.reports.calls import CallRange, newest_calls

        between = instants_of(words, Calendar(self._ledger.zone), clock.now_us())
        self._version = self._ledger.version()
        found = newest_calls(self._ledger, CallRange(count, self._last, between), authority.sight())
        self._last = found[-1].number if found else self._last
        return [one.fields for one in found]

    def more(self) -> list[Fields]:
        return self.newest(_MOST_AT_ONCE)

    def wait(self) -> None:
        import time

        from aikeys.cli import authority

        while True:
            authority.admit_again()
            if self._ledger.version() != self._version:
                return
            time.sleep(_POLL_S)

    def since(self, since_s: int, most: int) -> list[Fields]:
        from aikeys.cli import authority
        from aikeys.ledger import listing
        from aikeys.reports.calls import CallRange, newest_calls

        authority.admit_again()
        wanted = CallRange(most, between=(since_s * 1_000_000, listing.ALWAYS[1]))
        return [one.fields for one in newest_calls(self._ledger, wanted, authority.sight())]

    def one(self, which: str) -> Fields:
        from aikeys.cli import authority
        from aikeys.reports.calls import one_call

        return one_call(self._ledger, which, authority.sight())

    def lost_us(self, since_us: int | None = None) -> int | None:
        from aikeys.cli.lost_calls import lost_ledger_us

        return lost_ledger_us(self._ledger, since_us)


class CallsThere:
    """A gateway's ledger, asked every two seconds: it does not say when there is more."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._known: frozenset[tuple[object, ...]] = frozenset()
        self._lost_us: int | None = None

    def newest(self, count: int, words: RangeWords = ALWAYS) -> list[Fields]:
        from aikeys.remote.records import newest_calls_at

        found, self._lost_us = newest_calls_at(self._gateway, count, words)
        new = [row for row in found if _which(row) not in self._known]
        self._known = frozenset(map(_which, found))
        return new

    def more(self) -> list[Fields]:
        from aikeys.remote.records import MOST

        return self.newest(MOST)

    def wait(self) -> None:
        import time

        time.sleep(_POLL_GATEWAY_S)

    def since(self, since_s: int, most: int) -> list[Fields]:
        from aikeys.remote.records import newest_calls_at

        found, self._lost_us = newest_calls_at(self._gateway, most, RangeWords(since=rfc3339(since_s)))
        return found

    def one(self, which: str) -> Fields:
        from aikeys.remote.records import call_at

        return call_at(self._gateway, which)

    def lost_us(self, since_us: int | None = None) -> int | None:  # noqa: ARG002  it is told with the calls
        return self._lost_us


def calls() -> CallsPort:
    """Return where calls are listed now."""
    return chosen(CallsHere, CallsThere)


def _which(row: Mapping[str, object]) -> tuple[object, ...]:
    """Return what tells a call from others: a gateway names one's own by id, not by number."""
    return tuple(row.get(name) for name in ("number", "id", "corrects", "settled_at", "cost_usd", "status"))
