"""Webhooks over a real HTTP server: bodies that their receivers take, signed, once, and no address in any message."""

from __future__ import annotations

import hmac
import json
from urllib.parse import urlsplit

import pytest

from aikeys.alerts import webhook
from aikeys.alerts.channels import JSON, SLACK, TEAMS, Webhook, check_url, holds_secret, style_of
from aikeys.alerts.sending import NotTaken, OutgoingAlert, Rejected
from aikeys.errors import NetworkFailed, UsageError
from aikeys.secret import Secret
from tests.alerts.servers import MESSAGE, NOW_US, Authority, Web, closed_port, web_server

NOW_S = NOW_US // 1_000_000
OUTGOING = OutgoingAlert("5" * 40, NOW_S, MESSAGE)
SIGN = Secret(b"sk-CANARY-sign")


def post(web: Web, settings: Webhook | None = None, path: str = "/hook/CANARY-path") -> None:
    webhook.send(settings or Webhook(url_key="hook"), web.url + path, SIGN, OUTGOING, NOW_S + 9)


def test_the_document_for_programs_has_every_fact(web: Web) -> None:
    post(web)
    (request,) = web.requests
    assert request.document == {
        "schema": "aikeys.alert/1",
        "id": "5" * 40,
        "at": "2026-11-23T12:00:00Z",
        "kind": "budget",
        "subject": MESSAGE.subject,
        "text": MESSAGE.text,
        "facts": {"who": "team:support", "spent_usd": "80.00", "limit_usd": "100.00"},
    }
    assert request.headers["content-type"] == "application/json"
    assert request.headers["idempotency-key"] == "5" * 40
    assert "x-aikeys-signature" not in request.headers


def test_the_signature_is_over_time_and_body(web: Web) -> None:
    post(web, Webhook(url_key="hook", sign_key="sign"))
    (request,) = web.requests
    stamp = request.headers["x-aikeys-timestamp"]
    assert stamp == str(NOW_S + 9)
    wanted = hmac.new(b"sk-CANARY-sign", stamp.encode() + b"." + request.body, "sha256").hexdigest()
    assert request.headers["x-aikeys-signature"] == f"sha256={wanted}"


def test_a_signature_can_be_checked_by_hand() -> None:
    # printf '1700000000.{}' | openssl dgst -sha256 -hmac key
    wanted = "9d713ed406bb7076d4123f0dc2c39d2df5c654ed4b0cd56b52c8b4c940bd63ae"
    assert webhook.signature(Secret(b"key"), 1_700_000_000, b"{}") == f"sha256={wanted}"


def test_nothing_unsigned_goes_where_a_signature_is_wanted(web: Web) -> None:
    with pytest.raises(Rejected, match="the secret in key sign was not given"):
        webhook.send(Webhook(url_key="hook", sign_key="sign"), web.url, None, OUTGOING, NOW_S)
    assert web.requests == []


def test_slack_gets_text_in_which_no_label_is_a_command(web: Web) -> None:
    forged = OUTGOING._replace(message=MESSAGE._replace(text="<!channel> & <https://evil.example|click>"))
    body = json.loads(webhook.body(SLACK, forged))
    assert body == {
        "text": f"aikeys: {MESSAGE.subject}\n&lt;!channel&gt; &amp; &lt;https://evil.example|click&gt;",
    }


def test_teams_gets_an_adaptive_card_without_links() -> None:
    forged = OUTGOING._replace(message=MESSAGE._replace(text="one\n\n[click](https://evil.example)"))
    body = json.loads(webhook.body(TEAMS, forged))
    (attachment,) = body["attachments"]
    card = attachment["content"]
    assert (body["type"], attachment["contentType"]) == ("message", "application/vnd.microsoft.card.adaptive")
    assert (card["type"], card["version"]) == ("AdaptiveCard", "1.4")
    assert [block.get("text") for block in card["body"]] == [
        f"aikeys: {MESSAGE.subject}", "one", "[click] (https://evil.example)", None,
    ]  # fmt: skip
    assert card["body"][-1]["facts"][0] == {"title": "who", "value": "team:support"}


@pytest.mark.parametrize("status", [200, 201, 202, 204])
def test_any_success_is_delivery(web: Web, status: int) -> None:
    web.answers = [status]
    post(web)
    assert len(web.requests) == 1


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (301, Rejected), (307, Rejected), (400, Rejected), (401, Rejected), (404, Rejected), (410, Rejected),
        (408, NotTaken), (429, NotTaken), (500, NotTaken), (502, NotTaken), (503, NotTaken),
    ],
)  # fmt: skip
def test_a_refusal_is_for_good_or_for_now_and_names_the_host_only(web: Web, status: int, kind: type) -> None:
    web.answers = [status]
    with pytest.raises(kind) as refused:
        post(web)
    assert urlsplit(web.url).netloc in str(refused.value)
    assert str(status) in str(refused.value)
    assert "CANARY" not in str(refused.value)
    assert len(web.requests) == 1  # a redirect was not followed


def test_a_host_that_is_not_there_is_a_network_failure_that_names_no_path() -> None:
    gone = Web(f"http://127.0.0.1:{closed_port()}")
    with pytest.raises(NetworkFailed, match=r"^cannot connect to 127\.0\.0\.1:\d+$"):
        post(gone)


def test_https_is_verified(trusted: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    with web_server(trusted.context("127.0.0.1")) as web:
        post(web)
        assert len(web.requests) == 1
    with web_server(trusted.context("hooks.example.com")) as web:
        with pytest.raises(
            NetworkFailed, match=r"^the certificate of 127\.0\.0\.1:\d+ is not trusted: IP address mismatch"
        ):
            post(web)
        assert web.requests == []


@pytest.mark.parametrize(
    ("url", "wrong"),
    [
        ("http://hooks.example.com/CANARY", "not sent unencrypted to hooks.example.com"),
        ("ftp://hooks.example.com/CANARY", "not an https address"),
        ("https://user:CANARY@hooks.example.com/", "user name or password"),
        ("https:///CANARY", "not an https address"),
        ("https://hooks.example.com:99999/CANARY", "not an address"),
        ("https://hooks.example.com/CANARY\r\nX: y", "a character that no address has"),
        ("CANARY", "not an https address"),
    ],
)
def test_an_address_that_cannot_be_used_is_refused_without_repeating_it(url: str, wrong: str) -> None:
    with pytest.raises(UsageError, match=wrong) as refused:
        check_url(url)
    assert "CANARY" not in refused.value.message + refused.value.hint


@pytest.mark.parametrize(
    ("url", "style", "secret"),
    [
        ("https://hooks.slack.com/services/T0/B0/x", SLACK, True),
        ("https://acme.webhook.office.com/webhookb2/x", TEAMS, True),
        ("https://prod-1.westeurope.logic.azure.com:443/workflows/x", TEAMS, True),
        ("https://default1.2.environment.api.powerplatform.com/powerautomate/x", TEAMS, True),
        ("https://discord.com/api/webhooks/1234567890123456789/x", JSON, True),
        ("https://alerts.example.com/in?sig=x", JSON, True),
        ("https://alerts.example.com/aikeys", JSON, False),
        ("https://nothooks.slack.com.example.com/x", JSON, False),
        ("http://127.0.0.1:8080/x", JSON, False),
    ],
)
def test_the_host_tells_the_style_and_the_shape_tells_a_secret(url: str, style: str, secret: bool) -> None:
    assert (style_of(url), holds_secret(check_url(url))) == (style, secret)
