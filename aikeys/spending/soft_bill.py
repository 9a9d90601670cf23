"""The soft bill of an attempt (pure): the estimate that may be booked where the provider broke a stream off.

It is what a call costs that no budget limits: the larger of what was reported and a token for four bytes of what came.
Whether it is booked, the budgets say (budgets.soft_ends). There is none, and the worst case stands, where something may
have been billed that nobody saw:

- reasoning: of a model that is on no list of its provider (`shows_all`), or where the request says anything of it;
- runs and tools at the provider, texts of which only the best are sent, images and sound, another model beside, a field
  that nobody read;
- an input that was not reported, and is more than the request shows.
"""

from __future__ import annotations

from aikeys.ledger.calls import ESTIMATED, WORST_CASE
from aikeys.pricing.bounds import MEDIA_TOKENS, ways_of_serving
from aikeys.pricing.cost import cost
from aikeys.spending.bill import AttemptUse, Bill, PriceOf, bill
from aikeys.spending.plan import Plan

_MAY_DROP_CHOICES = "openai_completions"
"""Its `best_of` bills texts that are not sent."""


def soft_bill(plan: Plan, used: AttemptUse, at_us: int, price_of: PriceOf, worst: Bill) -> Bill | None:
    """Return the estimate beside a worst case, with what may be missing in it; None where there is none."""
    if worst.source != WORST_CASE or plan.price is None or may_hide(plan, used):
        return None
    made = bill(plan._replace(is_limited=False), used, at_us, price_of)
    cost_pusd = max(made.cost_pusd, _as_asked(plan, used, made, at_us))
    if made.source != ESTIMATED or cost_pusd >= worst.cost_pusd:
        return None
    return made._replace(cost_pusd=cost_pusd, doubt_pusd=worst.cost_pusd - cost_pusd)


def may_hide(plan: Plan, used: AttemptUse) -> bool:
    """Tell whether something may have been billed that nobody saw; a field that nobody read has no estimate anyway."""
    bounds, metered = plan.bounds, used.metered
    usage = metered.usage
    names = filter(None, (plan.target.model, used.answered))
    return (
        bounds.thinks
        or not all(plan.dialect.is_shown(name) for name in names)
        or bool(usage is not None and usage.reasoning)
        or bounds.iterations > 1
        or (bounds.choices > 1 and plan.protocol == _MAY_DROP_CHOICES)
        or bool(bounds.units or bounds.output_modalities or metered.others)
        or ((usage is None or not usage.input) and _hides_input(plan))
    )


def _hides_input(plan: Plan) -> bool:
    bounds, provider = plan.bounds, plan.dialect.provider
    has_unknown = any((provider, media.kind) not in MEDIA_TOKENS for media in bounds.media)
    return bounds.referenced or has_unknown or bounds.cache_write in ("5m", "1h")


def _as_asked(plan: Plan, used: AttemptUse, made: Bill, at_us: int) -> int:
    """Return the same in the dearest way that the request asks for, where the reply does not say how it was served."""
    price, ways = plan.price, plan.bounds.services
    if price is None or used.metered.service or ways == ways_of_serving(price):
        return 0
    return max((cost(price, made.usage, at_us=at_us, service=way).cost_pusd for way in ways), default=0)
