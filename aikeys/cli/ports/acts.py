"""Acts: who did what with the vault, as `aikeys audit` lists it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

from aikeys.cli.ports.choice import chosen
from aikeys.ledger.ranges import RangeWords, instants_of

if TYPE_CHECKING:
    from aikeys.remote.client import Gateway


class WantedActs(NamedTuple):
    """Which acts: of what time (as it was typed), whose, and which; empty for all."""

    time: RangeWords = RangeWords()
    who: str = ""
    act: str = ""


class ActsPort(Protocol):
    """Where acts are listed."""

    def newest(self, count: int, wanted: WantedActs) -> list[dict[str, object]]:
        """Return the newest acts that fit, oldest first; NotFound, Usage, Damaged."""
        ...


class ActsHere:
    """The ledger of this home."""

    def newest(self, count: int, wanted: WantedActs) -> list[dict[str, object]]:
        from aikeys import clock
        from aikeys.cli import home
        from aikeys.ledger.calendar import Calendar
        from aikeys.ledger.listing import ActQuery, newest_acts
        from aikeys.reports import records

        ledger = home.present_ledger()
        asked = ActQuery(instants_of(wanted.time, Calendar(ledger.zone), clock.now_us()), wanted.who, wanted.act)
        with ledger.reading() as connection:
            return [records.act(*row) for row in newest_acts(connection, ledger, count, asked)]


class ActsThere:
    """A gateway's ledger."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    def newest(self, count: int, wanted: WantedActs) -> list[dict[str, object]]:
        from aikeys.remote.records import acts_at

        return acts_at(self._gateway, count, wanted.time, {"who": wanted.who, "act": wanted.act})


def acts() -> ActsPort:
    """Return where acts are listed now."""
    return chosen(ActsHere, ActsThere)
