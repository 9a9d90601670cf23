"""The plan of a call: its cost, and the cap on output that makes it true (pure): worst case, floor, cap, lowering.

- Under a blocking budget, or with a limit of the caller's own, everything must be known: no certain price, or nothing
  that bounds the call, is CannotDecide (23). Without one a call goes as it is, and what is unknown stays unknown.
- Where the caller gave no cap, a blocking budget brings one: the model's maximum, but not more than a share of what is
  left, and not less than a floor. A dialect that needs a cap gets the model's maximum.
- A cap that does not cover reasoning bounds nothing: then the worst case cannot be lowered, and is the floor too.
- A lowered cap stays above the thinking budget that the request asks for.
"""

from __future__ import annotations

from typing import NamedTuple

from aikeys.budgets import decisions
from aikeys.errors import AikeysError, CannotDecide
from aikeys.ledger.calls import MAX_COST_PUSD
from aikeys.money import shown_usd, usd_text
from aikeys.pricing.book import DEPLOYMENTS
from aikeys.pricing.bounds import MEDIA_TOKENS, Bounds
from aikeys.pricing.found import FoundPrice
from aikeys.pricing.values import Price
from aikeys.pricing.worst_case import WorstCase, worst_case
from aikeys.providers.wire.dialects import Dialect
from aikeys.providers.wire.values import Request
from aikeys.spending.names import Target

SHARE_PERCENT = 25
"""The part of what is left that one call without a cap of its own may set aside."""
SHARE_FLOOR_TOKENS = 4096
LEAST_OUTPUT_TOKENS = 256
"""Less output than this is not worth sending a call for."""
_UNKNOWN_MAX_TOKENS = 8192
_NOTHING = WorstCase(0, 0, 0, (0, 1), 1, ("no price is known",))


class CostsTooMuch(AikeysError):
    """More than the caller's own limit on this call."""

    code = "budget_exceeded"
    exit_status = 22
    http_status = 402


class Circumstances(NamedTuple):
    """When the call is made, and what limits it: None is no limit."""

    now_us: int
    until_us: int
    left_pusd: int | None = None
    """What the tightest blocking budget has left once every open reservation has cost nothing."""
    max_cost_pusd: int | None = None

    @property
    def is_limited(self) -> bool:
        return self.left_pusd is not None or self.max_cost_pusd is not None


class Plan(NamedTuple):
    """A call ready to be reserved. `request` carries the cap; `price` None: nobody knows it.

    `lowered_from`: the cap that was wanted, where it had to be lowered, else 0.
    """

    target: Target
    dialect: Dialect
    request: Request
    price: Price | None
    is_certain: bool
    bounds: Bounds
    worst: WorstCase
    floor_pusd: int
    is_limited: bool
    lowered_from: int = 0
    protocol: str = ""
    open_ends: tuple[str, ...] = ()
    """Why the worst case is no bound of what the call can cost; empty where it is one."""
    thinking_tokens: int = 0

    @property
    def cost(self) -> decisions.Ask:
        """Return what is asked of the budgets."""
        worst = min(self.worst.cost_pusd, MAX_COST_PUSD)
        return decisions.Ask(worst, min(self.floor_pusd, worst), not self.open_ends)

    @property
    def cap(self) -> int:
        """Return the output cap of one choice, 0 for none."""
        return self.request.options.max_tokens or 0


class Draft(NamedTuple):
    """A request with what bounds it, before anybody looked at money.

    `request` of a call that is passed through as it came holds its model, cap and whether it streams, nothing else.
    `needs_cap`: one is added where the dialect wants one. `protocol`: a name of PROTOCOLS, "" for the dialect's chat.
    """

    target: Target
    dialect: Dialect
    request: Request
    bounds: Bounds
    thinking_tokens: int = 0
    needs_cap: bool = False
    protocol: str = ""
    unmetered: tuple[str, ...] = ()
    """What of it nobody meters."""


