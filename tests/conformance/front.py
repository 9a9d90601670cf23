"""Stands before aimock: keeps what arrives, and answers what aimock lacks (a token counter, Gemini's /v1)."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.client import HTTPConnection, HTTPResponse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple

_HOP = frozenset({"connection", "content-length", "host", "transfer-encoding"})


class Arrived(NamedTuple):
    """A request as the provider saw it; the names of its headers are in lower case."""

    method: str
    path: str
    headers: dict[str, str]


class Front:
    """Its address, and what arrived there."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.base_url = f"{self.url}/v1"
        self.arrived: list[Arrived] = []


@contextmanager
def front(upstream_port: int) -> Iterator[Front]:
    """Serve on loopback until the block ends."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    made = Front(server.server_port)
    server.RequestHandlerClass = _handler(made, upstream_port)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield made
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _handler(made: Front, upstream_port: int) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._pass_on(b"")

        def do_POST(self) -> None:
            self._pass_on(self.rfile.read(int(self.headers["content-length"])))

        def _pass_on(self, body: bytes) -> None:
            headers = {name.lower(): value for name, value in self.headers.items()}
            made.arrived.append(Arrived(self.command, self.path, headers))
            if self.path.startswith("/v1/messages/count_tokens"):
                self._whole(b'{"input_tokens":8}')
                return
            path = self.path.replace("/v1/models/", "/v1beta/models/", 1) if ":" in self.path else self.path
            kept = {name: value for name, value in headers.items() if name not in _HOP}
            with closing(HTTPConnection("127.0.0.1", upstream_port, timeout=30)) as upstream:
                upstream.request(self.command, path, body, kept)
                self._stream(upstream.getresponse())

        def _whole(self, body: bytes) -> None:
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def _stream(self, reply: HTTPResponse) -> None:
            self.send_response(reply.status)
            for name, value in reply.getheaders():
                if name.lower() not in _HOP:
                    self.send_header(name, value)
            self.send_header("transfer-encoding", "chunked")
            self.end_headers()
            while piece := reply.read1(1 << 16):
                self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            self.wfile.write(b"0\r\n\r\n")

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    return Handler
