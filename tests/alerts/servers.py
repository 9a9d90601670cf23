"""A mail server and a web server on loopback, and a ledger whose clock the test moves."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import Message as Mail
from email.policy import default
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import trustme
from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword

from aikeys.alerts import outbox
from aikeys.alerts.channels import Channel, Settings
from aikeys.alerts.messages import BUDGET, AlertMessage
from aikeys.ledger.store import Ledger

NOW_US = 1_795_435_200_000_000  # 2026-11-23T12:00:00Z
MESSAGE = AlertMessage(
    BUDGET,
    "budget team:support: $80.00 of $100.00 (80 % reached)",
    "team:support has spent $80.00 of $100.00 this month, 80 %.\n\nMost was spent by:\n  user:José  $70.00\n\n"
    "See how full it is: aikeys budget check team:support\n",
    (("who", "team:support"), ("spent_usd", "80.00"), ("limit_usd", "100.00")),
)


@dataclass
class Clock:
    now_us: int = NOW_US

    def move(self, seconds: float) -> None:
        self.now_us += int(seconds * 1_000_000)


@dataclass
class Book:
    """A ledger with short ways to fill it and look at its outbox."""

    ledger: Ledger
    clock: Clock

    def add(self, settings: Settings, name: str = "ops", on: tuple[str, ...] = (BUDGET,)) -> Channel:
        channel = Channel(name, on, settings)
        with self.ledger.writing() as writer:
            outbox.add_channel(writer, channel, bytes(16))
        return channel

    def put(self, once: str = "budget team:support month 20789 80", message: AlertMessage = MESSAGE) -> None:
        with self.ledger.writing() as writer:
            outbox.put(writer, once, message)

    def rows(self) -> list[outbox.OutboxRow]:
        with self.ledger.reading() as connection:
            return outbox.newest(connection, 1000)

    def states(self) -> list[str]:
        return [row.state for row in self.rows()]

    def texts(self) -> list[str]:
        with self.ledger.reading() as connection:
            return [row[0] for row in connection.execute("SELECT message FROM outbox ORDER BY id")]

    def acts(self, act: str) -> list[tuple[str, str, str]]:
        return [(one.subject, one.detail, one.status) for one, _ in self.ledger.entries() if one.act == act]


@dataclass
class Received:
    """One mail as the server took it."""

    sender: str
    recipients: list[str]
    mail: Mail
    user: str
    was_encrypted: bool


@dataclass
class MailServer:
    """What a mail server took; `refuse` is what it answers to RCPT instead, `password` what it wants for `aikeys`."""

    port: int = 0
    received: list[Received] = field(default_factory=list)
    refuse: str = ""
    password: str = ""
    logins: list[str] = field(default_factory=list)

    async def handle_RCPT(self, _server: Any, _session: Any, envelope: Any, address: str, _options: Any) -> str:  # noqa: N802
        if self.refuse:
            return self.refuse
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        mail = message_from_bytes(envelope.content, policy=default)
        user = self.logins[-1] if session.authenticated else ""
        self.received.append(
            Received(
                envelope.mail_from,
                envelope.rcpt_tos,
                mail,
                user,
                server.transport.get_extra_info("sslcontext") is not None,
            )
        )
        return "250 taken"

    def authenticate(self, _server: Any, _session: Any, _envelope: Any, _mechanism: str, data: Any) -> AuthResult:
        assert isinstance(data, LoginPassword)
        self.logins.append(data.login.decode())
        return AuthResult(success=data.password.decode() == self.password, handled=False)


@contextmanager
def mail_server(security: str, context: ssl.SSLContext | None = None, password: str = "") -> Iterator[MailServer]:
    """Run a mail server in a thread until the block ends."""
    server = MailServer(password=password)
    loop = asyncio.new_event_loop()
    listener = socket.create_server(("127.0.0.1", 0))
    server.port = listener.getsockname()[1]

    protocols: list[SMTP] = []

    def protocol() -> SMTP:
        made = SMTP(
            server,
            hostname="localhost",
            loop=loop,
            tls_context=context if security == "starttls" else None,
            require_starttls=security == "starttls",
            auth_required=bool(password),
            auth_require_tls=security == "starttls",
            authenticator=server.authenticate if password else None,
        )
        protocols.append(made)
        return made

    made = loop.create_server(protocol, sock=listener, ssl=context if security == "tls" else None)
    running = loop.run_until_complete(made)
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    async def end() -> None:
        running.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        for one in protocols:
            if one.transport is not None:
                one.transport.abort()
        await asyncio.sleep(0)  # an aborted connection is closed in the next round
        await asyncio.sleep(0)
        loop.stop()

    try:
        yield server
    finally:
        asyncio.run_coroutine_threadsafe(end(), loop)
        thread.join(30)
        loop.close()


@dataclass(frozen=True)
class Request:
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def document(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.body)
        return found


@dataclass
class Web:
    """A web server's requests; it answers with `answers` in turn, then 200. `arrived` is called before it answers."""

    url: str = ""
    requests: list[Request] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)
    arrived: Callable[[], None] = lambda: None


@contextmanager
def web_server(context: ssl.SSLContext | None = None) -> Iterator[Web]:
    """Run a web server in a thread until the block ends."""
    web = Web()
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            with lock:
                web.requests.append(Request(self.path, {k.lower(): v for k, v in self.headers.items()}, body))
                status = web.answers.pop(0) if web.answers else 200
            web.arrived()
            try:
                self.send_response(status)
                if 300 <= status < 400:
                    self.send_header("Location", web.url + "/elsewhere")
                self.send_header("Content-Length", "0")
                self.end_headers()
            except OSError:
                self.close_connection = True  # the sender is gone: a test killed it

        def log_message(self, *_: Any) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = False

        def handle_error(self, *_: Any) -> None:
            pass

    server = Server(("127.0.0.1", 0), Handler)
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    web.url = f"{'https' if context else 'http'}://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield web
    finally:
        server.shutdown()
        thread.join(30)
        server.server_close()


@dataclass(frozen=True)
class Authority:
    """A CA made for the test; `file` is its certificate."""

    ca: trustme.CA
    file: Path

    def context(self, *names: str) -> ssl.SSLContext:
        """Return a server's context with a certificate for these names."""
        made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.ca.issue_cert(*names).configure_cert(made)
        return made


def authority(folder: Path) -> Authority:
    ca = trustme.CA()
    file = folder / "ca.pem"
    ca.cert_pem.write_to_path(str(file))
    return Authority(ca, file)


def closed_port() -> int:
    """Return a port where nobody listens."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        port: int = listener.getsockname()[1]
    return port
