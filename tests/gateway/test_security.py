"""An attacker at the door of a real gateway: without a token, with one that may little, and with raw sockets."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote

import pytest

from aikeys import sealing
from aikeys.vault.tokens.issuing import Issued
from tests.gateway.process import SECRET, Answer, Client, Gateway, House, chat, gateway, house_at, talk
from tests.vault.test_tokens_debugger import derived, opened_by, read, secrets_in
from tests.vault.tokens_at_hand import taken_apart

CHAT = "/v1/chat/completions"
ROUTES = (
    ("POST", CHAT), ("POST", "/v1/responses"), ("POST", "/v1/embeddings"), ("POST", "/v1/completions"),
    ("GET", "/v1/models"), ("GET", "/v1/models/gpt-4.1"), ("POST", "/v1/messages"),
    ("POST", "/v1/messages/count_tokens"), ("POST", "/v1beta/models/gemini-2.5-flash:generateContent"),
    ("POST", "/v1/models/gemini-2.5-flash:streamGenerateContent"), ("GET", "/v1beta/models"), ("GET", "/v1/usage"),
    ("GET", "/v1/budgets"), ("GET", "/v1/audit"), ("GET", "/v1/log"), ("GET", "/v1/keys"), ("POST", "/v1/keys"),
    ("DELETE", "/v1/keys/0123456789abcdef"), ("GET", "/metrics"), ("POST", "/openai/v1/chat/completions"),
    ("GET", "/openai/v1/files"), ("POST", "/anthropic/v1/messages"), ("PUT", "/nobody/v1/x"),
)  # fmt: skip


class Fort(NamedTuple):
    """A gateway under attack, and the tokens of four people."""

    house: House
    running: Gateway
    user: Issued
    viewer: Issued
    support: Issued
    sales: Issued

    def talk(self, conversation: Any) -> Any:
        return talk(self.running, conversation)


@pytest.fixture(scope="module")
def fort(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fort]:
    with house_at(tmp_path_factory.mktemp("fort")) as house:
        root = house.provider.base_url.removesuffix("/v1")
        house.add_key("gemini", SECRET, "gemini", root)
        house.add_key("anthropic", SECRET, "anthropic", root)
        house.add_key("azure", SECRET, "azure-openai", root)
        user, viewer = house.issue(), house.issue("usage:read")
        support, sales = (house.issue(labels=(("team", team),)) for team in ("support", "sales"))
        with gateway(house) as running:
            yield Fort(house, running, user, viewer, support, sales)


def test_without_a_token_everything_is_401(fort: Fort) -> None:
    wrong = (None, "Bearer ", "Bearer aik_nonsense", "Basic YWlrOmFpaw==", "Bearer " + "a" * 5000, "Bearer \xff\xfe")

    async def go(client: Client) -> list[tuple[str, Answer]]:
        found = []
        for method, path in ROUTES:
            for given in wrong[: 2 if path != CHAT else None]:
                fields = {"authorization": given} if given else {}
                found.append((f"{method} {path}", await client.ask(method, path, None, b"{}", fields)))
        for path in ("/healthz", "/readyz"):
            assert (await client.ask("GET", path)).status == 200
        return found

    for route, answer in fort.talk(go):
        assert answer.status == 401, (route, answer)
        assert "aikeys token issue" in answer.body.decode(), route


def test_a_large_request_that_is_refused_gets_its_answer(fort: Fort) -> None:
    """Closed under a body that still comes, a connection is reset, and what was answered is lost."""
    body = json.dumps({**chat("p=1"), "pad": "x" * 8_000_000}).encode()
    for token, status in ((None, b"401"), (fort.viewer, b"403")):
        given = f"Authorization: Bearer {token.text}\r\n" if token else ""
        head = f"POST {CHAT} HTTP/1.1\r\nHost: localhost\r\n{given}Content-Length: {len(body)}\r\n\r\n"
        found = said_to(fort.running, head.encode() + body, is_over=lambda found: found.endswith(b"}}"))
        assert found.startswith(b"HTTP/1.1 " + status), found


def test_a_token_without_the_scope_is_403_everywhere_else(fort: Fort) -> None:
    async def go(client: Client) -> list[tuple[str, int]]:
        return [
            (f"{method} {path}", (await client.ask(method, path, token, body)).status)
            for token, routes in ((fort.viewer, ROUTES[:11]), (fort.user, ROUTES[12:15] + ROUTES[16:18]))
            for method, path in routes
            for body in (json.dumps(chat("p=1")).encode() if method == "POST" else None,)
        ]

    for route, status in fort.talk(go):
        assert status == 403, route


def test_another_host_is_refused_whatever_else_is_right(fort: Fort) -> None:
    hosts = ("evil.example", "127.0.0.1.evil.example", "evil.example:80", "[::2]", "localhost.evil", "")

    async def go(client: Client) -> list[int]:
        return [(await client.ask("GET", "/v1/models", fort.user, None, {"host": host})).status for host in hosts]

    assert set(fort.talk(go)) == {421}


SMUGGLED = f"POST {CHAT} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n"
_HEAD = f"POST {CHAT} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
BROKEN = {
    "length and chunks": f"{_HEAD}Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{SMUGGLED}",
    "two lengths": f"{_HEAD}Content-Length: 0\r\nContent-Length: {len(SMUGGLED)}\r\n\r\n{SMUGGLED}",
    "lengths in a list": f"{_HEAD}Content-Length: 0, {len(SMUGGLED)}\r\n\r\n{SMUGGLED}",
    "a signed length": f"{_HEAD}Content-Length: +0\r\n\r\n{SMUGGLED}",
    "a negative length": f"{_HEAD}Content-Length: -1\r\n\r\n{SMUGGLED}",
    "a length in hex": f"{_HEAD}Content-Length: 0x0\r\n\r\n{SMUGGLED}",
    "a length with an underscore": f"{_HEAD}Content-Length: 0_0\r\n\r\n{SMUGGLED}",
    "an unknown coding": f"{_HEAD}Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n{SMUGGLED}",
    "chunked not last": f"{_HEAD}Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n{SMUGGLED}",
    "chunked twice": f"{_HEAD}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{SMUGGLED}",
    "a space before the colon": f"{_HEAD}Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n{SMUGGLED}",
    "a folded header": f"{_HEAD}X-A: b\r\n Transfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n{SMUGGLED}",
    "a null in a header": f"{_HEAD}X-A: b\0c\r\nContent-Length: 0\r\n\r\n{SMUGGLED}",
    "a chunk of negative size": f"{_HEAD}Transfer-Encoding: chunked\r\n\r\n-1\r\n\r\n{SMUGGLED}",
    "a chunk of a size with an underscore": f"{_HEAD}Transfer-Encoding: chunked\r\n\r\n1_0\r\n{SMUGGLED}",
    "line feeds alone in chunks": f"{_HEAD}Transfer-Encoding: chunked\r\n\r\n0\n\n{SMUGGLED}",
    "a return alone": f"{_HEAD}X-A: b\rTransfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n{SMUGGLED}",
    "a header of 20 kB": f"{_HEAD}X-A: {'b' * 20_000}\r\n\r\n{SMUGGLED}",
    "a line of 20 kB": f"POST /v1/{'b' * 20_000} HTTP/1.1\r\nHost: localhost\r\n\r\n{SMUGGLED}",
    "two hundred headers": _HEAD + "".join(f"X-{n}: b\r\n" for n in range(200)) + f"\r\n{SMUGGLED}",
    "no HTTP": "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + SMUGGLED,
    "HTTP of the future": f"POST {CHAT} HTTP/3.7\r\nHost: localhost\r\n\r\n{SMUGGLED}",
}


def said_to(
    running: Gateway, data: bytes, timeout_s: float = 10, is_over: Callable[[bytes], bool] = lambda _: False
) -> bytes:
    """Send bytes, then read until the gateway closes, or it is over."""
    found = b""
    with socket.create_connection(("127.0.0.1", running.port), timeout=timeout_s) as sock:
        with suppress(ConnectionError):
            sock.sendall(data)
        with suppress(ConnectionError, TimeoutError):
            while not is_over(found) and (piece := sock.recv(65536)):
                found += piece
    return found


@pytest.mark.parametrize("how", BROKEN)
def test_what_two_programs_could_read_differently_is_refused_whole(fort: Fort, how: str) -> None:
    """Nothing behind it is taken for a request of its own, and nothing of it is repeated."""
    token = fort.user.text
    data = BROKEN[how].replace("Host: localhost\r\n", f"Host: localhost\r\nAuthorization: Bearer {token}\r\n")
    before, lines = len(fort.house.provider.served), len(fort.running.lines)
    found = said_to(fort.running, data.encode("latin-1"))
    assert len(re.findall(rb"HTTP/1\.[01] \d{3}", found)) <= 1, found
    if found:
        assert re.match(rb"HTTP/1\.[01] 400", found), found
        assert b"cannot be read" in found, found
    assert token[-12:].encode() not in found
    assert len(fort.house.provider.served) == before
    assert all(token[-12:] not in line and "Traceback" not in line for line in fort.running.lines[lines:])


BREAKING = (
    ("Transfer-Encoding: chunked", b"5\r\n{}"),
    ("Content-Length: 50", b"{}"),
    ("Content-Length: 5\r\nContent-Encoding: gzip", b"aaaaa"),
    ("Transfer-Encoding: chunked\r\nContent-Encoding: gzip", b"5\r\naaaaa\r\n0\r\n\r\n"),
)


@pytest.mark.parametrize("path", [CHAT, "/openai/v1/files"])
@pytest.mark.parametrize(("how", "rest"), BREAKING)
def test_a_body_that_is_not_what_it_says_is_the_clients_failure(fort: Fort, path: str, how: str, rest: bytes) -> None:
    """Sent when the gateway waits for it; some clients leave in the middle."""
    token, lines = fort.house.issue("native:all", "chat:write"), len(fort.running.lines)
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token.text}\r\n"
    with socket.create_connection(("127.0.0.1", fort.running.port), timeout=10) as sock:
        sock.sendall(f"{head}Expect: 100-continue\r\nConnection: close\r\n{how}\r\n\r\n".encode())
        assert sock.recv(25, socket.MSG_WAITALL).startswith(b"HTTP/1.1 100")
        sock.sendall(rest)
        if "gzip" not in how:
            sock.shutdown(socket.SHUT_WR)
        found = b"".join(iter(lambda: sock.recv(65536), b""))
    assert not found or re.match(rb"HTTP/1\.[01] 400", found), found
    assert not any("internal" in line or "broke" in line for line in fort.running.lines[lines:])


def test_no_model_name_and_no_field_sends_a_key_elsewhere(fort: Fort) -> None:
    evil = (
        "http://evil.example/gpt-4.1", "openai/http://evil.example/x", "openai/../../admin", "openai//evil.example",
        "azure/../../openai/files?x=1#", "azure/x/../y", "azure/gpt-4.1?api-version=x", "azure/..%2f..%2fadmin",
        "gemini/../../upload", "gemini/x:y?key=z", "gemini/..%2f..", "gemini/a\\..\\..\\b", "gemini/x@evil.example",
        "anthropic/@evil.example/", "openai/gpt\r\nHost: evil", "azure/gpt\r\nX: y", "\x00", "openai/" + "x" * 10_000,
    )  # fmt: skip
    before = len(fort.house.provider.served)

    async def go(client: Client) -> list[Answer]:
        elsewhere = {"base_url": "http://evil.example", "api_base": "http://evil.example"}
        return [
            await client.ask("POST", CHAT, fort.user, {**chat("p=1"), "model": name, **more})
            for name in evil
            for more in ({}, elsewhere)
        ]

    for answer in fort.talk(go):
        assert answer.status != 500, answer
    for one in fort.house.provider.served[before:]:
        path = one.path.partition("?")[0]
        assert ".." not in unquote(path).replace("\\", "/").split("/"), one.path
        shapes = r"/v1/chat/completions|/openai/v1/chat/completions|/openai/deployments/[^/?#]+/chat/completions|/v1beta/models/[^/?#]+:\w+|/v1/messages"
        assert re.fullmatch(rf"(/v1)?({shapes})", path), one.path


TRICKS = (
    "/openai/v1/../v1/files", "/openai/v1/%2e%2e/files", "/openai/v1/models/../files", "/openai//v1/models",
    "/openai/v1//files", "/openai/v1/models/..%2f..%2ffiles", "/openai/v1/chat%2fcompletions/../files",
    "/openai/v1/models/%2e%2e%2ffiles", "/openai/v1/models/%252e%252e/files", "/openai/v1/models/x\\..\\files",
    "/openai/v1/files", "/openai/v1/organization/admin_api_keys", "/openai/v1/fine_tuning/jobs", "/openai/v1/batches",
    "/gemini/v1beta/files", "/gemini/v1beta/cachedContents", "/anthropic/v1/messages/batches",
    "/anthropic/v1/organizations/api_keys", "/openai/v1/models/x;/../../files", "/openai/v1/models%00/x",
    "/openai/v1/responses/..", "/openai/v1/responses/%2e%2e/x", "/OPENAI/v1/models", "/openai/./v1/models",
)  # fmt: skip


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_a_route_that_is_not_on_the_list_is_403_or_404_and_no_path_leads_around_it(fort: Fort, method: str) -> None:
    before = len(fort.house.provider.served)
    given = f"Authorization: Bearer {fort.user.text}\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{{}}"
    for path in TRICKS:
        found = said_to(fort.running, f"{method} {path} HTTP/1.1\r\nHost: localhost\r\n{given}".encode())
        assert re.match(rb"HTTP/1\.1 (403|404|405|400)", found), (path, found)
    assert len(fort.house.provider.served) == before


def test_a_stored_reply_is_only_for_the_token_or_team_that_made_it(fort: Fort) -> None:
    async def go(client: Client) -> None:
        body = {"model": "gpt-4.1", "input": "[[p=9 c=9]] hello", "max_output_tokens": 50}
        made = await client.ask("POST", "/openai/v1/responses", fort.support, body)
        assert made.status == 200, made
        name = made.told.json["id"]
        before = len(fort.house.provider.served)
        for stranger in (fort.sales, fort.user):
            for method, path in (("GET", ""), ("DELETE", ""), ("POST", "/cancel"), ("GET", "/input_items")):
                answer = await client.ask(method, f"/openai/v1/responses/{name}{path}", stranger)
                assert answer.status == 404, (method, path, answer)
            follow = {**body, "previous_response_id": name}
            assert (await client.ask("POST", "/openai/v1/responses", stranger, follow)).status == 404
            assert (
                await client.ask("POST", "/v1/responses", stranger, {**follow, "model": "openai/gpt-4.1"})
            ).status == 404
        assert len(fort.house.provider.served) == before
        assert (await client.ask("GET", f"/openai/v1/responses/{name}", fort.support)).status == 200

    fort.talk(go)


def test_nothing_of_a_clients_goes_up_and_nothing_of_the_providers_account_comes_down(fort: Fort) -> None:
    sent = {
        "x-api-key": "sk-of-the-client", "api-key": "sk-of-the-client", "x-goog-api-key": "sk-of-the-client",
        "cookie": "session=of-the-client", "openai-organization": "org-of-the-client", "x-forwarded-for": "10.0.0.1",
        "openai-project": "proj-of-the-client", "proxy-authorization": "Basic client", "x-http-method-override": "GET",
        "user-agent": "client/1", "referer": "http://client",
    }  # fmt: skip
    before = len(fort.house.provider.served)

    async def go(client: Client) -> list[Answer]:
        found = []
        body = chat("p=9 c=9 fault=cookies", max_tokens=20)
        bare = {**body, "model": "gpt-4.1"}
        for path, said in ((CHAT, body), ("/openai/v1/chat/completions", bare)):
            found.append(await client.ask("POST", path, fort.user, said, sent))
        gemini = {"contents": [{"parts": [{"text": "[[fault=cookies]] hi"}]}]}
        path = f"/v1beta/models/gemini-2.5-flash:generateContent?key={fort.user.text}"
        found.append(await client.ask("POST", path, None, gemini, {"cookie": "session=of-the-client"}))
        found.append(await client.ask("GET", "/openai/v1/models?limit=1", fort.user, None, sent))
        return found

    for answer in fort.talk(go):
        assert answer.status == 200, answer
        text = json.dumps(answer.headers) + answer.body.decode()
        for secret in (SECRET, "of-the-provider", "org-secret", "proj_x", "set-cookie", fort.user.text):
            assert secret not in text, (secret, answer)
    for one in fort.house.provider.served[before:]:
        text = json.dumps(one.headers) + one.path + one.body.decode()
        assert SECRET in text
        for word in ("client", fort.user.text, "10.0.0.1"):
            assert word not in text, (word, text)


def test_a_credential_in_the_wrong_place_is_repeated_nowhere(fort: Fort) -> None:
    """The token of a confused client in an address: neither the answer nor the log has it."""
    token = fort.user.text
    paths = (f"/v1/keys/{token}", f"/v1/models/{token}", f"/{token}/x", f"/openai/v1/{token}", f"/v1/usage?x={token}")

    async def go(client: Client) -> list[Answer]:
        found = [await client.ask(method, path, fort.user) for path in paths for method in ("GET", "DELETE")]
        return [*found, await client.ask("GET", f"/v1/models?key={token}")]

    answers = fort.talk(go)
    assert answers[-1].status == 401  # ?key= is for Gemini's routes
    for answer in answers:
        assert token[-20:] not in answer.body.decode(), answer
        assert token[10:40] not in answer.body.decode(), answer
    assert not any(token[10:40] in line for line in fort.running.lines)


def test_a_token_that_may_hold_raw_keys_is_not_taken_from_an_address(fort: Fort) -> None:
    raw = fort.house.issue("env:read", "chat:write")

    async def go(client: Client) -> int:
        path = f"/v1beta/models/gemini-2.5-flash:generateContent?key={raw.text}"
        return (await client.ask("POST", path, None, {"contents": []})).status

    assert fort.talk(go) == 403


def test_a_beta_that_widens_the_window_is_refused_under_a_budget(fort: Fort) -> None:
    fort.house.budget("team:support", 10**13)
    wide = {"anthropic-beta": "context-1m-2025-08-07"}
    body = {"model": "claude-haiku-4-5", "max_tokens": 9, "messages": [{"role": "user", "content": "[[p=1]]"}]}
    before = len(fort.house.provider.served)

    async def go(client: Client) -> Answer:
        return await client.ask("POST", "/v1/messages", fort.support, body, wide)

    answer = fort.talk(go)
    assert answer.status == 403 or 400 <= answer.status < 500, answer
    assert "context-1m" in answer.body.decode()
    assert len(fort.house.provider.served) == before


def test_a_sealed_gateways_memory_and_files_open_no_key_without_a_token(tmp_path: Path) -> None:
    from tests.gateway.test_budgets_hold import sealed

    with house_at(tmp_path) as house:
        token = house.issue()
        options = sealed(house)
        vault_key = house.office.home.open().vault_key.reveal()
        with gateway(house, *options) as running:
            memory = _memory_of(running.process.pid)
            assert vault_key not in memory
            assert SECRET.encode() not in memory
            assert talk(running, lambda client: client.chat(token, "p=9 c=9")).status == 200
        line = (tmp_path / "gateway.cred").read_text().strip()
        raw = bytes.fromhex(line.removeprefix("aik-gateway_"))
        files = b"".join(path.read_bytes() for path in Path(house.place.home).rglob("*") if path.is_file())
        for secret in (SECRET, token.text, token.text[-20:]):
            assert secret.encode() not in files
        rows = [
            value
            for table, *_ in house.rows("SELECT name FROM sqlite_schema WHERE type = 'table'")
            for row in house.rows(f"SELECT * FROM {table}")  # noqa: S608
            for value in row
            if isinstance(value, bytes) and len(value) == 32
        ]
        keys = {raw[at : at + 32] for at in range(len(raw) - 31)} | {sealing.public_half(raw[-32:]), *rows}
        file = read(Path(house.place.vault.path))
        assert opened_by(file, keys) == {}
        assert secrets_in(opened_by(file, {raw[-32:], *derived([taken_apart(token)])})) == {SECRET}


def _memory_of(pid: int) -> bytes:
    found = []
    with open(f"/proc/{pid}/maps", encoding="ascii") as maps, open(f"/proc/{pid}/mem", "rb", 0) as memory:
        for line in maps:
            place, rights, *_ = line.split()
            if rights.startswith("rw") and "[v" not in line:
                start, end = (int(number, 16) for number in place.split("-"))
                with suppress(OSError, ValueError):
                    memory.seek(start)
                    found.append(memory.read(end - start))
    return b"".join(found)