def tightened(made: Plan, input_tokens: int) -> Plan:
    """Return the plan with an input of at most so many tokens; as it was where that is no less, or with media."""
    if made.price is None or made.bounds.media or input_tokens >= made.worst.input_tokens:
        return made
    bounds = made.bounds._replace(text_tokens=input_tokens, messages=0, tools=0)
    draft = Draft(made.target, made.dialect, made.request, bounds, made.thinking_tokens)
    worst = worst_case(made.price, bounds)
    floor_pusd = min(_floor_pusd(made.price, bounds, draft, worst), worst.cost_pusd)
    return made._replace(bounds=bounds, worst=worst, floor_pusd=floor_pusd)


def price_of(target: Target, circumstances: Circumstances) -> tuple[Price | None, bool]:
    """Return the price of a model and whether it is certain; CannotDecide where a limit needs one that is not."""
    found = target.found
    price = found.price if found is not None and found.price.is_known else None
    certain = found is not None and found.is_certain
    if circumstances.is_limited:
        _require_price(target, price, found)
    return price, certain


def fitted(draft: Draft, circumstances: Circumstances) -> Plan:
    """Return a draft with its worst case, its floor and the cap that limits bring."""
    target, dialect, request, bounds, *_ = draft
    price, certain = price_of(target, circumstances)
    limited = circumstances.is_limited
    if price is None:
        request = _with_cap(request, _needed(draft, None))
        return Plan(
            target, dialect, request, None, certain, bounds, _NOTHING, 0,
            is_limited=False, protocol=draft.protocol, open_ends=_NOTHING.undecided,
        )  # fmt: skip
    cap = _cap(price, draft, circumstances)
    request = _with_cap(request, cap)
    if cap != bounds.max_output:
        bounds = bounds._replace(max_output=cap)
    worst = worst_case(price, bounds)
    open_ends = _open_ends(target, worst, price)
    if limited and open_ends:
        raise CannotDecide(
            f"what {target} can cost has no bound ({'; '.join(open_ends)}), and a budget limits this call",
            "give --max-tokens, or leave attachments out",
        )
    if not price.free:
        open_ends += draft.unmetered if target.is_bound else ("its name only looks like one with a known price",)
    floor_pusd = min(_floor_pusd(price, bounds, draft, worst), worst.cost_pusd) if not price.free else 0
    made = Plan(
        target, dialect, request, price, certain, bounds, worst, floor_pusd, limited,
        protocol=draft.protocol, open_ends=open_ends, thinking_tokens=draft.thinking_tokens,
    )  # fmt: skip
    return made if circumstances.max_cost_pusd is None else _within(made, circumstances.max_cost_pusd)


def lowered(made: Plan, pusd: int) -> Plan:
    """Return the plan with a cap that makes its worst case fit into so much money."""
    if made.price is None or made.worst.cost_pusd <= pusd:
        return made
    cap = made.worst.largest_cap(pusd)
    bounds = made.bounds._replace(max_output=cap)
    worst = worst_case(made.price, bounds)
    if cap < 1 or worst.cost_pusd > pusd:
        raise ValueError("below the floor")
    wanted = made.lowered_from or made.cap
    return made._replace(request=_with_cap(made.request, cap), bounds=bounds, worst=worst, lowered_from=wanted)


