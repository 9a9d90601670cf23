"""The bill of an attempt: its cost, and how that is known (pure): the table of outcomes.

| what is known | cost | source |
|---|---|---|
| not sent, or refused without usage | 0 | computed |
| the provider says what it charges for the whole reply | that | billed |
| whole reply, usage reported | usage × price | computed; estimated where the price is another name's |
| the same, of an unlisted pin | at the dearest of its family | unpriced; computed where the reply's model is listed |
| anything else, a budget limits the call | worst case, its input as reported unless it runs again | worst_case |
| anything else | as far as reported, else a token for four bytes, output bounded by the cap | estimated |
| a model or a used unit without a price | what is priced of it: a lower bound | unpriced |
| something reported that nobody read | a lower bound; under a budget see `_with_unread` | unpriced |

What a stream announces before its reply, or had reported when it broke, is no report of the whole.
A fee that was reserved has happened, unless the reply is of a format that lists such things and lists none.
A reported zero is zero. Nothing here gives money back that may have been spent.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from aikeys.ledger.calls import BILLED, COMPUTED, ESTIMATED, MAX_COST_PUSD, UNPRICED, WORST_CASE
from aikeys.pricing.book import DEPLOYMENTS, Book
from aikeys.pricing.cost import cost, unpriced
from aikeys.pricing.price_text import price_text
from aikeys.pricing.values import Price, Priced
from aikeys.pricing.worst_case import unread_pusd
from aikeys.providers.usage import NOTHING, Usage
from aikeys.providers.wire.protocols import protocol_of
from aikeys.providers.wire.values import UNMETERED, Metered
from aikeys.spending.names import Target
from aikeys.spending.plan import Plan, estimated_input_tokens

_LONGEST_NAME = 100


_LISTS_WHAT_IT_DID = ("openai_responses", "anthropic_messages", "gemini_generate")
"""Formats whose complete replies list searches and tools: output items, server_tool_use, groundingMetadata."""


class AttemptUse(NamedTuple):
    """What is known of an attempt's use when it is over.

    may_cost: it was sent and not refused. complete: what it reports is of the whole reply. text_bytes: of all that
    came. answered: the model, as the provider says.
    """

    may_cost: bool
    complete: bool = False
    metered: Metered = UNMETERED
    text_bytes: int = 0
    answered: str = ""


class Bill(NamedTuple):
    """What goes into the entry. `price` names the price and its unit prices.

    `unpriced` holds the used units without a price, and what nobody read by its path in the reply. `doubt_pusd`: what
    may be missing in an estimate that is booked in the place of the worst case.
    """

    usage: Usage
    cost_pusd: int
    source: str
    unpriced: tuple[tuple[str, int], ...] = ()
    price: str = ""
    doubt_pusd: int = 0


PriceOf = Callable[[str], Price | None]
"""The certain price of another model of the same provider, None where there is none."""


def prices_of(book: Book, target: Target) -> PriceOf:
    """Return what finds the prices of the models that a target's provider may answer with.

    They are those of the book that the call was reserved with; `book` serves a target that was found in none.
    """
    book = target.book or book

    def find(model: str) -> Price | None:
        found = book.find(target.provider.name, model, target.key.base_url, is_reply=True)
        return found.price if found is not None and found.is_certain and found.price.is_known else None

    return find


def bill(plan: Plan, used: AttemptUse, at_us: int, price_of: PriceOf) -> Bill:
    """Return what an attempt that was reserved at `at_us` cost."""
    metered = _with_reserved_fees(plan, used)
    price, known = _price_and_source(plan, used, price_of)
    reference = _price_text(price, metered, at_us)
    if metered.billed_pusd is not None and (used.complete or not used.may_cost):
        return Bill(metered.usage or NOTHING, min(metered.billed_pusd, MAX_COST_PUSD), BILLED, (), reference)
    if metered.usage is None and not used.may_cost:
        return _with_unread(plan, metered, Bill(NOTHING, 0, COMPUTED, (), reference), price)
    if metered.usage is not None and (used.complete or not used.may_cost):
        priced = _priced(price, metered, at_us, price_of)
        if plan.is_limited and price is not None:
            priced = _served_as_reserved(plan, price, priced, metered.usage, at_us)
        unlisted = ((f"model:{plan.target.model}"[:_LONGEST_NAME], 1),) if known == UNPRICED else ()
        source = known if priced.is_complete else UNPRICED
        made = Bill(metered.usage, _held(priced.cost_pusd), source, (*priced.unpriced, *unlisted), reference)
        return _with_unread(plan, metered, made, price)
    made = _unknown(plan, used, price, at_us, price_of)
    said_pusd = min(metered.billed_pusd or 0, MAX_COST_PUSD)
    return _with_unread(plan, metered, made._replace(cost_pusd=max(made.cost_pusd, said_pusd)), price)


def _with_reserved_fees(plan: Plan, used: AttemptUse) -> Metered:
    """A fee that was reserved has happened, unless the reply is of a format that lists such things and lists none."""
    metered = used.metered
    if not plan.bounds.units or metered.usage is None or not used.may_cost:
        return metered
    if (plan.protocol or protocol_of(plan.dialect).name) in _LISTS_WHAT_IT_DID:
        return metered
    told = dict(metered.usage.other)
    other = {**dict(plan.bounds.units), **{unit: count for unit, count in told.items() if count}}
    return metered._replace(usage=metered.usage._replace(other=tuple(sorted(other.items()))))


def _price_and_source(plan: Plan, used: AttemptUse, price_of: PriceOf) -> tuple[Price | None, str]:
    """Return the price of what answered, and how well a cost by it is known.

    What an unlisted pin or a deployment is, only the reply says: its model counts where that is listed.
    """
    if plan.price is not None and plan.is_certain:
        return plan.price, COMPUTED
    found = plan.target.found
    is_pin = found is not None and found.is_pin
    if plan.price is None or is_pin or plan.target.provider.protocol == DEPLOYMENTS:
        listed = price_of(used.answered) if used.answered else None
        if listed is not None or plan.price is None:
            return listed, COMPUTED
    return plan.price, UNPRICED if is_pin else ESTIMATED


def _served_as_reserved(plan: Plan, price: Price, priced: Priced, usage: Usage, at_us: int) -> Priced:
    """A way of serving without rates counts, under a blocking budget, at the dearest that was reserved for."""
    if not any(":" in name for name, _ in priced.unpriced):
        return priced
    ways = [cost(price, usage, at_us=at_us, service=way).cost_pusd for way in plan.bounds.services]
    return priced._replace(cost_pusd=max(priced.cost_pusd, *ways))


def _with_unread(plan: Plan, metered: Metered, made: Bill, price: Price | None) -> Bill:
    """What was reported and nobody read makes a cost a lower bound.

    Under a blocking budget it is the larger of the cost and what such a number may be, never above what was reserved.
    """
    if not metered.unread or made.source == WORST_CASE or (price is not None and price.free):
        return made
    cost_pusd = made.cost_pusd
    if plan.is_limited and plan.price is not None:
        count = sum(number for _, number in metered.unread)
        most_pusd = min(unread_pusd(plan.price, plan.bounds, count), plan.worst.cost_pusd)
        cost_pusd = max(cost_pusd, _held(most_pusd))
    return made._replace(
        cost_pusd=cost_pusd,
        source=UNPRICED,
        unpriced=tuple(sorted({**dict(made.unpriced), **dict(metered.unread)}.items())),
    )


def _unknown(plan: Plan, used: AttemptUse, price: Price | None, at_us: int, price_of: PriceOf) -> Bill:
    reported = used.metered.usage
    reference = _price_text(price, used.metered, at_us)
    if plan.is_limited and plan.price is not None:
        return _worst(plan, used.metered, at_us, price_of)
    guess = _guess(plan, reported, used.text_bytes)
    if price is None:
        return Bill(guess, 0, UNPRICED, unpriced(guess, "").unpriced)
    priced = _priced(price, used.metered._replace(usage=guess), at_us, price_of)
    return Bill(
        guess, _held(priced.cost_pusd), ESTIMATED if priced.is_complete else UNPRICED, priced.unpriced, reference
    )


def _worst(plan: Plan, metered: Metered, at_us: int, price_of: PriceOf) -> Bill:
    """The reservation stands; where the input was reported, its part is what that costs."""
    worst = plan.worst
    reference = _price_text(plan.price, metered, at_us)
    if metered.usage is None or not metered.usage.input or plan.bounds.iterations > 1:
        return Bill(metered.usage or NOTHING, worst.cost_pusd, WORST_CASE, (), reference)
    reported = _priced(plan.price, metered, at_us, price_of).cost_pusd
    only_input = metered._replace(usage=metered.usage._replace(output=0, reasoning=0))
    with_input = _priced(plan.price, only_input, at_us, price_of).cost_pusd + worst.output_pusd
    return Bill(metered.usage, max(reported, min(worst.cost_pusd, with_input)), WORST_CASE, (), reference)


def _guess(plan: Plan, reported: Usage | None, text_bytes: int) -> Usage:
    """Return what is reported, and what is not by its bytes: never less than was reported."""
    output = -(-text_bytes // 4)
    if plan.cap and plan.dialect.cap_covers_reasoning:
        output = min(output, plan.cap * plan.bounds.choices)
    if not plan.open_ends and plan.price is not None and not plan.price.free:
        output = min(output, plan.worst.output_tokens)
    if reported is None:
        return Usage(input=estimated_input_tokens(plan.bounds, plan.dialect.provider), output=output)
    found = reported._replace(output=max(reported.output, output))
    return (
        found
        if reported.input
        else found._replace(input=max(estimated_input_tokens(plan.bounds, plan.dialect.provider), reported.cache_read))
    )


def _priced(price: Price | None, metered: Metered, at_us: int, price_of: PriceOf) -> Priced:
    """Return the cost of everything that was used, by other models too."""
    usage = metered.usage or NOTHING
    service = dict(metered.service)
    total = cost(price, usage, at_us=at_us, service=service) if price else unpriced(usage, "")
    for other in metered.others:
        its_price = price_of(other.model)
        part = cost(its_price, other.usage, at_us=at_us) if its_price else unpriced(other.usage, "")
        left_out = dict(total.unpriced)
        for unit, count in part.unpriced:
            left_out[unit] = left_out.get(unit, 0) + count
        total = total._replace(cost_pusd=total.cost_pusd + part.cost_pusd, unpriced=tuple(left_out.items()))
    return total


def _price_text(price: Price | None, metered: Metered, at_us: int) -> str:
    if price is None:
        return ""
    return price_text(price, metered.usage or NOTHING, at_us=at_us, service=dict(metered.service))


def _held(pusd: int) -> int:
    return min(pusd, MAX_COST_PUSD)
