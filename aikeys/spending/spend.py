"""Attempts until one is answered: the same model again where that is safe, then the ones that may stand in for it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from itertools import count
from typing import NamedTuple

from aikeys.errors import AikeysError
from aikeys.spending.attempt import Asked, Attempted, Sink, Tools, attempt
from aikeys.spending.authorise import Caller
from aikeys.spending.names import Names, Target
from aikeys.spending.retrying import may_go_elsewhere, pause_ms

MOST_TARGETS = 5


class Spent(NamedTuple):
    """Every attempt, the last one being the answer or the failure the caller is told."""

    attempts: tuple[Attempted, ...]

    @property
    def last(self) -> Attempted:
        return self.attempts[-1]

    @property
    def cost_pusd(self) -> int:
        return sum(each.bill.cost_pusd for each in self.attempts)


def spend(
    tools: Tools,
    caller: Caller,
    asked: Asked,
    targets: Sequence[Target],
    sink: Sink,
) -> Spent:
    """Ask the first target, and those after it where it cannot answer; raises what refuses the first before sending.

    A stand-in that is refused itself (a budget, no price) is passed over.
    """
    attempts: list[Attempted] = []
    for target in targets[:MOST_TARGETS]:
        if attempts:
            tools.settings.say(f"{attempts[-1].plan.target} failed, asking {target}")
        try:
            attempts.extend(_tries(tools, caller, asked, target, sink))  # keeps what was made before a refusal
        except AikeysError as refusal:
            if not attempts:
                raise
            tools.settings.say(f"{target} is not asked: {refusal.message}")
            continue
        last = attempts[-1]
        if not may_go_elsewhere(last.received) or last.left is not None or tools.interruption.count:
            break
    return Spent(tuple(attempts))


def _tries(tools: Tools, caller: Caller, asked: Asked, target: Target, sink: Sink) -> Iterator[Attempted]:
    """Ask one target until it answers, fails for good or has been asked often enough."""
    for number in count(1):
        made = attempt(tools, caller, asked, target, sink)
        yield made
        wait_ms = pause_ms(made.received, number, os.urandom(1)[0])
        if wait_ms is None or made.left is not None or made.unsettled is not None:
            return
        failure = made.received.failure
        what = f"{target}: {failure.message}" if failure else f"{target}"
        tools.settings.say(f"{what}; again in {wait_ms / 1000:.1f} seconds")
        tools.interruption.sleep(wait_ms / 1000)


def targets_of(names: Names, text: str, fallbacks: Mapping[str, Sequence[str]]) -> list[Target]:
    """Return the target that a text names, and those that config.toml lets stand in for it.

    `[fallbacks]` is asked by model (`openai/gpt-4.1`), then by provider; a stand-in without a slash is a key, asked for
    the same model.
    """
    first = names.resolve(text)
    return [first, *stand_ins(names, first, text, fallbacks)]


def stand_ins(
    names: Names, first: Target, text: str, fallbacks: Mapping[str, Sequence[str]], *, lenient: bool = False
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
