"""Calls until one is answered: the same model again where that is safe, then the ones that may stand in for it."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from itertools import count
from typing import NamedTuple, Protocol

from aikeys.errors import AikeysError
from aikeys.spending.call import Outcome
from aikeys.spending.names import ModelNames, Target
from aikeys.spending.retrying import may_go_elsewhere, pause_ms

MOST_TARGETS = 5
Make = Callable[[Target], Awaitable[Outcome]]


class Spent(NamedTuple):
    """Every call, the last one being the answer or the failure the caller is told."""

    calls: tuple[Outcome, ...]

    @property
    def last(self) -> Outcome:
        return self.calls[-1]

    @property
    def cost_pusd(self) -> int:
        return sum(each.bill.cost_pusd for each in self.calls)


class Between(Protocol):
    """What is done between two calls. `repeats`: a target is asked again where that is safe."""

    @property
    def repeats(self) -> bool: ...

    @property
    def is_over(self) -> bool:
        """Tell whether nobody wants another call."""
        ...

    def say(self, text: str) -> None:
        """Tell whoever asked."""
        ...

    async def pause(self, seconds: float) -> None:
        """Wait."""
        ...


async def spend(targets: Sequence[Target], make: Make, between: Between) -> Spent:
    """Ask the first target, and those after it where it cannot answer; raises what refuses the first before sending.

    A stand-in that is refused itself (a budget, no price) is passed over.
    """
    calls: list[Outcome] = []
    for target in targets[:MOST_TARGETS]:
        if calls:
            between.say(f"{calls[-1].plan.target} failed, asking {target}")
        try:
            async for made in _tries(target, make, between):
                calls.append(made)  # noqa: PERF401  what was made before a refusal is kept
        except AikeysError as refusal:
            if not calls:
                raise
            between.say(f"{target} is not asked: {refusal.message}")
            continue
        if calls[-1].is_begun or not may_go_elsewhere(calls[-1].received) or between.is_over:
            break
    return Spent(tuple(calls))


async def _tries(target: Target, make: Make, between: Between) -> AsyncIterator[Outcome]:
    """Ask one target until it answers, fails for good or has been asked often enough."""
    for number in count(1):
        made = await make(target)
        yield made
        wait_ms = pause_ms(made.received, number, os.urandom(1)[0]) if between.repeats else None
        if wait_ms is None or made.unsettled is not None or made.is_begun or between.is_over:
            return
        failure = made.received.failure
        what = f"{target}: {failure.message}" if failure else f"{target}"
        between.say(f"{what}; retrying in {wait_ms / 1000:.1f} s")
        await between.pause(wait_ms / 1000)


def targets_of(names: ModelNames, text: str, fallbacks: Mapping[str, Sequence[str]]) -> list[Target]:
    """Return the target that a text names, and those that config.toml lets stand in for it.

    `[fallbacks]` is asked by model (`openai/gpt-4.1`), then by provider; a stand-in without a slash is a key, asked for
    the same model.
    """
    first = names.resolve(text)
    return [first, *stand_ins(names, first, text, fallbacks)]


def stand_ins(
    names: ModelNames, first: Target, text: str, fallbacks: Mapping[str, Sequence[str]], *, lenient: bool = False
) -> list[Target]:
    """Return those that may stand in for a target; `lenient` passes over what these keys do not reach."""
    found = [first]
    for stand_in in fallbacks.get(str(first)) or fallbacks.get(text) or fallbacks.get(first.provider.name, ()):
        try:
            wanted = names.resolve(stand_in if "/" in stand_in else f"{stand_in}/{first.model}")
        except AikeysError:
            if lenient:
                continue
            raise
        if wanted not in found:
            found.append(wanted)
    return found[1:]
