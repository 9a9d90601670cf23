"""Send a message as plain-text mail by SMTP.

- The server's certificate is verified, always; SSL_CERT_FILE names a CA of one's own. Without encryption only to this
  machine, or where the channel says `plain`, and then without a password.
- A second sending has the same Message-ID. Addresses and subject cannot carry a second header.
"""

from __future__ import annotations

import os
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from aikeys.alerts.channels import STARTTLS, TLS, Email, check_email
from aikeys.alerts.messages import one_line
from aikeys.alerts.sending import NotTaken, OutgoingAlert, Rejected
from aikeys.errors import AikeysError, BadConfiguration, NetworkFailed

if TYPE_CHECKING:
    import smtplib
    from collections.abc import Iterator
    from email.message import EmailMessage

    from aikeys.secret import Secret

TIMEOUT_S = 20.0
_PERMANENT = 500


def send(settings: Email, password: Secret | None, outgoing: OutgoingAlert) -> None:
    """Hand the message to the SMTP server; raises NetworkFailed, NotTaken, Rejected."""
    check_email(settings)
    mail = compose(settings, outgoing)
    with _told(settings), _connection(settings) as connection:
        if settings.user:
            if password is None:
                raise Rejected(f"the password in key {settings.password_key} was not given")
            _log_in(connection, settings.user, password)
        connection.send_message(mail, settings.sender, [settings.to])


def compose(settings: Email, outgoing: OutgoingAlert) -> EmailMessage:
    """Return the mail (pure)."""
    from datetime import UTC, datetime
    from email.message import EmailMessage
    from email.policy import SMTP
    from email.utils import format_datetime

    mail = EmailMessage(policy=SMTP)
    mail["From"] = f"aikeys <{settings.sender}>"
    mail["To"] = settings.to
    mail["Subject"] = "aikeys: " + one_line(outgoing.message.subject)
    mail["Date"] = format_datetime(datetime.fromtimestamp(outgoing.at_s, UTC))
    mail["Message-ID"] = f"<{outgoing.id}@{settings.sender.rpartition('@')[2]}>"
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(outgoing.message.text.rstrip("\n") + "\n", cte="quoted-printable")
    return mail


@contextmanager
def _connection(settings: Email) -> Iterator[smtplib.SMTP]:
    import smtplib

    from aikeys.network.certificates import client_context

    name = _own_name()
    connection: smtplib.SMTP
    if settings.security == TLS:
        context = client_context(os.environ)
        connection = smtplib.SMTP_SSL(settings.host, settings.port, name, timeout=TIMEOUT_S, context=context)
    else:
        connection = smtplib.SMTP(settings.host, settings.port, name, timeout=TIMEOUT_S)
    try:
        if settings.security == STARTTLS:
            connection.starttls(context=client_context(os.environ))
        yield connection
        with suppress(smtplib.SMTPException, OSError):  # it was taken; how the server says good-bye changes nothing
            connection.quit()
    finally:
        connection.close()


def _own_name() -> str:
    """Return what to greet with; smtplib would ask the DNS, which may not answer."""
    import socket

    name = socket.gethostname()
    return name if "." in name else "[127.0.0.1]"


def _log_in(connection: smtplib.SMTP, user: str, password: Secret) -> None:
    try:
        connection.login(user, password.reveal().decode())
    except UnicodeError:
        raise Rejected("the SMTP user or password has a character that SMTP cannot carry") from None


@contextmanager
def _told(settings: Email) -> Iterator[None]:
    """Turn what smtplib and ssl raise into our own words; the server's words may repeat what it was sent."""
    import smtplib

    server = f"{settings.host}:{settings.port}"
    try:
        yield
    except BadConfiguration as wrong:
        raise NetworkFailed(f"{server}: {wrong.message}", wrong.hint) from None
    except smtplib.SMTPException as error:
        raise _mail_failure(error, server) from None
    except OSError as error:
        raise _network_failure(error, server) from None


def _mail_failure(error: smtplib.SMTPException, server: str) -> AikeysError:
    import smtplib

    match error:
        case smtplib.SMTPNotSupportedError():
            return Rejected(f"{server} offers no STARTTLS, or no way to log in", "see --security")
        case smtplib.SMTPRecipientsRefused(recipients=refused):
            return _refused(f"{server} refused the recipient", max((code for code, _ in refused.values()), default=500))
        case smtplib.SMTPAuthenticationError(smtp_code=code):
            return _refused(f"{server} refused user and password", code)
        case smtplib.SMTPServerDisconnected() | smtplib.SMTPConnectError():
            return NetworkFailed(f"{server} closed the connection or does not greet as a mail server")
        case smtplib.SMTPResponseException(smtp_code=code):
            return _refused(f"{server} refused the mail", code)
        case _:
            return NotTaken(f"{server} did not take the mail ({type(error).__name__})")


def _network_failure(error: OSError, server: str) -> AikeysError:
    import ssl

    match error:
        case ssl.SSLCertVerificationError(verify_message=reason):
            sentence = f"the certificate of {server} is not trusted: {reason}"
            return NetworkFailed(sentence, "SSL_CERT_FILE may name your own CA")
        case ssl.SSLError(reason=reason):
            return NetworkFailed(f"no TLS with {server} ({reason})", "see --security")
        case TimeoutError():
            return NetworkFailed(f"{server} did not answer within {TIMEOUT_S:g} seconds")
        case _:
            return NetworkFailed(f"cannot reach {server}: {error.strerror or type(error).__name__}")


def _refused(sentence: str, status: int) -> AikeysError:
    kind = Rejected if status >= _PERMANENT else NotTaken
    return kind(f"{sentence} (status {status})")
