"""Lines of the access log are written together, in order, and none is lost at the end."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from aikeys.gateway.http.access_log import AccessLog


def test_lines_wait_for_each_other_and_the_end_writes_the_last_ones() -> None:
    written: list[list[str]] = []

    def write(lines: Sequence[str]) -> None:
        written.append(list(lines))

    async def serve() -> None:
        log = AccessLog(asyncio.get_running_loop(), write)
        log.note("first")
        log.note("second")
        assert written == []
        log.flush()
        log.flush()
        log.note("third")
        log.flush()

    asyncio.run(serve())
    assert written == [["first", "second"], ["third"]]


def test_what_waits_is_written_after_a_moment() -> None:
    came = asyncio.Event()

    async def serve() -> None:
        log = AccessLog(asyncio.get_running_loop(), lambda _lines: came.set())
        log.note("a line")
        await asyncio.wait_for(came.wait(), 10)

    asyncio.run(serve())


def test_many_lines_do_not_wait() -> None:
    written: list[int] = []

    async def serve() -> None:
        log = AccessLog(asyncio.get_running_loop(), lambda lines: written.append(len(lines)))
        for number in range(1000):
            log.note(str(number))

    asyncio.run(serve())
    assert written == [1000]
