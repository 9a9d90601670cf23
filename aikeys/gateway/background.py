"""Background work beside the requests: checkpoints of the ledger, and alerts. The first worker does it.

Alerts are looked for and delivered in a thread of their own, with a ledger connection of their own: a mail server that
hangs keeps no request waiting.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from aikeys import clock
from aikeys.errors import AikeysError
from aikeys.pricing import snapshot
from aikeys.pricing.book import Book

if TYPE_CHECKING:
    from aikeys.config import Config
    from aikeys.gateway.state import WorkerState
    from aikeys.ledger.store import Ledger, Signer
    from aikeys.providers.catalogue import Provider
    from aikeys.secret import Secret

OpenKeys = Callable[[Sequence[str]], "Mapping[str, Secret]"]
"""Opens the keys that channels of alerts need (passwords, signing keys), by name."""
_VOUCH_EVERY_S = 60.0
_DELIVER_EVERY_S = 10.0
_PRICES_EVERY_S = 20.0


def start(
    state: WorkerState, signer: Signer | None, open_keys: OpenKeys | None, *, is_first: bool
) -> list[asyncio.Task[None]]:
    """Start what is to go on in this worker."""
    chores = [asyncio.create_task(_warm_up(state)), asyncio.create_task(_follow_prices(state, says=is_first))]
    if not is_first:
        return chores
    chores.append(asyncio.create_task(_alert(state, open_keys)))
    if signer is not None:
        chores.append(asyncio.create_task(vouch(state, signer)))
    return chores


async def stop(chores: list[asyncio.Task[None]]) -> None:
    """End it all."""
    for chore in chores:
        chore.cancel()
        with suppress(asyncio.CancelledError):
            await chore


async def _warm_up(state: WorkerState) -> None:
    """Read the certificates before the first request to a provider needs them."""
    if any(row.base_url.startswith("https:") for row in state.rows.versions):
        with suppress(OSError, ValueError):  # whoever sends then hears of it
            await asyncio.to_thread(state.upstream.warm_up)


async def _follow_prices(state: WorkerState, *, says: bool) -> None:
    """Take the prices that somebody puts into the home, again and again."""
    while True:
        await asyncio.sleep(_PRICES_EVERY_S)
        await follow_prices_once(state, says=says)


async def follow_prices_once(state: WorkerState, *, says: bool = True) -> None:
    """Take the prices of the home where they are not those in use; what cannot be read changes nothing and is said."""
    newest = await asyncio.to_thread(snapshot.stamp, state.place.home)
    if newest == state.prices_stamp:
        return
    state.prices_stamp, known = newest, state.knowledge
    try:
        taken = await asyncio.to_thread(read_prices, state.place.home, known.config, known.catalogue)
    except AikeysError as failure:
        if says:
            state.say(f"new prices are not taken: {failure.message}")
        return
    state.take_prices(taken)
    if says:
        state.say(f"new prices are in use: those of {taken.newest_date()}; calls under way settle by the earlier ones")


def read_prices(home: str, settings: Config, catalogue: Mapping[str, Provider]) -> Book:
    """Return the price book of a home, read so far that what is damaged is known."""
    book = Book(home, settings.prices, settings.aliases, catalogue)
    book.states()
    return book


async def vouch(state: WorkerState, signer: Signer) -> None:
    """Sign the ledger now and then, and at the end, as an unlocked gateway can."""
    try:
        while True:
            await asyncio.sleep(_VOUCH_EVERY_S)
            with suppress(AikeysError):
                await state.reserver.act(lambda writer: writer.checkpoint(signer))
    finally:
        with suppress(AikeysError, RuntimeError, asyncio.CancelledError):
            await asyncio.shield(state.reserver.act(lambda writer: writer.checkpoint(signer)))


async def _alert(state: WorkerState, open_keys: OpenKeys | None) -> None:
    """Look around and deliver, again and again; what goes wrong is said once until it is another thing."""
    said = ""
    while True:
        await asyncio.sleep(_DELIVER_EVERY_S)
        try:
            problem = await asyncio.to_thread(deliver_once, state.place.ledger, open_keys)
        except AikeysError as failure:
            problem = failure.message
        if problem and problem != said:
            state.say(f"alerts: {problem}")
        said = problem


def deliver_once(ledger: Ledger, open_keys: OpenKeys | None) -> str:
    """Put out what is unusual and send what is due; return what went wrong, or nothing."""
    from aikeys.alerts import outbox
    from aikeys.alerts.delivery import DeliveryContext, deliver
    from aikeys.alerts.watch import put_all, watch

    ledger.open()
    try:
        now_us = clock.now_us()
        with ledger.reading() as connection:
            channels = outbox.channels(connection)
        if not channels:
            return ""
        put_all(ledger, watch(ledger, now_us))
        with ledger.reading() as connection:
            due = outbox.due(connection, now_us)
        names = sorted({name for channel in channels if channel.name in due for name in channel.keys})
        secrets, wrong = _opened(names, open_keys)
        summary = deliver(ledger, DeliveryContext(secrets, os.environ), clock.now_us())
    finally:
        ledger.close()
    wrong += [f"{one.channel}: {one.error.message} ({one.state})" for one in summary.failures]
    wrong += [f"{name} waits for its keys" for name in summary.lacking]
    return "; ".join(wrong)


def _opened(names: Sequence[str], open_keys: OpenKeys | None) -> tuple[Mapping[str, Secret], list[str]]:
    """Return the keys, or why none are opened: channels that need none are served all the same."""
    try:
        return open_keys(names) if names and open_keys is not None else {}, []
    except AikeysError as refusal:
        return {}, [refusal.message]
