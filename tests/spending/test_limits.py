"""A limit is a limit: caps lowered, calls refused, unknown prices refused, free models let through; Ctrl-C; full disk."""

from __future__ import annotations

import threading

import pytest

from aikeys.budgets import reservations
from aikeys.budgets.refusals import BudgetBusy, BudgetExceeded
from aikeys.errors import CannotDecide, MachineFailed, NotFound, UsageError
from aikeys.ledger.calls import COMPUTED, ESTIMATED, WORST_CASE
from aikeys.money import parse_usd
from aikeys.providers.wire.values import Event, Options
from aikeys.spending.authorise import Denied
from aikeys.spending.plan import CostsTooMuch
from aikeys.storage.sqlite import DiskFull
from tests.spending.conftest import (
    USAGE_PUSD,
    WHOLE_STREAM,
    FakeProvider,
    Purse,
    answer,
    chunk,
    collecting,
    in_two,
    stream,
)


def test_a_budget_brings_a_cap_where_the_caller_gave_none(purse: Purse, provider: FakeProvider) -> None:
    purse.budget("org", "0.40")
    spent = purse.ask()
    sent = provider.seen[0].body["max_completion_tokens"]
    assert isinstance(sent, int)
    assert sent == spent.last.plan.cap
    assert spent.last.plan.worst.cost_pusd <= parse_usd("0.10")  # a quarter of what is left
    assert sent > 4096


def test_a_cap_is_lowered_to_what_is_left(purse: Purse, provider: FakeProvider) -> None:
    purse.budget("org", "0.05")
    spent = purse.ask(options=Options(max_tokens=30_000))
    assert spent.last.plan.lowered_from == 30_000
    assert provider.seen[0].body["max_completion_tokens"] == spent.last.plan.cap < 30_000
    assert spent.last.plan.worst.cost_pusd <= parse_usd("0.05")
    assert any("lowers the output" in line for line in purse.said)


def test_below_the_floor_nothing_is_sent(purse: Purse, provider: FakeProvider) -> None:
    purse.budget("org", "0.0001")
    with pytest.raises(BudgetExceeded) as refused:
        purse.ask()
    assert refused.value.exit_status == 22
    assert not provider.seen
    assert not purse.calls()
    assert purse.open_reservations() == 0


def test_max_cost_lowers_the_cap_and_then_refuses(purse: Purse, provider: FakeProvider) -> None:
    spent = purse.ask(max_cost="0.05")
    assert spent.last.plan.worst.cost_pusd <= parse_usd("0.05")
    with pytest.raises(CostsTooMuch):
        purse.ask(max_cost="0.0001")
    assert len(provider.seen) == 1


def test_without_a_price_a_limit_decides_nothing(purse: Purse, provider: FakeProvider) -> None:
    purse.budget("org", "10")
    with pytest.raises(CannotDecide) as refused:
        purse.ask(model="openai/brand-new")
    assert '[prices."openai/brand-new"]' in refused.value.hint
    assert not provider.seen
    with pytest.raises(CannotDecide):
        Purse.ask(purse, model="openai/gpt-4o-some-new-snapshot-9", max_cost="1")


def test_a_price_by_a_rule_of_thumb_is_none_under_a_limit(purse: Purse, provider: FakeProvider) -> None:
    model = "openai/computer-use-preview-2"
    found = purse.names.resolve(model).found
    assert found is not None
    assert not found.is_certain
    purse.ask(model=model)
    assert purse.calls()[0].cost_source == ESTIMATED
    purse.budget("org", "10")
    with pytest.raises(CannotDecide):
        purse.ask(model=model)
    assert len(provider.seen) == 1


def test_a_price_of_the_user_lets_a_new_model_through(purse: Purse) -> None:
    purse.prices = {"openai/brand-new": {"input": 1, "output": 2, "max_output": 1000, "context_window": 100_000}}
    purse.budget("org", "10")
    purse.ask(model="openai/brand-new")
    assert purse.calls()[0].cost_pusd == 10 * 1_000_000 + 20 * 2_000_000


def test_a_free_model_works_at_a_zero_budget(purse: Purse) -> None:
    purse.prices = {"openai/brand-new": {"input": 0, "output": 0, "max_output": 1000, "context_window": 100_000}}
    purse.budget("org", "0")
    purse.ask(model="openai/brand-new")
    assert (purse.calls()[0].cost_pusd, purse.calls()[0].cost_source) == (0, COMPUTED)


def test_a_budget_that_only_warns_refuses_nothing(purse: Purse, provider: FakeProvider) -> None:
    purse.budget("org", "0", at_limit="warn")
    purse.ask()
    purse.ask(model="openai/brand-new")
    assert "max_completion_tokens" not in provider.seen[0].body


