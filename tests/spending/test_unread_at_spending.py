"""What a reply reports and nobody read: the entry is a lower bound, and under a budget it is not cheap."""

from __future__ import annotations

import pytest

from aikeys.alerts import outbox
from aikeys.alerts.channels import Channel, Webhook
from aikeys.alerts.occasions import occasion_text
from aikeys.ledger.calls import BILLED, COMPUTED, UNPRICED
from aikeys.money import PUSD_PER_USD
from aikeys.pricing.bounds import Bounds
from aikeys.pricing.worst_case import unread_pusd, worst_case
from aikeys.providers import catalogue
from aikeys.providers.wire.values import Options, Request
from aikeys.spending.bill import AttemptUse, bill
from aikeys.spending.names import SpendingKey, Target
from aikeys.spending.plan import Plan
from tests.providers.wire.recorded_exchanges import needs_recorded
from tests.spending.conftest import REPLY, USAGE, USAGE_PUSD, WHOLE_STREAM, FakeProvider, Purse, answer, chunk, stream
from tests.spending.recorded_bounds import NOON_US, judged_records
from tests.spending.test_set_meanwhile import after, setting

UNKNOWN = {**REPLY, "usage": {**USAGE, "map_tiles": 2}}
SEARCH_PUSD = PUSD_PER_USD // 100
"""The dearest rate of gpt-4.1: a search of the web."""


def with_unknown(number: int) -> dict[str, object]:
    return {**REPLY, "usage": {**USAGE, "map_tiles": number}}


def test_a_number_that_nobody_read_makes_the_entry_a_lower_bound(purse: Purse, provider: FakeProvider) -> None:
    provider.plays = [answer(200, UNKNOWN)]
    purse.ask()
    (call,) = purse.calls()
    assert (call.cost_source, call.cost_pusd) == (UNPRICED, USAGE_PUSD)
    assert call.unpriced == (("usage.map_tiles", 2),)


@pytest.mark.parametrize("place", [1, 3])
def test_so_does_one_in_any_chunk_of_a_stream(purse: Purse, provider: FakeProvider, place: int) -> None:
    values = list(WHOLE_STREAM)
    values[place] = {**values[place], "tool_usage": {"maps": {"requests": 3}}}  # type: ignore[dict-item]
    provider.plays = [stream(*values)]
    purse.ask(stream=True)
    (call,) = purse.calls()
    assert (call.cost_source, call.cost_pusd) == (UNPRICED, USAGE_PUSD)
    assert call.unpriced == (("tool_usage.maps.requests", 3),)


def test_under_a_budget_it_costs_what_the_dearest_unit_costs(purse: Purse, provider: FakeProvider) -> None:
    provider.plays = [answer(200, UNKNOWN)]
    purse.budget("org", "5")
    purse.ask(options=Options(max_tokens=10_000))
    (call,) = purse.calls()
    assert (call.cost_source, call.cost_pusd) == (UNPRICED, 2 * SEARCH_PUSD)


@pytest.mark.parametrize("number", [7, 10**9])
def test_but_never_more_than_was_reserved(purse: Purse, provider: FakeProvider, number: int) -> None:
    provider.plays = [answer(200, with_unknown(number))]
    purse.budget("org", "5")
    made = purse.ask(options=Options(max_tokens=100)).last.plan
    (call,) = purse.calls()
    assert call.cost_pusd == made.worst.cost_pusd < 7 * SEARCH_PUSD


def test_the_fees_that_were_reserved_count_beside_it(purse: Purse) -> None:
    found = purse.book.find("openai", "gpt-4.1")
    assert found is not None
    bounds = Bounds(100, 0, 1, max_output=100, units=(("storage_searches", 3), ("web_searches", 2)))
    fees = 3 * PUSD_PER_USD * 25 // 10_000 + 2 * SEARCH_PUSD
    assert unread_pusd(found.price, bounds, 0) == fees
    assert unread_pusd(found.price, bounds, 4) == fees + 4 * SEARCH_PUSD
    assert unread_pusd(found.price, bounds, 0) <= worst_case(found.price, bounds).cost_pusd


def test_a_budget_that_is_set_while_it_is_under_way_counts(purse: Purse, provider: FakeProvider) -> None:
    provider.plays = [after(lambda: setting(purse, "5"), answer(200, UNKNOWN))]
    purse.ask(options=Options(max_tokens=10_000))
    assert purse.calls()[0].cost_pusd == 2 * SEARCH_PUSD


