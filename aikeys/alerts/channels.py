"""Alert channels: who is told, by which way, of which kinds of message; and their stored form (pure).

Secrets are named, never held: `password_key`, `url_key` and `sign_key` are names of keys in the vault.
"""

from __future__ import annotations

import json
import re
from hashlib import sha256
from typing import Any, NamedTuple

from aikeys.alerts.messages import SUBSCRIBED
from aikeys.errors import Damaged, UsageError
from aikeys.network.addresses import is_loopback_host
from aikeys.secret import refuse_secret
from aikeys.storage.canonical import pack

STARTTLS, TLS, PLAIN = SECURITIES = ("starttls", "tls", "plain")
AUTO, SLACK, TEAMS, JSON = STYLES = ("auto", "slack", "teams", "json")
LONGEST_TIME_LIMIT_S = 300
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)
_ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_{|}~-]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9.-]{0,252}[A-Za-z0-9])?")


class Email(NamedTuple):
    """Mail by SMTP; `security` is one of SECURITIES."""

    to: str
    sender: str
    host: str
    port: int
    security: str
    user: str = ""
    password_key: str = ""


class Webhook(NamedTuple):
    """An HTTP POST to `url`, or to the address that the key `url_key` holds; `style` is one of STYLES."""

    url: str = ""
    url_key: str = ""
    style: str = AUTO
    sign_key: str = ""


class CommandChannel(NamedTuple):
    """A program with its arguments, the first an absolute path."""

    argv: tuple[str, ...]
    time_limit_s: int = 30


Settings = Email | Webhook | CommandChannel
_KINDS: dict[str, type[Email | Webhook | CommandChannel]] = {
    "email": Email,
    "webhook": Webhook,
    "command": CommandChannel,
}


class Channel(NamedTuple):
    """Somebody to tell; `on` are the kinds of message that go there."""

    name: str
    on: tuple[str, ...]
    settings: Settings

    @property
    def kind(self) -> str:
        """Return email, webhook or command."""
        return next(kind for kind, made in _KINDS.items() if isinstance(self.settings, made))

    @property
    def keys(self) -> tuple[str, ...]:
        """Return the names of the keys that sending needs."""
        match self.settings:
            case Email(password_key=name):
                names = [name]
            case Webhook(url_key=url, sign_key=sign):
                names = [url, sign]
            case _:
                names = []
        return tuple(name for name in names if name)

    @property
    def target(self) -> str:
        """Return where it leads, as a list may show it: no path of an address, no arguments."""
        match self.settings:
            case Email(to=to, host=host, port=port):
                return f"{to} by {host}:{port}"
            case Webhook(url=url, url_key=key):
                return host_of(url) if url else f"the address in key {key}"
            case CommandChannel(argv=argv):
                return argv[0]


def encode(channel: Channel, salt: bytes) -> str:
    """Return the settings in their stored form; the salt keeps an address from being guessed by its digest."""
    fields = {"on": channel.on, "salt": salt.hex(), **channel.settings._asdict()}
    return json.dumps(fields, sort_keys=True, ensure_ascii=True)


def decode(name: str, kind: str, text: str) -> Channel:
    """Return what `encode` wrote; raises Damaged."""
    try:
        fields: dict[str, Any] = json.loads(text)
        del fields["salt"]
        on = tuple(fields.pop("on"))
        values: dict[str, Any] = {
            field: tuple(value) if isinstance(value, list) else value for field, value in fields.items()
        }
        return Channel(name, on, _KINDS[kind](**values))
    except (KeyError, TypeError, ValueError, AttributeError):
        raise Damaged(f"the settings of the alert {name} are damaged", f"aikeys alert remove {name}") from None


def wants(text: str, kind: str) -> bool:
    """Tell whether settings ask for a kind of message; those that cannot be read ask for all."""
    try:
        return kind in json.loads(text)["on"]
    except (KeyError, TypeError, ValueError):
        return True


def digest(kind: str, text: str) -> str:
    """Return what the chain keeps of a channel's settings."""
    return sha256(pack("aikeys/1/alert", kind, text)).hexdigest()


def check_name(name: str) -> str:
    """Return a channel's name; raises UsageError."""
    refuse_secret(name)
    if not _NAME.fullmatch(name):
        raise UsageError(f"{name!a} cannot be an alert's name", "use letters, digits, dot, dash and underscore")
    return name


