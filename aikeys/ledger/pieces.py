"""Write much in pieces: each a transaction of its own, so short that nobody who waits for the ledger notices.

A piece holds the ledger for LONGEST_S at most, as far as its own work goes: how much fits into the next one is what the
last ones took, their commits included. Killed between two pieces, a ledger has whole pieces and verifies.

A lock that is free for an instant goes to whoever asks next, which would be the next piece: so there is a pause after
each, a longer one while others write.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import TypeVar

from aikeys.ledger.entries import Head
from aikeys.ledger.store import Ledger, Writer
from aikeys.ledger.write_cache import WriteCache, cached_writing

LONGEST_S = 0.050
_AIM_S, _LEAST_S = 0.030, 0.010
_FORGET = 0.8
_PAUSE_S, _LONGER_S = 0.001, 0.002

T = TypeVar("T")


def in_pieces(
    ledger: Ledger,
    things: Iterable[T],
    write: Callable[[Writer, T], None],
    *,
    announce: Callable[[Writer], None] = lambda _: None,
    now_s: Callable[[], float] = time.monotonic,
) -> None:
    """Write all things in their order; `announce` says what is done, with the first piece. Nothing without things."""
    cache, waiting = WriteCache(), iter(things)
    thing = next(waiting, None)
    head: Head | None = None
    commit_s = (_AIM_S - _LEAST_S) / 2
    is_first = True
    while thing is not None:
        with cached_writing(ledger, cache) as writer:
            pause_s = _PAUSE_S if head in (None, writer.head) else _LONGER_S
            until_s = now_s() + max(_LEAST_S, _AIM_S - commit_s)
            while thing is not None:
                write(writer, thing)
                thing = next(waiting, None)
                worked_s = now_s()
                if worked_s >= until_s:
                    break
            if is_first:
                announce(writer)
            head = writer.head
        is_first = False
        took_s = now_s() - worked_s
        commit_s = max(took_s, _FORGET * commit_s)
        if thing is not None:
            time.sleep(pause_s)
