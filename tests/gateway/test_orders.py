"""A body that is passed on is written anew only where its cap is another one."""

from __future__ import annotations

import json
from pathlib import Path

from aikeys.gateway.orders import Address, PassedOn
from aikeys.pricing.book import Book
from aikeys.providers import catalogue
from aikeys.spending.names import Held, Target
from aikeys.spending.native.plans import Native
from aikeys.spending.plan import Circumstances, lowered

NOW_US = 1_795_435_200_000_000


def test_a_lowered_cap_goes_out_and_not_the_body_that_was_checked_before(tmp_path: Path) -> None:
    known = catalogue.load()
    model = "gpt-4o-mini"
    found = Book(str(tmp_path), {}, {}, known).find("openai", model)
    target = Target(Held("openai", "openai", "https://api.openai.example/v1"), known["openai"], model, found)
    body = {"model": model, "messages": [{"role": "user", "content": "hi"}], "max_tokens": 5000}
    order = PassedOn(Native("openai_chat", body), Address("POST", "/chat/completions"))
    made = order.plan(target, Circumstances(NOW_US, NOW_US + 10**9, 10**12))
    checked = order.outgoing(made)
    assert order.outgoing(made).body is checked.body
    less = lowered(made, made.worst.cost_pusd - made.worst.output_pusd // 2)
    assert less.cap < 5000
    assert less.cap in json.loads(order.outgoing(less).body).values()
    assert 5000 not in json.loads(order.outgoing(less).body).values()
    assert json.loads(order.outgoing(made).body) == json.loads(checked.body)
