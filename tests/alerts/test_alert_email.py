"""Mail reaches a real SMTP server, encrypted and verified, and a second sending is recognisable."""

from __future__ import annotations

from email.utils import parsedate_to_datetime

import pytest

from aikeys.alerts import email
from aikeys.alerts.channels import Email, check_email
from aikeys.alerts.sending import NotTaken, OutgoingAlert, Rejected
from aikeys.errors import NetworkFailed, UsageError
from aikeys.secret import Secret
from tests.alerts.servers import MESSAGE, NOW_US, Authority, closed_port, mail_server

OUTGOING = OutgoingAlert("5" * 40, NOW_US // 1_000_000, MESSAGE)
PASSWORD = "sk-CANARY-smtp-0123456789"


def settings(port: int, security: str = "plain", host: str = "127.0.0.1") -> Email:
    return Email("ops@example.com", "aikeys@example.com", host, port, security)


def test_a_mail_says_what_the_message_says_to_whom_it_should() -> None:
    with mail_server("plain") as server:
        email.send(settings(server.port), None, OUTGOING)
    (one,) = server.received
    assert (one.sender, one.recipients) == ("aikeys@example.com", ["ops@example.com"])
    assert one.mail["From"] == "aikeys <aikeys@example.com>"
    assert one.mail["To"] == "ops@example.com"
    assert one.mail["Subject"] == f"aikeys: {MESSAGE.subject}"
    assert one.mail["Message-ID"] == f"<{'5' * 40}@example.com>"
    assert parsedate_to_datetime(one.mail["Date"]).isoformat() == "2026-11-23T12:00:00+00:00"
    assert one.mail.get_content_type() == "text/plain"
    assert one.mail.get_content().replace("\r\n", "\n") == MESSAGE.text  # type: ignore[attr-defined]


def test_a_second_sending_is_the_same_mail() -> None:
    with mail_server("plain") as server:
        email.send(settings(server.port), None, OUTGOING)
        email.send(settings(server.port), None, OUTGOING)
    first, second = server.received
    assert first.mail.as_string() == second.mail.as_string()


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_mail_is_encrypted_for_a_server_with_a_trusted_certificate(trusted: Authority, security: str) -> None:
    with mail_server(security, trusted.context("127.0.0.1")) as server:
        email.send(settings(server.port, security), None, OUTGOING)
    assert [one.was_encrypted for one in server.received] == [True]


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_a_certificate_of_another_name_is_refused(trusted: Authority, security: str) -> None:
    with (
        mail_server(security, trusted.context("mail.example.com")) as server,
        pytest.raises(NetworkFailed, match=r"the certificate of 127\.0\.0\.1:\d+ is not trusted"),
    ):
        email.send(settings(server.port, security), None, OUTGOING)
    assert server.received == []


def test_a_certificate_of_an_unknown_authority_is_refused(trusted: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    with (
        mail_server("starttls", trusted.context("127.0.0.1")) as server,
        pytest.raises(NetworkFailed, match="is not trusted"),
    ):
        email.send(settings(server.port, "starttls"), None, OUTGOING)
    assert server.received == []


def test_a_server_without_starttls_gets_nothing() -> None:
    with mail_server("plain") as server, pytest.raises(Rejected, match="offers no STARTTLS"):
        email.send(settings(server.port, "starttls"), None, OUTGOING)
    assert server.received == []


def test_the_password_opens_the_server_and_a_wrong_one_is_told_without_it(trusted: Authority) -> None:
    with mail_server("starttls", trusted.context("127.0.0.1"), PASSWORD) as server:
        mine = settings(server.port, "starttls")._replace(user="aikeys", password_key="smtp")
        email.send(mine, Secret(PASSWORD.encode()), OUTGOING)
        with pytest.raises(Rejected, match=r"refused user and password \(status 535\)") as refused:
            email.send(mine, Secret(b"sk-CANARY-wrong"), OUTGOING)
        with pytest.raises(Rejected, match="the password in key smtp was not given"):
            email.send(mine, None, OUTGOING)
    assert [one.user for one in server.received] == ["aikeys"]
    assert "CANARY" not in refused.value.message


@pytest.mark.parametrize(("answer", "kind"), [("550 no such user", Rejected), ("451 try later", NotTaken)])
def test_a_refused_recipient_is_for_good_or_for_now(answer: str, kind: type[Exception]) -> None:
    with mail_server("plain") as server:
        server.refuse = answer
        with pytest.raises(kind, match="refused the recipient") as refused:
            email.send(settings(server.port), None, OUTGOING)
    assert "such" not in str(refused.value)


def test_a_server_that_is_not_there_is_a_network_failure() -> None:
    with pytest.raises(NetworkFailed, match=r"^cannot reach 127\.0\.0\.1:\d+: Connection refused$"):
        email.send(settings(closed_port()), None, OUTGOING)


def test_a_label_cannot_add_a_header() -> None:
    forged = MESSAGE._replace(subject="80 %\r\nBcc: thief@example.com")
    mail = email.compose(settings(25), OUTGOING._replace(message=forged))
    assert mail["Bcc"] is None
    assert mail["Subject"] == "aikeys: 80 %  Bcc: thief@example.com"


@pytest.mark.parametrize(
    "address",
    [
        "ops@example.com\r\nBcc: x@example.com", "ops@example.com,x@example.com", "ops", "a b@example.com",
        "<ops@example.com>", "ops@example.com\n", "@example.com", "ops@", "ops@exa mple.com", "ops@-example.com", "",
    ],
)  # fmt: skip
def test_what_is_more_than_one_address_is_refused(address: str) -> None:
    for field in ("to", "sender"):
        with pytest.raises(UsageError, match="is not an e-mail address"):
            check_email(settings(25)._replace(**{field: address}))


def test_a_password_is_not_sent_unencrypted_to_another_machine() -> None:
    mine = settings(25, "plain", "smtp.example.com")
    assert check_email(mine) == mine
    with pytest.raises(UsageError, match="never sent unencrypted"):
        check_email(mine._replace(user="aikeys", password_key="smtp"))