def estimated_input_tokens(bounds: Bounds, provider: str) -> int:
    """Return about how many tokens the input is: a token for four bytes, media at their caps."""
    known = (MEDIA_TOKENS.get((provider, media.kind), 0) * media.amount for media in bounds.media)
    return -(-bounds.text_tokens // 4) + sum(known)


def expected_tokens(made: Plan) -> int:
    """Return about how many tokens a call will use, for a limit of tokens per minute: its input, and its cap."""
    return estimated_input_tokens(made.bounds, made.dialect.provider) + made.cap * made.bounds.choices


def price_line(target: Target) -> str:
    """Return the line to add to config.toml for a model without a price."""
    return f'add to config.toml: [prices."{target}"] with input = 1.25 and output = 10, in USD for a million tokens'


def _require_price(target: Target, price: Price | None, found: FoundPrice | None) -> None:
    if target.provider.protocol == DEPLOYMENTS and (price is None or not target.is_bound):
        raise CannotDecide(
            f"{target} is a deployment, whose name does not tell its model, and a budget limits this call",
            f'add to config.toml: [prices."{target}"] with like = "openai/MODEL", the model that it deploys',
        )
    if price is None or found is None:
        raise CannotDecide(f"no price is known of {target}, and a budget limits this call", price_line(target))
    if not found.is_bound:
        raise CannotDecide(
            f"{target} only looks like a model with a known price, and a budget limits this call", price_line(target)
        )


def _open_ends(target: Target, worst: WorstCase, price: Price) -> tuple[str, ...]:
    """Return why a worst case is no bound."""
    found = list(worst.undecided)
    units = {unit for tariff in price.tariffs for unit in tariff.rates}
    if target.provider.name == "perplexity" and units & {"web_searches", "output_citation_tokens"}:
        found.append("it searches as often as it likes")
    if worst.cost_pusd > MAX_COST_PUSD:
        found.append("it is beyond what the ledger can hold")
    return tuple(found)


def _cap(price: Price, draft: Draft, circumstances: Circumstances) -> int:
    """Return the cap to send: the caller's, the one a budget brings, the one the dialect needs, or 0."""
    bounds = draft.bounds
    if bounds.max_output:
        return bounds.max_output
    if not circumstances.is_limited or price.free or not bounds.cap_covers_reasoning:
        return _needed(draft, price)
    most = price.max_output or min(price.context_window or _UNKNOWN_MAX_TOKENS, _UNKNOWN_MAX_TOKENS)
    if circumstances.left_pusd is None:
        return most
    worst = worst_case(price, bounds._replace(max_output=most))
    share_pusd = max(0, circumstances.left_pusd) * SHARE_PERCENT // 100
    by_share = worst.largest_cap(share_pusd) if worst.cost_pusd > share_pusd else most
    return max(min(most, by_share), min(most, max(SHARE_FLOOR_TOKENS, draft.thinking_tokens + LEAST_OUTPUT_TOKENS)))


def _needed(draft: Draft, price: Price | None) -> int:
    if draft.bounds.max_output:
        return draft.bounds.max_output
    if not draft.needs_cap:
        return 0
    return (price.max_output if price else 0) or _UNKNOWN_MAX_TOKENS


def _with_cap(request: Request, cap: int) -> Request:
    if request.options.max_tokens == (cap or None):
        return request
    return request._replace(options=request.options._replace(max_tokens=cap or None))


def _floor_pusd(price: Price, bounds: Bounds, draft: Draft, worst: WorstCase) -> int:
    """Return the least with which the call is worth sending; `worst` is the worst case within these bounds."""
    if not bounds.cap_covers_reasoning or not bounds.max_output:
        return worst.cost_pusd
    least = min(bounds.max_output, LEAST_OUTPUT_TOKENS + draft.thinking_tokens)
    # one token and one pico-dollar more than the least: a cap made from the money is rounded down
    least = min(least + 1, bounds.max_output)
    if least == bounds.max_output:
        return worst.cost_pusd + 1
    return worst_case(price, bounds._replace(max_output=least)).cost_pusd + 1


def _within(made: Plan, limit_pusd: int) -> Plan:
    if made.worst.cost_pusd <= limit_pusd:
        return made
    if made.floor_pusd > limit_pusd:
        raise CostsTooMuch(
            f"{made.target} could cost up to {shown_usd(made.worst.cost_pusd)} (at least "
            f"{shown_usd(made.floor_pusd)}), more than --max-cost {usd_text(limit_pusd)}",
            "raise --max-cost, shorten the input, or choose a cheaper model: aikeys estimate -m MODEL",
        )
    return lowered(made, limit_pusd)
