"""A provider behind TLS and a proxy before it, both on loopback: what a company's network looks like from inside."""

from __future__ import annotations

import base64
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import trustme

from tests.loopback import Listening

HOST = "api.far.example"


class TlsProvider(Listening):
    """Answers one request a connection, under a certificate of its own."""

    def __init__(self, authority: trustme.CA, *names: str) -> None:
        self.seen: list[bytes] = []
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert(*(names or (HOST, "127.0.0.1"))).configure_cert(self._context)
        super().__init__()

    def _talk(self, connection: socket.socket) -> None:
        with connection, suppress(OSError), self._context.wrap_socket(connection, server_side=True) as talking:
            heard = b""
            while not heard.endswith(b"\r\n\r\n{}"):
                piece = talking.recv(65536)
                if not piece:
                    return
                heard += piece
            self.seen.append(heard)
            talking.sendall(
                b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: 2\r\n\r\n{}"
            )


class ConnectProxy(Listening):
    """Makes every CONNECT a connection to one port of this machine, or refuses it with a status."""

    def __init__(self, to_port: int) -> None:
        self.status = 200
        self.heads: list[bytes] = []
        self._to = to_port
        super().__init__()

    def login(self) -> bytes:
        """Return who logged in at the last CONNECT."""
        line = next(each for each in self.heads[-1].split(b"\r\n") if each.lower().startswith(b"proxy-authorization"))
        return base64.b64decode(line.rpartition(b" ")[2])

    def _talk(self, connection: socket.socket) -> None:
        with connection, suppress(OSError):
            head = b""
            while b"\r\n\r\n" not in head:
                head += connection.recv(4096)
            self.heads.append(head)
            if self.status != 200:
                connection.sendall(b"HTTP/1.1 %d secret-words\r\ncontent-length: 0\r\n\r\n" % self.status)
                return
            with socket.create_connection(("127.0.0.1", self._to)) as there:
                connection.sendall(b"HTTP/1.1 200 ok\r\n\r\n")
                back = threading.Thread(target=_pipe, args=(there, connection), daemon=True)
                back.start()
                _pipe(connection, there)
                back.join(10)


def _pipe(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while piece := source.recv(65536):
            target.sendall(piece)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def trusted(authority: trustme.CA, tmp_path: Path) -> str:
    """The file that names the authority."""
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return str(path)


@pytest.fixture
def far(authority: trustme.CA) -> Iterator[TlsProvider]:
    one = TlsProvider(authority)
    yield one
    one.close()


@pytest.fixture
def proxy(far: TlsProvider) -> Iterator[ConnectProxy]:
    one = ConnectProxy(far.port)
    yield one
    one.close()
