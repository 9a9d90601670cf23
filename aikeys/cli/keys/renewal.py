"""The bar over the renewal of grants: every live token is handed the new version of a key."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from aikeys.cli import screen

_WORTH_A_BAR = 100


@contextmanager
def renewing() -> Iterator[Callable[[int, int], None]]:
    """Yield what is told how many of how many grants are sealed; a bar shows where they are many."""
    with ExitStack() as stack:
        step: list[Callable[[], None]] = []
        shown = 0

        def advance(done: int, of: int) -> None:
            nonlocal shown
            if of < _WORTH_A_BAR:
                return
            if not step:
                step.append(stack.enter_context(screen.progress("handing the key to its tokens", of)))
            for _ in range(done - shown):
                step[0]()
            shown = done

        yield advance
