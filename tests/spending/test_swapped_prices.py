"""A call settles by the price book that it was reserved with, whatever book comes meanwhile; its entry names it."""

from __future__ import annotations

import json
import socket

from aikeys.pricing import snapshot
from aikeys.pricing.price_text import unit_prices
from aikeys.spending.bill import prices_of
from aikeys.spending.targets import Spent
from tests.spending.conftest import REPLY, USAGE_PUSD, FakeProvider, Purse, Seen, answer


def kept(purse: Purse, usd: int) -> None:
    row = {"id": "gpt-4.1", "rates": {"input": usd, "output": usd}}
    document = {"schema": "aikeys.prices/1", "provider": "openai", "date": "2099-01-01", "models": [row]}
    snapshot.store(str(purse.folder), snapshot.packed("2099-01-01", [json.dumps(document, separators=(",", ":"))]))


def price_of(spent: Spent) -> str:
    return unit_prices(spent.last.bill.price).reference


def test_a_book_that_is_swapped_between_reserve_and_settle_changes_nothing(
    purse: Purse, provider: FakeProvider
) -> None:
    def swapping(connection: socket.socket, seen: Seen) -> None:
        kept(purse, 1000)
        answer(200, REPLY)(connection, seen)

    provider.plays = [swapping, answer(200, REPLY)]
    purse.budget("org", "100")
    first, second = purse.ask(), purse.ask()
    assert sorted(call.cost_pusd for call in purse.calls()) == [USAGE_PUSD, 30_000_000_000]
    assert first.last.bill.cost_pusd == USAGE_PUSD
    assert price_of(first).endswith(":bundled")
    assert price_of(second).endswith(":updated")
    assert "@2099-01-01." in price_of(second)


def test_a_model_that_answers_in_another_s_place_is_found_in_the_book_of_the_reservation(purse: Purse) -> None:
    target = purse.names.resolve("openai/gpt-5")
    kept(purse, 1000)
    now, then = purse.book.find("openai", "gpt-4.1"), prices_of(purse.book, target)("gpt-4.1")
    assert now is not None
    assert then is not None
    assert (now.price.source, then.source) == ("updated", "bundled")