def test_a_provider_that_needs_a_cap_gets_one(purse: Purse, other: FakeProvider) -> None:
    purse.ask(model="anthropic/claude-sonnet-4-5")
    assert other.seen[0].body["max_tokens"] == 64_000
    assert other.seen[0].headers["x-api-key"] == purse.secret.reveal().decode()
    assert "authorization" not in other.seen[0].headers


def test_what_a_provider_does_not_take_is_refused_before_money_is_set_aside(
    purse: Purse, provider: FakeProvider
) -> None:
    with pytest.raises(UsageError):
        purse.ask(model="anthropic/claude-sonnet-4-5", options=Options(seed=1))
    assert not purse.calls()
    assert purse.open_reservations() == 0


def test_an_administration_key_is_never_used(purse: Purse, provider: FakeProvider) -> None:
    purse.held.append(purse.held[0]._replace(name="admin", is_admin=True))
    with pytest.raises(Denied):
        purse.ask(model="admin/gpt-4.1")
    assert not provider.seen


def test_the_budget_is_never_overspent_by_calls_at_once(purse: Purse, provider: FakeProvider) -> None:
    """Eight at once want up to 0.008 USD each, of 0.02; each is cut, so each counts as its worst case."""
    purse.budget("org", "0.02")
    provider.plays = [stream(chunk("x"))]
    done: list[str] = []

    def one() -> None:
        mine = Purse(purse.folder, purse.held)
        try:
            mine.ask(stream=True, options=Options(max_tokens=300))
            done.append("sent")
        except (BudgetExceeded, BudgetBusy):
            done.append("refused")
        finally:
            mine.transport.close()
            mine.ledger.close()

    threads = [threading.Thread(target=one) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(done) == 8
    assert {"sent", "refused"} == set(done)
    assert parse_usd("0.01") < sum(call.cost_pusd for call in purse.calls()) <= parse_usd("0.02")
    assert len(purse.calls()) == len(provider.seen) == done.count("sent")


def test_the_first_interrupt_reads_the_reply_to_its_end_and_shows_no_more(purse: Purse, provider: FakeProvider) -> None:
    going_on = threading.Event()
    provider.plays = [in_two(going_on)]
    texts, collect = collecting()

    def sink(event: Event) -> None:
        collect(event)
        if texts and not going_on.is_set():
            purse.interruption.on_signal()
            going_on.set()

    purse.ask(stream=True, sink=sink)
    (call,) = purse.calls()
    assert texts == ["Hel"]
    assert (call.cost_pusd, call.cost_source, call.status) == (USAGE_PUSD, COMPUTED, "ok")


def test_an_interrupted_reply_is_not_read_for_ever(purse: Purse, provider: FakeProvider) -> None:
    going_on = threading.Event()
    provider.plays = [in_two(going_on)]

    def sink(_event: Event) -> None:
        if not going_on.is_set():
            purse.interruption.on_signal()
            going_on.set()

    purse.ask(stream=True, sink=sink, tools=purse.tools(drain_s=0.0))
    assert (purse.calls()[0].status, purse.calls()[0].cost_source) == ("cancelled", ESTIMATED)


def test_the_second_interrupt_stops_and_settles(purse: Purse, provider: FakeProvider) -> None:
    stalled = threading.Event()
    provider.plays = [stream(chunk("Hello"), stall=stalled)]

    def sink(_event: Event) -> None:
        purse.interruption.on_signal()
        if purse.interruption.count < 2:
            purse.interruption.on_signal()

    purse.ask(stream=True, sink=sink)
    stalled.set()
    (call,) = purse.calls()
    assert (call.status, call.cost_source, call.usage.output) == ("cancelled", ESTIMATED, 2)
    assert purse.open_reservations() == 0


def test_an_interrupt_before_anything_is_sent_spends_nothing(purse: Purse, provider: FakeProvider) -> None:
    purse.interruption.count = 1
    with pytest.raises(KeyboardInterrupt):
        purse.ask()
    assert not provider.seen
    assert not purse.calls()


def test_an_interrupt_ends_the_wait_for_another_try(purse: Purse, provider: FakeProvider) -> None:
    provider.plays = [answer(503, {"error": {"message": "busy"}})]
    purse.interruption._sleep_s = lambda _s: purse.interruption.on_signal()
    with pytest.raises(KeyboardInterrupt):
        purse.ask()
    assert [call.status for call in purse.calls()] == ["overloaded"]
    assert purse.open_reservations() == 0


def test_a_reader_that_goes_away_stops_the_call(purse: Purse, provider: FakeProvider) -> None:
    def gone(_event: Event) -> None:
        raise BrokenPipeError

    provider.plays = [stream(*WHOLE_STREAM[:2])]
    with pytest.raises(BrokenPipeError):
        purse.ask(stream=True, sink=gone)
    assert (purse.calls()[0].status, purse.calls()[0].cost_source) == ("cancelled", ESTIMATED)


@pytest.mark.parametrize(("limited", "known"), [(True, COMPUTED), (False, ESTIMATED)])
def test_under_a_budget_the_reply_is_read_to_its_end_for_nobody(
    purse: Purse, provider: FakeProvider, *, limited: bool, known: str
) -> None:
    going_on = threading.Event()

    def gone(_event: Event) -> None:
        going_on.set()
        raise BrokenPipeError

    if limited:
        purse.budget("org", "10")
    provider.plays = [in_two(going_on)]
    with pytest.raises(BrokenPipeError):
        purse.ask(stream=True, sink=gone)
    assert purse.calls()[0].cost_source == known
    assert (purse.calls()[0].cost_pusd == USAGE_PUSD) is limited


def test_an_entry_that_cannot_be_written_is_tried_until_there_is_room(
    purse: Purse, monkeypatch: pytest.MonkeyPatch
) -> None:
    rooms: list[bool] = []
    tools = purse.tools(make_room=lambda: bool(rooms.append(True) or True), pauses_s=(0.0, 0.2))
    settle = reservations.settle
    failures = [DiskFull("full"), DiskFull("full")]

    def failing(*arguments: object, **named: object) -> object:
        if failures:
            raise failures.pop()
        return settle(*arguments, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(reservations, "settle", failing)
    spent = purse.ask(tools=tools)
    assert spent.last.unsettled is None
    assert spent.last.entry is not None
    assert rooms
    assert purse.calls()[0].cost_pusd == USAGE_PUSD


def test_an_entry_that_is_never_written_stays_reserved_and_becomes_a_worst_case(
    purse: Purse, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_arguments: object, **_named: object) -> object:
        raise DiskFull("full")

    with monkeypatch.context() as patched:
        patched.setattr(reservations, "settle", failing)
        spent = purse.ask(options=Options(max_tokens=100))
    assert isinstance(spent.last.unsettled, MachineFailed)
    assert spent.last.received.reply.text == "Hello"  # what was paid for is handed over
    assert purse.open_reservations() == 1
    purse.ask(options=Options(max_tokens=100))  # the next command finds it
    lost = purse.calls()[0]
    assert (lost.status, lost.cost_source) == ("lost", WORST_CASE)
    assert lost.cost_pusd == spent.last.plan.worst.cost_pusd


def test_a_bug_in_the_middle_leaves_an_entry_all_the_same(purse: Purse, provider: FakeProvider) -> None:
    def broken(_event: Event) -> None:
        raise ZeroDivisionError

    provider.plays = [stream(*WHOLE_STREAM[:2])]
    with pytest.raises(ZeroDivisionError):
        purse.ask(stream=True, sink=broken)
    assert [(call.status, call.cost_source) for call in purse.calls()] == [("broken", ESTIMATED)]
    assert purse.open_reservations() == 0


def test_a_stand_in_that_the_budget_refuses_is_passed_over(
    purse: Purse, provider: FakeProvider, other: FakeProvider
) -> None:
    purse.fallbacks = {"openai": ("openai-2", "anthropic/claude-sonnet-4-5")}
    provider.plays = [answer(401, {"error": {"message": "no such key"}})]
    purse.budget("key:openai-2", "0")
    spent = purse.ask(options=Options(max_tokens=10))
    assert [call.context.key for call in purse.calls()] == ["openai", "anthropic"]
    assert spent.last.plan.target.key.name == "anthropic"


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("openai/gpt-4.1", "openai/gpt-4.1"),
        ("openai-2/gpt-4.1", "openai/gpt-4.1"),
        ("gpt4", "openai/gpt-4.1"),
        ("anthropic/claude-sonnet-4.5", "anthropic/claude-sonnet-4-5"),
        ("gpt-4o-mini", "openai/gpt-4o-mini"),
        ("openai/ft:mine", "openai/ft:mine"),
    ],
)
def test_a_model_is_named_in_many_ways(purse: Purse, text: str, named: str) -> None:
    assert str(purse.names.resolve(text)) == named


def test_a_name_that_nobody_has_is_told_the_nearest(purse: Purse) -> None:
    with pytest.raises(UsageError) as refused:
        purse.names.resolve("gpt-4o-minni")
    assert "openai/gpt-4o-mini" in refused.value.hint
    with pytest.raises(NotFound, match="Groq"):
        purse.names.resolve("groq/llama-3.3-70b-versatile")


def test_several_keys_without_a_default_have_to_be_named(purse: Purse) -> None:
    purse.held[0] = purse.held[0]._replace(name="openai-1", is_default=False)
    with pytest.raises(UsageError) as refused:
        purse.names.resolve("openai/gpt-4.1")
    assert "openai-2/gpt-4.1" in refused.value.hint