def test_what_the_provider_charges_is_no_lower_bound_and_a_price_of_zero_covers_no_fee(
    purse: Purse, provider: FakeProvider
) -> None:
    provider.plays = [answer(200, UNKNOWN)]
    purse.prices = {"openai/gpt-4.1": {"input": 0, "output": 0}}
    purse.ask()
    purse.prices = {}
    purse.held = [one._replace(provider="openrouter") for one in purse.held[:1]]
    provider.plays = [answer(200, {**UNKNOWN, "usage": {**USAGE, "map_tiles": 2, "cost": 0.25}})]
    purse.ask(model="openai/openai/gpt-4.1")
    free, billed = purse.calls()
    assert (free.cost_source, free.cost_pusd) == (UNPRICED, 0)  # a price of zero for tokens is none for tiles
    assert (billed.cost_source, billed.cost_pusd, billed.unpriced) == (BILLED, PUSD_PER_USD // 4, ())


def test_a_reply_without_usage_is_not_estimated_away(purse: Purse, provider: FakeProvider) -> None:
    provider.plays = [stream(chunk("Hello"), {**WHOLE_STREAM[2], "tool_usage": {"maps": 1}}, b"[DONE]")]  # type: ignore[dict-item]
    purse.ask(stream=True)
    (call,) = purse.calls()
    assert (call.cost_source, dict(call.unpriced)) == (UNPRICED, {"tool_usage.maps": 1})


def test_an_alert_a_day_names_provider_and_field(purse: Purse, provider: FakeProvider) -> None:
    with purse.ledger.writing() as writer:
        channel = Channel("ops", ("anomaly",), Webhook("https://hooks.example.org/x"))
        outbox.add_channel(writer, channel, bytes(16))
    provider.plays = [answer(200, UNKNOWN), answer(200, with_unknown(9)), answer(200, REPLY)]
    for _ in range(3):
        purse.ask()
    with purse.ledger.reading() as connection:
        rows = outbox.newest(connection, 10)
        assert [occasion_text(connection, row.once) for row in rows] == [
            "openai reports usage.map_tiles, which nobody reads"
        ]
    assert [call.cost_source for call in purse.calls()] == [UNPRICED, UNPRICED, COMPUTED]
    provider.plays = [
        answer(200, {**REPLY, "usage": {**USAGE, **{f"made_up_{call}_{number}": 1 for number in range(7)}}})
        for call in range(6)
    ]
    provider.seen.clear()
    for _ in range(6):
        purse.ask()
    with purse.ledger.reading() as connection:
        assert len(outbox.newest(connection, 100)) == 20


def test_a_field_that_is_named_by_the_key_is_masked(purse: Purse, provider: FakeProvider) -> None:
    secret = purse.secret.reveal().decode()
    provider.plays = [answer(200, {**REPLY, "usage": {**USAGE, secret: 3}})]
    purse.ask()
    ((name, number),) = purse.calls()[0].unpriced
    assert (name, number) == (f"usage.{'*' * len(secret)}"[:100], 3)


def test_no_field_reaches_the_ledger_unprintable_or_long(purse: Purse, provider: FakeProvider) -> None:
    names = {f"a=b\n\x1b[2J{'x' * 200}{number}": 1 for number in range(12)}
    provider.plays = [answer(200, {**REPLY, "usage": {**USAGE, **names}})]
    purse.ask()
    (call,) = purse.calls()
    assert 0 < len(call.unpriced) <= 8
    assert all(name.isprintable() and len(name) <= 100 and "=" not in name for name, _ in call.unpriced)


@needs_recorded
@pytest.mark.parametrize("number", [1, 40, 10**9])
def test_no_recorded_exchange_costs_less_for_what_is_unread_or_more_than_was_reserved(number: int) -> None:
    known = catalogue.load()
    target = Target(SpendingKey("key", "openai", "https://api.example/v1"), known["openai"], "m", None)
    tried = 0
    for judged in judged_records():
        if judged.refused or judged.cost_pusd is None or judged.metered.billed_pusd is not None:
            continue
        plan = Plan(
            target, known["openai"].dialect(), Request("m", ()), judged.price, True, judged.metering.bounds, judged.worst,
            0, is_limited=True,
        )  # fmt: skip
        used = AttemptUse(True, True, judged.metered._replace(unread=(("usage.tiles", number),)))
        made = bill(plan, used, NOON_US, lambda _model: None)
        tried += 1
        assert made.source == UNPRICED
        assert dict(made.unpriced)["usage.tiles"] == number
        assert judged.cost_pusd <= made.cost_pusd <= judged.worst.cost_pusd
    assert tried > 100
