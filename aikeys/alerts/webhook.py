"""Send a message as an HTTP POST of JSON.

- Bodies that Slack and Teams take, and `aikeys.alert/1` for all others. A second sending has the same Idempotency-Key.
- X-Aikeys-Signature is `sha256=` and the HMAC-SHA256 of X-Aikeys-Timestamp (seconds since 1970), a dot and the body.
- The address may be a secret: of it nothing but host and port is ever shown. No redirect is followed.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

from aikeys.alerts.channels import AUTO, SLACK, TEAMS, Webhook, check_url, host_of, style_of
from aikeys.alerts.messages import AlertMessage
from aikeys.alerts.sending import NotTaken, OutgoingAlert, Rejected, document
from aikeys.errors import BadConfiguration, NetworkFailed, UsageError

if TYPE_CHECKING:
    from aikeys.secret import Secret

TIMEOUT_S = 15.0
_AGAIN = (408, 425, 429)


def send(settings: Webhook, url: str, sign: Secret | None, outgoing: OutgoingAlert, now_s: int) -> None:
    """Post the message to `url`; raises NetworkFailed, NotTaken, Rejected."""
    try:
        check_url(url)
    except UsageError as error:
        raise Rejected(error.message, error.hint) from None
    content = body(settings.style if settings.style != AUTO else style_of(url), outgoing)
    headers = {"Content-Type": "application/json", "Idempotency-Key": outgoing.id, "User-Agent": "aikeys"}
    if settings.sign_key:
        if sign is None:
            raise Rejected(f"the secret in key {settings.sign_key} was not given")
        headers |= {"X-Aikeys-Timestamp": str(now_s), "X-Aikeys-Signature": signature(sign, now_s, content)}
    _judge(_post(url, content, headers), host_of(url))


def body(style: str, outgoing: OutgoingAlert) -> bytes:
    """Return the message as the receiver wants it (pure)."""
    if style == SLACK:
        return json.dumps({"text": _slack_text(outgoing.message)}, ensure_ascii=False).encode()
    if style == TEAMS:
        return json.dumps(_teams_card(outgoing.message), ensure_ascii=False).encode()
    return document(outgoing)


def signature(sign: Secret, now_s: int, content: bytes) -> str:
    """Return the value of X-Aikeys-Signature (pure)."""
    import hmac

    return "sha256=" + hmac.new(sign.reveal(), b"%d." % now_s + content, "sha256").hexdigest()


def _slack_text(message: AlertMessage) -> str:
    """Slack's mrkdwn; escaped as its documentation asks, so that no label can mention a channel or make a link."""
    text = f"aikeys: {message.subject}\n{message.text}"
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _teams_card(message: AlertMessage) -> dict[str, object]:
    """An adaptive card, as a Teams workflow takes it; each line a block, for a card joins lines."""
    lines = [f"aikeys: {message.subject}", *(line for line in message.text.splitlines() if line.strip())]
    blocks: list[dict[str, object]] = [{"type": "TextBlock", "text": _no_link(line), "wrap": True} for line in lines]
    blocks[0]["weight"] = "Bolder"
    facts = [{"title": name, "value": _no_link(value)} for name, value in message.facts]
    card = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": [*blocks, *([{"type": "FactSet", "facts": facts}] if facts else [])],
    }
    attachment = {"contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": None, "content": card}
    return {"type": "message", "attachments": [attachment]}


def _no_link(text: str) -> str:
    return text.replace("](", "] (")


def _post(url: str, content: bytes, headers: dict[str, str]) -> int:
    """Return the answer's status; its body is not read."""
    import httpx

    from aikeys.network.certificates import why_not_trusted
    from aikeys.network.clients import client_for

    host = host_of(url)
    try:
        with (
            client_for(url, os.environ, TIMEOUT_S) as client,
            client.stream("POST", url, content=content, headers=headers) as response,
        ):
            return response.status_code
    except httpx.TimeoutException:
        raise NetworkFailed(f"{host} did not answer within {TIMEOUT_S:g} seconds") from None
    except BadConfiguration as wrong:
        raise NetworkFailed(f"{host}: {wrong.message}", wrong.hint) from None
    except httpx.ConnectError as error:
        if reason := why_not_trusted(error):
            raise NetworkFailed(
                f"the certificate of {host} is not trusted: {reason}", "SSL_CERT_FILE may name your own CA"
            ) from None
        raise NetworkFailed(f"cannot connect to {host}") from None
    except Exception as error:  # noqa: BLE001  its text may hold the address: only its name is told
        raise NetworkFailed(f"the request to {host} failed ({type(error).__name__})") from None


def _judge(status: int, host: str) -> None:
    if 200 <= status < 300:
        return
    if 300 <= status < 400:
        raise Rejected(f"{host} sends elsewhere (status {status})", "give the address it leads to")
    if 400 <= status < 500 and status not in _AGAIN:
        raise Rejected(f"{host} answered {status}")
    raise NotTaken(f"{host} answered {status}")
