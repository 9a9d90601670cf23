"""Channels and waiting messages: the SQL of the tables `channel` and `outbox`.

- `put` belongs to the caller's transaction: an alert is as durable as what it is about, and no sooner there.
- A message is claimed before it is sent, by moving `next_us` on: no other process sends it meanwhile. Whoever claimed
  it and died leaves it to the next after LEASE_S; then it may arrive twice, under the same id.
- Once sent or given up the message itself is emptied (it may name a person); the occasion stays, so that it stays once.
- A channel is made and removed by an act of the chain, which keeps a digest of its settings.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection
from hashlib import sha256
from typing import NamedTuple

from aikeys.alerts import channels as channel_form
from aikeys.alerts.channels import Channel
from aikeys.alerts.messages import AlertMessage, decode, encode, one_line, without_person
from aikeys.errors import ExistsAlready, NotFound
from aikeys.ledger.store import Act, Writer
from aikeys.storage.canonical import pack

WAITING, SENT, GIVEN_UP = STATES = ("waiting", "sent", "given up")
DELAYS_S = (60, 5 * 60, 30 * 60, 2 * 3600, *[6 * 3600] * 11)  # the last try is not quite three days after the first
LEASE_S = 10 * 60
REJECTIONS = 3  # tries of a message that the other side says it will never take
_US = 1_000_000
_FARTHEST_US = (DELAYS_S[-1] + 3600) * _US
_LONGEST_ERROR = 200
_DUE = "state = 'waiting' AND (next_us <= ? OR next_us > ?)"  # what lies too far ahead was set by a wrong clock


class Claimed(NamedTuple):
    """A message to send now: `attempt` counts from 1, `message_id` is the same at every attempt."""

    id: int
    message_id: str
    channel: str
    created_us: int
    attempt: int
    message: AlertMessage


class OutboxRow(NamedTuple):
    """A message as a list shows it; times in microseconds since 1970."""

    id: int
    once: str
    channel: str
    created_us: int
    state: str
    attempts: int
    next_us: int
    error: str


def put(writer: Writer, once: str, message: AlertMessage) -> None:
    """Queue a message for every channel that wants its kind, the first time that `once` is given.

    `once` names the occasion: `budget:team:support:month:20789:80`. It stays for ever, so no person's name is in it
    (WHO of a user is `user:` and a digest). Raises nothing but what the database raises.
    """
    text = encode(message)
    for name, settings in writer.connection.execute("SELECT name, settings FROM channel").fetchall():
        if channel_form.wants(settings, message.kind):
            writer.connection.execute(
                "INSERT OR IGNORE INTO outbox(once, channel, created_us, message, state, attempts, next_us, error) "
                "VALUES (?, ?, ?, ?, ?, 0, ?, '')",
                (once, name, writer.now_us, text, WAITING, writer.now_us),
            )


def message_id(once: str, channel: str) -> str:
    """Return the id of a message: the same whenever it is sent to this channel."""
    return sha256(pack("aikeys/1/alert-id", once, channel)).hexdigest()[:40]


def channels(connection: sqlite3.Connection) -> list[Channel]:
    """Return all channels by name; raises Damaged."""
    rows = connection.execute("SELECT name, kind, settings FROM channel ORDER BY name")
    return [channel_form.decode(*row) for row in rows]


def find_channel(connection: sqlite3.Connection, name: str) -> Channel:
    """Return a channel; raises NotFound naming those there are."""
    row = connection.execute("SELECT name, kind, settings FROM channel WHERE name = ?", (name,)).fetchone()
    if row is None:
        raise _unknown(connection, name)
    return channel_form.decode(*row)


def wanted(connection: sqlite3.Connection, kind: str) -> bool:
    """Tell whether any channel wants a kind of message."""
    return any(channel_form.wants(row[0], kind) for row in connection.execute("SELECT settings FROM channel"))


def is_put(connection: sqlite3.Connection, once: str, kind: str) -> bool:
    """Tell whether `put` would do nothing: every channel that wants the kind has this occasion already."""
    rows = connection.execute("SELECT name, settings FROM channel").fetchall()
    have = {row[0] for row in connection.execute("SELECT channel FROM outbox WHERE once = ?", (once,))}
    return all(name in have for name, settings in rows if channel_form.wants(settings, kind))


def occasions(connection: sqlite3.Connection, begin: str, end: str) -> set[str]:
    """Return the occasions that were put and begin and end with these texts."""
    query = "SELECT DISTINCT once FROM outbox WHERE substr(once, 1, ?) = ? AND substr(once, -?) = ?"
    return {row[0] for row in connection.execute(query, (len(begin), begin, len(end), end))}


def add_channel(writer: Writer, channel: Channel, salt: bytes) -> None:
    """Add a channel, audited; `salt` is 16 random bytes. Raises ExistsAlready."""
    text = channel_form.encode(channel, salt)
    if writer.connection.execute("SELECT 1 FROM channel WHERE name = ?", (channel.name,)).fetchone():
        raise ExistsAlready(
            f"there is an alert named {channel.name}", f"aikeys alert remove {channel.name}, or choose another name"
        )
    detail = f"kind={channel.kind} on={','.join(channel.on)} settings={channel_form.digest(channel.kind, text)}"
    entry = writer.act(Act("alert-add", channel.name, detail)).number
    writer.connection.execute("INSERT INTO channel VALUES (?, ?, ?, ?)", (channel.name, channel.kind, text, entry))


def remove_channel(writer: Writer, name: str) -> int:
    """Remove a channel, audited, and give up what waits for it; returns how many that were. Raises NotFound."""
    if not writer.connection.execute("DELETE FROM channel WHERE name = ?", (name,)).rowcount:
        raise _unknown(writer.connection, name)
    writer.act(Act("alert-remove", name))
    return writer.connection.execute(
        "UPDATE outbox SET state = ?, message = '', error = 'the alert was removed' WHERE channel = ? AND state = ?",
        (GIVEN_UP, name, WAITING),
    ).rowcount


def due(connection: sqlite3.Connection, now_us: int) -> set[str]:
    """Return the names of channels that a message is due for."""
    rows = connection.execute(f"SELECT DISTINCT channel FROM outbox WHERE {_DUE}", _times(now_us))  # noqa: S608
    return {row[0] for row in rows}


def claim(writer: Writer, names: Collection[str], after: int) -> Claimed | None:
    """Claim the next message due for one of these channels with an id above `after`; None where there is none."""
    marks = ", ".join("?" * len(names))
    row = writer.connection.execute(
        f"SELECT id, once, channel, created_us, attempts, message FROM outbox WHERE {_DUE} AND id > ? "  # noqa: S608
        f"AND channel IN ({marks}) ORDER BY id LIMIT 1",
        (*_times(writer.now_us), after, *sorted(names)),
    ).fetchone()
    if row is None:
        return None
    number, once, channel, created_us, attempts, text = row
    writer.connection.execute(
        "UPDATE outbox SET attempts = ?, next_us = ? WHERE id = ?",
        (attempts + 1, writer.now_us + LEASE_S * _US, number),
    )
    try:
        message = decode(text)
    except ValueError:
        message = AlertMessage(
            "", "an alert of aikeys that was damaged", f"The alert {once} was damaged in the ledger."
        )
    return Claimed(number, message_id(once, channel), channel, created_us, attempts + 1, message)


def mark_sent(writer: Writer, claimed: Claimed) -> None:
    """Record that a message arrived, whoever may have claimed it since."""
    writer.connection.execute("UPDATE outbox SET state = ?, message = '', error = '' WHERE id = ?", (SENT, claimed.id))


def mark_failed(writer: Writer, claimed: Claimed, error: str, *, rejected: bool) -> str:
    """Record why a message did not arrive and when it is tried again; returns its state."""
    last = REJECTIONS if rejected else len(DELAYS_S) + 1
    gone = claimed.attempt >= last
    delay_s = DELAYS_S[min(claimed.attempt, len(DELAYS_S)) - 1]
    writer.connection.execute(
        "UPDATE outbox SET state = ?, message = CASE WHEN ? THEN '' ELSE message END, next_us = ?, error = ? "
        "WHERE id = ? AND state = ? AND attempts = ?",
        (
            *(GIVEN_UP if gone else WAITING, gone, writer.now_us + delay_s * _US, one_line(error)[:_LONGEST_ERROR]),
            *(claimed.id, WAITING, claimed.attempt),
        ),
    )
    return GIVEN_UP if gone else WAITING


def newest(connection: sqlite3.Connection, count: int) -> list[OutboxRow]:
    """Return the newest messages of the outbox, oldest first."""
    rows = connection.execute(
        f"SELECT * FROM (SELECT {', '.join(OutboxRow._fields)} FROM outbox ORDER BY id DESC LIMIT ?) ORDER BY id",  # noqa: S608
        (count,),
    )
    return [OutboxRow(*row) for row in rows]


def counts(connection: sqlite3.Connection) -> dict[tuple[str, str], int]:
    """Return how many messages there are by (channel, state)."""
    rows = connection.execute("SELECT channel, state, count(*) FROM outbox GROUP BY 1, 2")
    return {(channel, state): count for channel, state, count in rows}


def forget_person(writer: Writer, name: str) -> None:
    """Take an erased person's name out of the messages that wait."""
    waiting = writer.connection.execute("SELECT id, message FROM outbox WHERE message <> ''").fetchall()
    for number, text in waiting:
        try:
            cleaned = encode(without_person(decode(text), name))
        except ValueError:
            continue
        writer.connection.execute("UPDATE outbox SET message = ? WHERE id = ?", (cleaned, number))


