"""Acts: who did what with the vault, as `aikeys audit` lists it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

from aikeys.cli.ports.choice import chosen

if TYPE_CHECKING:
    from aikeys.remote.client import Gateway


class WantedActs(NamedTuple):
    """Which acts: from when on (as it was typed), whose, and which; "" for all."""

    since: str = ""
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
        from aikeys.cli import home
        from aikeys.ledger.listing import ActQuery, newest_acts
        from aikeys.reports import records

        ledger = home.present_ledger()
        asked = ActQuery(_since_us(wanted.since, ledger.zone) if wanted.since else 0, wanted.who, wanted.act)
        with ledger.reading() as connection:
            return [records.act(*row) for row in newest_acts(connection, ledger, count, asked)]


class ActsThere:
    """A gateway's ledger."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    def newest(self, count: int, wanted: WantedActs) -> list[dict[str, object]]:
        from aikeys.remote.records import acts_at

        return acts_at(self._gateway, count, {"since": wanted.since, "who": wanted.who, "act": wanted.act})


def acts() -> ActsPort:
    """Return where acts are listed now."""
    return chosen(ActsHere, ActsThere)


def _since_us(since: str, zone: str) -> int:
    from aikeys import clock
    from aikeys.ledger.calendar import Calendar
    from aikeys.ledger.since import since_us

    return since_us(since, Calendar(zone), clock.now_us())
