"""A budget that is set while a call is made sees it: between its plan and its reservation, and while it is under way."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

import pytest

from aikeys.budgets.changes import set_budget
from aikeys.budgets.refusals import BudgetExceeded
from aikeys.budgets.reservations import ReserveRequest
from aikeys.budgets.terms import Terms
from aikeys.budgets.who import parse_who
from aikeys.errors import AikeysError, CannotDecide
from aikeys.ledger.calls import COMPUTED, ESTIMATED, WORST_CASE
from aikeys.ledger.store import Ledger
from aikeys.money import parse_usd
from aikeys.providers.wire.values import Options
from tests.spending.conftest import USAGE_PUSD, WHOLE_STREAM, FakeProvider, Play, Purse, Seen, stream

LISTED, UNBOUNDED = "openai/gpt-4.1", "openai/brand-new"
PRICES: dict[str, dict[str, object]] = {UNBOUNDED: {"input": 1, "output": 2}}


def setting(purse: Purse, usd: str) -> None:
    """Set a budget as another process does."""
    other = Ledger(str(purse.folder)).open()
    with other.writing() as writer:
        set_budget(writer, parse_who("org"), Terms(parse_usd(usd)))
    other.close()


def after(work: Callable[[], None], play: Play) -> Play:
    def both(connection: socket.socket, seen: Seen) -> None:
        work()
        play(connection, seen)

    return both


def held(purse: Purse) -> list[tuple[int, str]]:
    """Return what is reserved, and by which price."""
    other = Ledger(str(purse.folder)).open()
    with other.reading() as connection:
        query = (
            "SELECT r.pusd, w.text FROM reservation r JOIN context c ON c.id = r.context JOIN word w ON w.id = c.price"
        )
        found = [(int(pusd), str(text)) for pusd, text in connection.execute(query)]
    other.close()
    return found


@pytest.mark.parametrize("stream_it", [True, False])
@pytest.mark.parametrize(
    ("options", "least"), [(Options(), 32768 * 8_000_000), (Options(max_tokens=100), 100 * 8_000_000)]
)
def test_a_call_that_no_budget_limits_reserves_its_bound_and_goes_out_as_it_is(
    purse: Purse, provider: FakeProvider, options: Options, least: int, stream_it: bool
) -> None:
    seen: list[tuple[int, str]] = []
    provider.plays = [after(lambda: seen.extend(held(purse)), stream(*WHOLE_STREAM))]
    purse.ask(options=options, stream=stream_it)
    ((pusd, price),) = seen
    assert least <= pusd < 2 * least + parse_usd("0.01")  # some accounts pay more to be served first
    assert price.startswith("openai/gpt-4.1@")
    assert provider.seen[0].body.get("max_completion_tokens") == options.max_tokens


def test_what_nothing_bounds_reserves_what_is_known_and_names_no_price(purse: Purse, provider: FakeProvider) -> None:
    purse.prices = PRICES
    seen: list[tuple[int, str]] = []
    provider.plays = [after(lambda: seen.extend(held(purse)), stream(*WHOLE_STREAM))]
    purse.ask(model=UNBOUNDED, stream=True)
    ((pusd, price),) = seen
    assert pusd > 0
    assert price == ""
    assert purse.calls()[0].cost_source == COMPUTED


@pytest.mark.parametrize(
    ("model", "usd", "refusal"),
    [(UNBOUNDED, "1000", CannotDecide), ("openai/no-price", "1000", CannotDecide), (LISTED, "0.01", BudgetExceeded)],
)
def test_a_budget_set_between_plan_and_reservation_decides(
    purse: Purse,
    provider: FakeProvider,
    monkeypatch: pytest.MonkeyPatch,
    model: str,
    usd: str,
    refusal: type[AikeysError],
) -> None:
    purse.prices = PRICES

    tools = purse.tools()
    reserve = tools.reserver.reserve

    def after_a_budget(request: ReserveRequest, **more: Any) -> Any:
        setting(purse, usd)
        return reserve(request, **more)

    monkeypatch.setattr(tools.reserver, "reserve", after_a_budget)
    with pytest.raises(refusal):
        purse.ask(model=model, tools=tools)
    assert not provider.seen
    assert not purse.open_reservations()


@pytest.mark.parametrize(
    ("usd", "model", "source"), [("", LISTED, ESTIMATED), ("5", LISTED, WORST_CASE), ("5", UNBOUNDED, ESTIMATED)]
)
def test_an_unknown_end_is_the_worst_case_where_a_budget_was_set_while_it_was_under_way(
    purse: Purse, provider: FakeProvider, usd: str, model: str, source: str
) -> None:
    purse.prices = PRICES
    broken = stream(*WHOLE_STREAM, cut_after=230)
    provider.plays = [after(lambda: setting(purse, usd), broken) if usd else broken]
    purse.ask(model=model, stream=True)
    (call,) = purse.calls()
    assert call.cost_source == source
    assert (call.cost_pusd > parse_usd("0.2")) == (source == WORST_CASE)


def test_who_leaves_a_stream_is_read_to_its_end_where_a_budget_was_set_meanwhile(
    purse: Purse, provider: FakeProvider
) -> None:
    def leaves(_: object) -> None:
        setting(purse, "5")
        raise BrokenPipeError

    provider.plays = [stream(*WHOLE_STREAM)]
    with pytest.raises(BrokenPipeError):
        purse.ask(stream=True, sink=leaves)
    assert (purse.calls()[0].cost_pusd, purse.calls()[0].cost_source) == (USAGE_PUSD, COMPUTED)