def first_wrong_channel(connection: sqlite3.Connection) -> str | None:
    """Return the name of a channel that is not what the chain says, or None; for `ledger verify`."""
    chained: dict[str, tuple[int, str]] = {}
    acts = "SELECT id, act, subject, detail FROM entry WHERE act IN ('alert-add', 'alert-remove') ORDER BY id"
    for number, act, name, detail in connection.execute(acts):
        chained[name] = (number, detail.rpartition("settings=")[2] if act == "alert-add" else "")
    stored = {row[0]: row[1:] for row in connection.execute("SELECT name, kind, settings, entry FROM channel")}
    for name, (kind, settings, entry) in sorted(stored.items()):
        if chained.get(name) != (entry, channel_form.digest(kind, settings)):
            return str(name)
    missing = [name for name, (_, made) in sorted(chained.items()) if made and name not in stored]
    return missing[0] if missing else None


def _times(now_us: int) -> tuple[int, int]:
    return now_us, now_us + _FARTHEST_US


def _unknown(connection: sqlite3.Connection, name: str) -> NotFound:
    known = ", ".join(row[0] for row in connection.execute("SELECT name FROM channel ORDER BY name"))
    return NotFound(f"there is no alert named {one_line(name)[:64]}", f"alerts: {known or 'none yet'}")
