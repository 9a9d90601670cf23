"""Delivery of alerts from a home: what is due, and the keys that messages are sent with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aikeys import clock
from aikeys.cli import access, terminal
from aikeys.errors import AikeysError, Denied, NotFound

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from aikeys.alerts.key_dates import Due
    from aikeys.ledger.store import Ledger
    from aikeys.secret import Secret
    from aikeys.vault.opening import Opened, Place
    from aikeys.vault.tokens.admission import Access


def look_around(where: Place, ledger: Ledger) -> None:
    """Put out what is unusual or due; what cannot be looked at does not keep the rest from being delivered."""
    from aikeys.alerts.watch import put_all, watch

    now_us = clock.now_us()
    looks: list[Callable[[], list[Due]]] = [lambda: watch(ledger, now_us)]
    if where.vault.exists:
        looks.append(lambda: _due_keys_and_tokens(where, ledger, now_us // 1_000_000))
    for look in looks:
        try:
            put_all(ledger, look())
        except AikeysError as error:
            terminal.warn(error.message)


def _due_keys_and_tokens(where: Place, ledger: Ledger, now_s: int) -> list[Due]:
    from aikeys.alerts.key_dates import KeyDates, due_messages
    from aikeys.alerts.token_dates import TokenDates, ending_messages
    from aikeys.cli.tokens.register import ending
    from aikeys.vault.opening import picture

    rows = picture(where, ledger)
    own = rows.by_key()
    dates = [
        KeyDates(key.name, key.provider, own[key.id].version_of(key).created_at, key.rotate_every_s, key.expires_at)
        for key in rows.keys
    ]
    return due_messages(dates, now_s) + ending_messages(
        [TokenDates(claims.shown_id, claims.name, claims.expires_at) for claims in ending(where, now_s)]
    )


def secrets_of_due(where: Place, ledger: Ledger) -> tuple[dict[str, Secret], AikeysError | None]:
    """Open the keys that due messages need, and only then; with why not all of them could be opened."""
    from aikeys.alerts import outbox

    with ledger.reading() as connection:
        due = outbox.due(connection, clock.now_us())
        needed = [channel.keys for channel in outbox.channels(connection) if channel.name in due and channel.keys]
    secrets: dict[str, Secret] = {}
    problem: AikeysError | None = None
    try:
        opened = access.open_keys(where, ledger=ledger) if needed else None
        if opened:
            _use_up(ledger, opened)
    except AikeysError as error:
        return secrets, error
    for names in needed if opened else []:
        try:
            secrets |= open_keys(ledger, opened, [name for name in names if name not in secrets])
        except (Denied, NotFound) as error:
            problem = problem or error
    return secrets, problem


def _use_up(ledger: Ledger, opened: Opened | Access) -> None:
    """Use up a single-use token, before it opens anything; TokenRefused where it was used."""
    from aikeys.ledger.token_acts import use_up

    holder = getattr(opened, "holder", None)
    if holder is not None and holder.claims.is_once:
        with ledger.writing() as writer:
            use_up(writer, holder.shown_id)


def open_keys(ledger: Ledger, opened: Opened | Access | None, names: Sequence[str]) -> dict[str, Secret]:
    """Open keys by name, each recorded before it is used."""
    if opened is None:
        return {}
    from aikeys.ledger.store import Act
    from aikeys.secret import Secret
    from aikeys.vault.names import exact_key

    keys = [exact_key(opened.rows, name) for name in names]
    holder = getattr(opened, "holder", None)
    for key in keys:
        act = Act("alert-open", key.name, f"token={holder.shown_id}" if holder else "")
        ledger.event(act, signer=opened.signer())
    return {key.name: Secret(opened.content(key).secret) for key in keys}
