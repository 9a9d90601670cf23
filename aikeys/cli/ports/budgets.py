"""Budgets: how full they are, as `aikeys budget list` and `aikeys budget check` tell it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

from aikeys.cli.ports.choice import chosen

if TYPE_CHECKING:
    from collections.abc import Sequence
    from decimal import Decimal

    from aikeys.budgets.check import BudgetState
    from aikeys.remote.client import Gateway


class BudgetList(NamedTuple):
    """Budgets, in whose days they are counted, and up to when nothing is known: its ledger was lost."""

    rows: list[dict[str, object]]
    zone: str
    lost_us: int | None


class BudgetStates(NamedTuple):
    """How full budgets are, and what else there is to say: why there are none, what could mislead."""

    states: list[BudgetState]
    notes: list[str]


class BudgetsPort(Protocol):
    """Where budgets are looked at."""

    def listed(self) -> BudgetList:
        """Return the budgets that may be seen; NotFound where there is no ledger."""
        ...

    def checked(self, wanted: Sequence[str], max_unpriced: Decimal | None) -> BudgetStates:
        """Return how full these are, or all; a missing ledger is a note."""
        ...

    def shows_all(self) -> bool:
        """Tell whether every budget may be seen by whoever asks."""
        ...


class BudgetsHere:
    """The ledger of this home."""

    def listed(self) -> BudgetList:
        from aikeys import clock
        from aikeys.cli import authority, home
        from aikeys.cli.lost_calls import book_lost_calls, lost_ledger_us
        from aikeys.reports.own_budgets import listed

        ledger = home.present_ledger()
        book_lost_calls(ledger)
        return BudgetList(listed(ledger, clock.now_us(), authority.sight()), ledger.zone, lost_ledger_us(ledger))

    def checked(self, wanted: Sequence[str], max_unpriced: Decimal | None) -> BudgetStates:
        from aikeys import clock
        from aikeys.cli import authority, home
        from aikeys.cli.lost_calls import book_lost_calls, sentence
        from aikeys.cli.whom import whom_asked
        from aikeys.reports.own_budgets import BudgetQuestion, checked

        ledger, sight = home.ledger(), authority.sight()
        if not ledger.exists:
            return BudgetStates([], [f"there is no ledger at {ledger.path}"])
        held = book_lost_calls(ledger.open())
        question = BudgetQuestion([whom_asked(one, ledger) for one in wanted], max_unpriced)
        states, notes = checked(ledger, question, clock.now_us(), sight)
        return BudgetStates(states, notes + ([sentence(held)] if held else []))

    def shows_all(self) -> bool:
        from aikeys.cli import authority

        return not authority.is_holder()


class BudgetsThere:
    """A gateway's ledger, as far as the token sees it."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    def listed(self) -> BudgetList:
        from aikeys.remote.budgets import budgets_at

        return BudgetList(*budgets_at(self._gateway))

    def checked(self, wanted: Sequence[str], max_unpriced: Decimal | None) -> BudgetStates:
        from aikeys.budgets.who import parse_who
        from aikeys.remote.budgets import checked_at

        return BudgetStates(*checked_at(self._gateway, [parse_who(one) for one in wanted], max_unpriced))

    def shows_all(self) -> bool:
        return False


def budgets() -> BudgetsPort:
    """Return where budgets are looked at now."""
    return chosen(BudgetsHere, BudgetsThere)
