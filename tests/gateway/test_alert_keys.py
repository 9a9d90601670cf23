"""The keys of alerts are opened as of now: what was revoked, expired or rotated since the start is noticed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from aikeys import clock
from aikeys.alerts import outbox
from aikeys.alerts.channels import Channel, Webhook
from aikeys.alerts.messages import BUDGET
from aikeys.errors import Denied, TokenRefused
from aikeys.gateway.alert_keys import OPEN, AlertKeys
from aikeys.gateway.background import deliver_once
from aikeys.vault.tokens.revoking import revoke
from tests.alerts.servers import MESSAGE, Web, web_server
from tests.gateway.serving import make_office
from tests.vault.tokens_at_hand import Office

SCOPES = ("alert:send", "env:read")


@pytest.fixture
def office(tmp_path: Path) -> Office:
    return make_office(tmp_path, "smtp", "other", "chat")


@pytest.fixture
def web() -> Iterator[Web]:
    with web_server() as running:
        yield running


def opened(keys: AlertKeys) -> list[str]:
    return [secret.reveal().decode() for secret in keys(["smtp"]).values()]


def acts(office: Office, *names: str) -> list[tuple[str, str, str, str]]:
    ledger = office.home.place.ledger.open()
    found = [(one.act, one.subject, one.detail, one.status) for one, _ in ledger.entries() if one.act in names]
    ledger.close()
    return found


def test_a_revoked_service_token_opens_nothing_more_and_that_is_written_down_once(office: Office) -> None:
    token = office.issue(*SCOPES, keys=("smtp",))
    keys = AlertKeys(office.home.place, office.access_of(token))
    assert opened(keys) == ["sk-smtp"]
    revoke(office.home.place, [token.claims.id])
    for _ in range(2):
        with pytest.raises(TokenRefused, match="was revoked"):
            opened(keys)
    name = token.claims.shown_id
    assert acts(office, OPEN, "access") == [
        (OPEN, "smtp", f"token={name}", "ok"), ("access", name, "command=gateway", "token_refused"),
    ]  # fmt: skip


def test_a_service_token_ends_with_its_time(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = AlertKeys(office.home.place, office.access_of(office.issue(*SCOPES, ttl_s=60)))
    assert opened(keys) == ["sk-smtp"]
    later = clock.now_s() + 61
    monkeypatch.setattr(clock, "now_s", lambda: later)
    with pytest.raises(TokenRefused, match="expired"):
        opened(keys)


def test_a_single_use_token_opens_once_and_a_key_out_of_scope_is_never_recorded_as_opened(office: Office) -> None:
    keys = AlertKeys(office.home.place, office.access_of(office.issue(*SCOPES, is_once=True)))
    assert opened(keys) == ["sk-smtp"]
    with pytest.raises(TokenRefused, match="single use"):
        opened(keys)
    narrow = AlertKeys(office.home.place, office.access_of(office.issue(*SCOPES, keys=("other",))))
    with pytest.raises(Denied, match="is not for the key smtp"):
        opened(narrow)
    assert len(acts(office, OPEN)) == 1


@pytest.mark.parametrize("is_owner", [True, False], ids=["owner", "token"])
def test_a_rotated_password_is_the_present_one(office: Office, is_owner: bool) -> None:
    means = office.home.open() if is_owner else office.access_of(office.issue(*SCOPES))
    keys = AlertKeys(office.home.place, means)
    assert opened(keys) == ["sk-smtp"]
    office.rotate("smtp", "sk-new")
    assert opened(keys) == ["sk-new"]


def test_where_the_token_is_over_channels_without_keys_are_served_all_the_same(office: Office, web: Web) -> None:
    token = office.issue(*SCOPES)
    keys = AlertKeys(office.home.place, office.access_of(token))
    revoke(office.home.place, [token.claims.id])
    ledger = office.home.place.ledger.open()
    with ledger.writing() as writer:
        outbox.add_channel(writer, Channel("plain", (BUDGET,), Webhook(f"{web.url}/in")), os.urandom(16))
        outbox.add_channel(writer, Channel("keyed", (BUDGET,), Webhook("", "chat")), os.urandom(16))
        outbox.put(writer, "once", MESSAGE)
    ledger.close()
    said = deliver_once(office.home.place.ledger, keys)
    assert "was revoked; keyed waits for its keys" in said
    assert len(web.requests) == 1
