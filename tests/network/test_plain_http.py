"""Plain http: to this machine, and to a private network where the key's row allows it; whom a name means is looked at."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aikeys.errors import Damaged
from aikeys.network.addresses import takes_plain_http
from aikeys.network.peers import guarded_sockets, peers_of
from aikeys.providers.transport import HttpxTransport, NoPlainHttp, NotSent, Parcel, require_way
from aikeys.secret import KeySecret, Secret
from aikeys.storage.canonical import pack
from aikeys.vault.format import Content, decode_content, encode_content
from tests.conftest import canary
from tests.network.test_both_doors import LIMITS, parcel
from tests.spending.conftest import FakeProvider, answer

NAME = "lan.example"
PLACES = [  # an address, whether it takes plain http, and whether it does where the key's row allows private networks
    ("127.0.0.1", True, True),
    ("127.8.9.1", True, True),
    ("::1", True, True),
    ("::ffff:127.0.0.1", True, True),
    ("10.9.9.9", False, True),
    ("172.16.0.1", False, True),
    ("172.32.0.1", False, False),
    ("192.168.1.7", False, True),
    ("::ffff:10.9.9.9", False, True),
    ("fd00::1", False, True),
    ("fc00::1", False, True),
    ("fe00::1", False, False),
    ("169.254.169.254", False, False),
    ("fe80::1", False, False),
    ("fe80::1%2", False, False),
    ("fd00::1%2", False, False),
    ("100.64.0.1", False, False),
    ("0.0.0.0", False, False),  # noqa: S104
    ("::", False, False),
    ("8.8.8.8", False, False),
    ("2001:db8::1", False, False),
    ("224.0.0.1", False, False),
    ("lan", False, False),
    ("", False, False),
]


@pytest.mark.parametrize(("address", "always", "where_allowed"), PLACES)
def test_only_this_machine_and_private_networks_take_plain_http(
    address: str, always: bool, where_allowed: bool
) -> None:
    assert takes_plain_http(address, private=False) is always
    assert takes_plain_http(address, private=True) is where_allowed


def meaning(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> None:
    """Let the name mean these addresses."""
    real = socket.getaddrinfo

    def look_up(host: Any, port: Any, *more: Any, **options: Any) -> Any:
        if host not in (NAME, NAME.encode()):
            return real(host, port, *more, **options)
        found: list[Any] = []
        for one in addresses:
            family, rest = (socket.AF_INET6, (0, 0)) if ":" in one else (socket.AF_INET, ())
            found.append((family, socket.SOCK_STREAM, 6, "", (one, port, *rest)))
        return found

    monkeypatch.setattr(socket, "getaddrinfo", look_up)


@pytest.fixture
def provider() -> Iterator[FakeProvider]:
    one = FakeProvider(plays=[answer(200, b"{}")])
    yield one
    one.close()


def lan(provider: FakeProvider, *, allows_http: bool) -> Parcel:
    one = parcel(f"http://{NAME}:{provider.port}")
    return one._replace(secret=KeySecret(canary().encode(), allows_http=allows_http))


Sender = Callable[[Parcel], int]


def by_httpx(one: Parcel) -> int:
    with closing(HttpxTransport(environ=os.environ)) as transport, transport.send(one, LIMITS) as reply:
        return reply.status


def by_aiohttp(one: Parcel) -> int:
    import asyncio

    from aikeys.gateway.upstream import Upstream

    async def send() -> int:
        upstream = Upstream(environ=os.environ)
        try:
            async with upstream.send(one, LIMITS) as reply:
                return reply.status
        finally:
            await upstream.close()

    return asyncio.run(send())


@pytest.fixture(params=[by_httpx, by_aiohttp])
def sender(request: pytest.FixtureRequest) -> Sender:
    found: Sender = request.param
    return found


def test_a_name_is_asked_under_its_own_name_at_the_address_it_means(
    sender: Sender, provider: FakeProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    meaning(monkeypatch, "8.8.8.8", "169.254.169.254", "127.0.0.1")
    assert sender(lan(provider, allows_http=True)) == 200
    assert provider.seen[0].headers["host"] == f"{NAME}:{provider.port}"
    assert provider.seen[0].headers["authorization"] == f"Bearer {canary()}"


@pytest.mark.parametrize("address", [place for place, _, allowed in PLACES if not allowed and place[:1].isalnum()][:-1])
def test_a_name_that_means_something_else_gets_no_key_even_where_plain_http_is_allowed(
    sender: Sender, provider: FakeProvider, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    meaning(monkeypatch, address)
    with pytest.raises(NotSent, match="not an address that this key may be sent to"):
        sender(lan(provider, allows_http=True))


@pytest.mark.parametrize("secret", [KeySecret(b"sk-x", allows_http=False), Secret(b"sk-x")])
def test_without_the_rows_word_no_private_address_gets_a_key(
    sender: Sender, provider: FakeProvider, monkeypatch: pytest.MonkeyPatch, secret: Secret
) -> None:
    meaning(monkeypatch, "10.9.9.9")
    with pytest.raises(NotSent):
        sender(lan(provider, allows_http=False)._replace(secret=secret))
    with pytest.raises(NotSent):
        sender(parcel("http://10.9.9.9:1")._replace(secret=secret))
    with pytest.raises(NoPlainHttp, match="lan is not sent over plain http"):
        require_way("http://10.9.9.9", "lan", secret)


def test_no_proxy_ever_sees_plain_http(sender: Sender, provider: FakeProvider, monkeypatch: pytest.MonkeyPatch) -> None:
    other = FakeProvider()
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, other.url)
    meaning(monkeypatch, "127.0.0.1")
    assert sender(lan(provider, allows_http=True)) == 200
    other.close()
    assert other.seen == []


def test_a_socket_is_made_only_to_where_a_key_may_go() -> None:
    for address, always, where_allowed in PLACES[:-2]:
        for private, expected in ((False, always), (True, where_allowed)):
            info = (socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 80))
            if expected:
                guarded_sockets(private=private)(info).close()
            else:
                with pytest.raises(PermissionError):
                    guarded_sockets(private=private)(info)
            assert peers_of(address, 80, private=private) == ([address] if expected else [])


texts = st.text(max_size=9)


@given(st.binary(max_size=9), st.lists(texts), texts, st.lists(st.tuples(texts, texts)), st.booleans())
def test_the_sealed_content_keeps_the_permission_and_without_it_is_what_it_always_was(
    secret: bytes, names: list[str], url: str, pairs: list[tuple[str, str]], allows: bool
) -> None:
    content = Content(secret, tuple(names), (), url, tuple(pairs), tuple(names), allows)
    data = encode_content(content)
    assert decode_content(data) == content
    plain = encode_content(content._replace(allows_http=False))
    assert data == (plain + pack(1) if allows else plain)


@pytest.mark.parametrize("more", [(0,), (2,), (b"1",), ("1",), (1, 1), (None,)])
def test_another_seventh_field_is_no_permission_but_damage(more: tuple[Any, ...]) -> None:
    with pytest.raises(Damaged):
        decode_content(encode_content(Content(b"sk", (), (), "", (), ())) + pack(*more))


SERVER = """
import http.server, json
class H(http.server.BaseHTTPRequestHandler):
    def log_message(self, *a): pass
    def do_GET(self): self.answer({"data": []})
    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        self.answer({"id": "c", "object": "chat.completion", "model": "gpt-4.1", "choices": [{"index": 0, "message":
            {"role": "assistant", "content": "from the lan"}, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}})
    def answer(self, value):
        body = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
server = http.server.ThreadingHTTPServer(("10.9.9.9", 18479), H)
print("up", flush=True)
server.serve_forever()
"""
SCRIPT = """
ip link set lo up && ip addr add 10.9.9.9/32 dev lo
coproc SERVER { exec "$PYTHON" "$HERE/server.py"; }
read -r line <&"${SERVER[0]}"
aikeys() { "$PYTHON" -m aikeys "$@"; }
printf sk-lan-1 | aikeys add lan --provider openai --stdin --no-verify --base-url http://10.9.9.9:18479/v1
echo "refused $?"
printf sk-lan-1 | aikeys add lan --provider openai --stdin --allow-http --base-url http://10.9.9.9:18479/v1
echo "added $?"
aikeys verify lan </dev/null; echo "verified $?"
aikeys prompt -m lan/gpt-4.1 --no-stream hi </dev/null; echo "prompted $?"
aikeys exec --metered lan -- "$PYTHON" "$HERE/client.py" </dev/null; echo "metered $?"
aikeys edit lan --no-allow-http </dev/null
aikeys prompt -m lan/gpt-4.1 --no-stream hi </dev/null; echo "withdrawn $?"
kill "$SERVER_PID"
"""
CLIENT = """
import json, os, urllib.request as u
request = u.Request(os.environ["OPENAI_BASE_URL"] + "/chat/completions", json.dumps({"model": "gpt-4.1",
    "messages": [{"role": "user", "content": "hi"}]}).encode(), {"content-type": "application/json",
    "authorization": "Bearer " + os.environ["OPENAI_API_KEY"]})
print(u.build_opener(u.ProxyHandler({})).open(request, timeout=30).status)
"""


def can_unshare() -> bool:
    if not all(map(shutil.which, ("unshare", "ip", "bash"))) or os.geteuid() != 0:
        return False
    return subprocess.run(["unshare", "-n", "true"], capture_output=True, check=False).returncode == 0


@pytest.mark.skipif(not can_unshare(), reason="needs a network namespace of its own: root, unshare, ip")
def test_one_rule_for_add_verify_prompt_and_gateway_in_a_real_network(ready_home: Any, tmp_path: Path) -> None:
    (tmp_path / "server.py").write_text(SERVER)
    (tmp_path / "client.py").write_text(CLIENT)
    more = {"PYTHON": sys.executable, "HERE": str(tmp_path), "PYTHONPATH": os.environ.get("PYTHONPATH", "")}
    done = subprocess.run(
        ["unshare", "-n", "bash", "-c", SCRIPT], env=ready_home.env(more), cwd=ready_home.folder,
        capture_output=True, encoding="utf-8", timeout=120, check=False,
    )  # fmt: skip
    said = [line for line in done.stdout.splitlines() if line.split()[-1].isdigit() and len(line.split()) < 3]
    assert said == ["refused 2", "added 0", "verified 0", "prompted 0", "200", "metered 0", "withdrawn 2"], done
    assert "from the lan" in done.stdout
    assert "valid" in done.stdout
