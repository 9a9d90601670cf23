"""Deliver what is due: claim, send, mark, one message after the other. A failure stops nothing but its own channel.

- Every attempt is an act of the chain: which channel, which kind, how it went.
- A channel whose keys are not given is left alone: its messages wait and no attempt is counted.
- A channel that failed is not asked again in this run: a server that is down costs one time-out, not one per message.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from aikeys.alerts import outbox
from aikeys.alerts.channels import Channel, CommandChannel, Email, Webhook
from aikeys.alerts.outbox import Claimed
from aikeys.alerts.sending import OutgoingAlert, Rejected
from aikeys.errors import AikeysError
from aikeys.ledger.store import Act, Ledger
from aikeys.secret import Secret


class DeliveryContext(NamedTuple):
    """What sending may use: secrets by the name of their key, and the environment for commands."""

    secrets: Mapping[str, Secret]
    environ: Mapping[str, str]


class Failure(NamedTuple):
    """A message that did not arrive: its channel, why, and whether it was given up."""

    channel: str
    error: AikeysError
    state: str


class Summary(NamedTuple):
    """What a run did; `lacking` are channels that wait for the keys of theirs that were not given."""

    sent: tuple[str, ...]
    failures: tuple[Failure, ...]
    lacking: tuple[str, ...]


def deliver(ledger: Ledger, means: DeliveryContext, now_us: int) -> Summary:
    """Send every message that is due; raises only what the ledger raises."""
    with ledger.reading() as connection:
        due = outbox.due(connection, now_us)
        channels = {channel.name: channel for channel in outbox.channels(connection) if channel.name in due}
    lacking = {name for name, channel in channels.items() if not set(channel.keys) <= set(means.secrets)}
    usable = set(channels) - lacking
    sent: list[str] = []
    failures: list[Failure] = []
    after = 0
    while usable:
        with ledger.writing() as writer:
            claimed = outbox.claim(writer, usable, after)
            started_us = writer.now_us
        if claimed is None:
            break
        after = claimed.id
        failure = _attempt(ledger, channels[claimed.channel], claimed, means, started_us)
        if failure is None:
            sent.append(claimed.channel)
        else:
            failures.append(failure)
            if not isinstance(failure.error, Rejected):
                usable.discard(claimed.channel)
    return Summary(tuple(sent), tuple(failures), tuple(sorted(lacking)))


def send(channel: Channel, outgoing: OutgoingAlert, means: DeliveryContext, now_s: int) -> None:
    """Send one message now; raises NetworkFailed, NotTaken, Rejected."""
    match channel.settings:
        case Email() as settings:
            from aikeys.alerts import email

            email.send(settings, means.secrets.get(settings.password_key), outgoing)
        case Webhook() as settings:
            from aikeys.alerts import webhook

            secret = means.secrets.get(settings.url_key)
            url = secret.reveal().decode("utf-8", "replace").strip() if secret is not None else settings.url
            webhook.send(settings, url, means.secrets.get(settings.sign_key), outgoing, now_s)
        case CommandChannel() as settings:
            from aikeys.alerts import command

            command.send(settings, outgoing, means.environ)


def audit(channel: Channel, kind: str, attempt: int) -> Act:
    """Return the act of one attempt: what went where, without a word of the message."""
    program = ""
    if isinstance(channel.settings, CommandChannel):
        from aikeys.alerts.command import program_name

        program = f" program={program_name(channel.settings)}"
    return Act("alert-send", channel.name, f"kind={kind} attempt={attempt}{program}")


def _attempt(ledger: Ledger, channel: Channel, claimed: Claimed, means: DeliveryContext, now_us: int) -> Failure | None:
    outgoing = OutgoingAlert(claimed.message_id, claimed.created_us // 1_000_000, claimed.message)
    act = audit(channel, claimed.message.kind, claimed.attempt)
    try:
        send(channel, outgoing, means, now_us // 1_000_000)
    except AikeysError as error:
        with ledger.writing() as writer:
            state = outbox.mark_failed(writer, claimed, error.message, rejected=isinstance(error, Rejected))
            writer.act(act, error.code)
        return Failure(channel.name, error, state)
    with ledger.writing() as writer:
        outbox.mark_sent(writer, claimed)
        writer.act(act)
    return None