def check_on(text: str) -> tuple[str, ...]:
    """Return the kinds named in a comma-separated list; raises UsageError."""
    kinds = [kind.strip() for kind in text.split(",") if kind.strip()]
    unknown = [kind for kind in kinds if kind not in SUBSCRIBED]
    if unknown or not kinds:
        raise UsageError(f"{', '.join(unknown) or text!a} is not a kind of alert", f"kinds: {', '.join(SUBSCRIBED)}")
    return tuple(kind for kind in SUBSCRIBED if kind in kinds)


def check_address(text: str) -> str:
    """Return an e-mail address; raises UsageError for anything that could also be a header or a list."""
    if not _ADDRESS.fullmatch(text) or len(text) > 254:
        raise UsageError(f"{text!a} is not an e-mail address", "write one plain address: ops@example.com")
    return text


def parse_server(text: str) -> tuple[str, int]:
    """Return host and port of `smtp.example.com:587`; without a port it is 587. Raises UsageError."""
    host, colon, port = text.rpartition(":") if not text.endswith("]") else (text, "", "")
    if not colon:
        host, port = text, "587"
    if not host or not (port.isascii() and port.isdigit()) or not 0 < int(port[:6]) < 65536:
        raise UsageError("the SMTP server is not HOST:PORT", "for example --smtp smtp.example.com:587")
    return host.removeprefix("[").removesuffix("]"), int(port)


def usual_security(host: str, port: int) -> str:
    """Return how mail is secured where nobody said: plain to this machine only."""
    return TLS if port == 465 else PLAIN if is_loopback_host(host) else STARTTLS


def check_email(settings: Email) -> Email:
    """Return settings that can be used; raises UsageError."""
    check_address(settings.to)
    check_address(settings.sender)
    if not re.fullmatch(r"[A-Za-z0-9.:_-]{1,255}", settings.host) or not 0 < settings.port < 65536:
        raise UsageError("the SMTP server is not HOST:PORT", "for example --smtp smtp.example.com:587")
    if settings.security not in SECURITIES:
        raise UsageError(f"{settings.security!a} is not a way to secure mail", f"one of: {', '.join(SECURITIES)}")
    if bool(settings.user) != bool(settings.password_key):
        raise UsageError(
            "a user at the SMTP server needs a password, and the other way round", "--smtp-user, --password-key"
        )
    if not settings.user.isprintable():
        raise UsageError("the user at the SMTP server has an unprintable character", "write it as the server knows it")
    if settings.user and settings.security == PLAIN and not is_loopback_host(settings.host):
        raise UsageError("a password is never sent unencrypted to another machine", "use --security starttls or tls")
    return settings


def holds_key(argument: str) -> bool:
    """Tell whether a program's argument looks like a key: 20 letters and digits, both, in one run, or as keys begin."""
    runs = re.split(r"[^A-Za-z0-9]+", argument)
    is_random = any(len(run) >= 20 and not run.isalpha() and not run.isdigit() for run in runs)
    return is_random or bool(re.search(r"\b(?:sk-|AIza|gsk_|xai-|hf_|pplx-|xox[a-z]-|gh[a-z]_|aik_)\w", argument))


def check_url(url: str) -> str:
    """Return a webhook's address; raises UsageError, whose text repeats no part of it but the host."""
    from urllib.parse import urlsplit

    hint = "give an address such as https://hooks.example.com/alerts"
    if not url.isascii() or any(sign <= " " or sign in '\x7f\\"<>' for sign in url):
        raise UsageError("the webhook's address holds a character that no address has", hint)
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise UsageError("the webhook's address is not an address", hint) from None
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0:
        raise UsageError("the webhook's address is not an https address with a host", hint)
    if "@" in parts.netloc:
        raise UsageError("the webhook's address holds a user name or password", hint)
    if parts.scheme == "http" and not is_loopback_host(parts.hostname):
        raise UsageError(f"alerts are not sent unencrypted to {parts.hostname}", "use its https address")
    return url


def holds_secret(url: str) -> bool:
    """Tell whether a webhook's address looks like one that lets everybody post who knows it."""
    from urllib.parse import urlsplit

    parts = urlsplit(url)
    long = [part for part in parts.path.split("/") if len(part) >= 16 and any(sign.isdigit() for sign in part)]
    return bool(parts.query or long) or style_of(url) != JSON


def style_of(url: str) -> str:
    """Return the style that an address's host understands."""
    host = host_of(url).partition(":")[0]
    if host in ("hooks.slack.com", "hooks.slack-gov.com"):
        return SLACK
    if host.endswith((".webhook.office.com", ".logic.azure.com", ".powerplatform.com")):
        return TEAMS
    return JSON


def host_of(url: str) -> str:
    """Return host and port of an address: all of it that may be shown."""
    from urllib.parse import urlsplit

    return urlsplit(url).netloc.rpartition("@")[2].lower()
