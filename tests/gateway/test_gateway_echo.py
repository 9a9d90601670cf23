"""A provider that repeats the key: neither the client nor a file of the ledger nor the log holds it, in any form."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from hashlib import sha256
from itertools import cycle
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from aiohttp import ClientPayloadError, ClientSession

from aikeys.gateway.upstream import Upstream
from aikeys.providers.transport import Parcel, Timeouts
from aikeys.providers.wire.values import Outgoing
from aikeys.secret import Secret
from aikeys.vault.tokens.issuing import Issued
from tests.gateway.process import SECRET, Gateway, House, gateway
from tests.gateway.serving import Client, talk_to
from tests.providers.echoing import STATUSES, Echo, whole
from tests.providers.forms import forms, shows

KEY = SECRET.encode()
FORMS = tuple(forms(KEY))
_HI = [{"role": "user", "content": "hi"}]
_GEMINI = {"contents": [{"parts": [{"text": "hi"}]}]}


class Route(NamedTuple):
    """What is asked; `streams` where it is asked for as a stream too, by this field or by another path."""

    method: str
    path: str
    body: dict[str, Any] | None = None
    streams: str = ""


ROUTES = (
    Route("POST", "/v1/chat/completions", {"model": "openai/gpt-4.1", "messages": _HI}, "stream"),
    Route("POST", "/v1/chat/completions", {"model": "anthropic/claude-sonnet-4-5", "messages": _HI}, "stream"),
    Route("POST", "/v1/chat/completions", {"model": "gemini/gemini-2.5-flash", "messages": _HI}, "stream"),
    Route("POST", "/v1/chat/completions", {"model": "cohere/command-a-03-2025", "messages": _HI}, "stream"),
    Route("POST", "/v1/responses", {"model": "openai/gpt-4.1", "input": "hi", "store": True}, "stream"),
    Route("POST", "/v1/completions", {"model": "openai/gpt-3.5-turbo-instruct", "prompt": "hi"}, "stream"),
    Route("POST", "/v1/embeddings", {"model": "openai/text-embedding-3-small", "input": "hi"}),
    Route("POST", "/v1/messages", {"model": "claude-sonnet-4-5", "max_tokens": 9, "messages": _HI}, "stream"),
    Route("POST", "/v1/messages/count_tokens", {"model": "claude-sonnet-4-5", "messages": _HI}),
    Route("POST", "/v1beta/models/gemini-2.5-flash:generateContent", _GEMINI, ":streamGenerateContent?alt=sse"),
    Route("GET", "/v1beta/models"),
    Route("GET", "/openai/v1/models"),
    Route("POST", "/openai/v1/chat/completions", {"model": "gpt-4.1", "messages": _HI}, "stream"),
    Route("POST", "/anthropic/v1/messages", {"model": "claude-sonnet-4-5", "max_tokens": 9, "messages": _HI}, "stream"),
    Route("GET", "/openai/v1/files"),
    Route("POST", "/openai/v1/audio/speech", {"model": "tts-1", "input": "hi"}),
)


class Hall(NamedTuple):
    """A gateway whose every provider repeats its key."""

    echo: Echo
    house: House
    running: Gateway
    token: Issued


@pytest.fixture(scope="module")
def hall(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hall]:
    echo = Echo()
    house = House(tmp_path_factory.mktemp("echo"), _Place(echo.url + "/v1"))  # type: ignore[arg-type]
    for name in ("anthropic", "gemini", "cohere"):
        house.add_key(name, SECRET, name, echo.url)
    token = house.issue("chat:write", "chat:read", "embeddings:write", "native:all")
    with gateway(house) as running:
        yield Hall(echo, house, running, token)
    echo.close()


class _Place(NamedTuple):
    base_url: str


class Heard(NamedTuple):
    """All that a client learns of an answer."""

    status: int
    reason: str
    fields: bytes
    body: bytes

    @property
    def all(self) -> bytes:
        return b"\n".join((self.reason.encode(), self.fields, self.body))


async def ask(session: ClientSession, hall: Hall, route: Route, *, stream: bool) -> Heard:
    path, body = route.path, route.body
    if stream and route.streams == "stream":
        body = {**(body or {}), "stream": True}
    elif stream:
        path = path.rpartition(":")[0] + route.streams
    given = {"authorization": f"Bearer {hall.token.text}"}
    asked = session.request(route.method, hall.running.url + path, json=body, headers=given, allow_redirects=False)
    async with asked as answer:
        fields = b"\n".join(name + b": " + value for name, value in answer.raw_headers)
        body = b""
        with suppress(ClientPayloadError):  # a stream that ends in an error is cut
            async for piece in answer.content.iter_any():
                body += piece
        return Heard(answer.status, answer.reason or "", fields, body)


def all_of(hall: Hall, asked: list[tuple[Route, bool, int, str, int]]) -> list[Heard]:
    """Ask one after the other: route, stream, status, form, cut."""

    async def whole() -> list[Heard]:
        found = []
        async with ClientSession() as session:
            for number, (route, stream, status, form, cut) in enumerate(asked):
                echo = hall.echo
                echo.is_stream, echo.status, echo.form, echo.cut = stream and status == 200, status, form, cut
                echo.is_packed = number % 5 == 4
                found.append(await ask(session, hall, route, stream=stream))
        return found

    return asyncio.run(whole())


def check_files(house: House) -> None:
    found = sorted(Path(house.place.home).glob("ledger.db*"))
    assert found
    for path in found:
        assert shows(path.read_bytes(), KEY) == "", path.name


def test_no_route_hands_the_key_on_whatever_the_status(hall: Hall) -> None:
    form, cut = cycle(FORMS), cycle(range(0, 4000, 37))
    asked = [
        (route, stream, status, next(form), next(cut))
        for number, route in enumerate(ROUTES)
        for status in (*STATUSES[number % 3 :: 3], 200, 401)
        for stream in ((False, True) if route.streams and status in (200, 401) else (False,))
    ]
    for one, heard in zip(asked, all_of(hall, asked), strict=True):
        assert shows(heard.all, KEY) == "", (one, heard)
        assert heard.status != 200 or b"**********" in heard.all, (one, heard)
    assert hall.echo.keys == {KEY}
    check_files(hall.house)
    assert shows(hall.running.log.encode(), KEY) == ""
    calls = hall.house.rows("SELECT count(*) FROM call WHERE status = 'ok'")
    assert calls[0][0] > 20
    hall.house.verify()


def test_no_form_comes_through_whole_or_as_a_stream(hall: Hall) -> None:
    routes = [ROUTES[0], ROUTES[7], ROUTES[9]]
    asked = [
        (route, stream, 200, form, 1 + 61 * n)
        for n, form in enumerate(FORMS)
        for route in routes
        for stream in (False, True)
    ]
    for one, heard in zip(asked, all_of(hall, asked), strict=True):
        assert shows(heard.all, KEY) == "", (one, heard)
        assert b"**********" in heard.body, (one, heard)
    check_files(hall.house)


def test_what_a_reply_calls_itself_is_masked_in_the_entry(hall: Hall) -> None:
    (heard,) = all_of(hall, [(ROUTES[0], False, 200, "raw", 0)])
    assert heard.status == 200
    answered = "SELECT w.text FROM call c JOIN context x ON x.id = c.context JOIN word w ON w.id = x.answered ORDER BY c.id DESC LIMIT 1"
    assert hall.house.rows(answered) == [("*" * len(KEY),)]
    extra = hall.house.entries()[-1].extra
    assert b"*" * len(KEY) in extra
    assert sha256(whole("*" * len(KEY), 200)).digest() in extra


@pytest.mark.parametrize("form", ["raw", "base64 1", "json 2 False"])
def test_a_stand_in_does_not_hand_the_key_of_the_first_on(tmp_path: Path, form: str) -> None:
    """Both keys go to one debugging server, which repeats all that it has seen."""
    echo, second = Echo(form=form, remembers=True, statuses=[500]), "sk-CANARY-second-0123456789abcdef"
    house = House(tmp_path, _Place(echo.url + "/v1"))  # type: ignore[arg-type]
    house.add_key("second", second, "openai", echo.url + "/v1")
    (Path(house.place.home) / "config.toml").write_text('[fallbacks]\n"openai/gpt-4.1" = ["second"]\n')
    token = house.issue()

    async def go(client: Client) -> None:
        answer = await client.ask("POST", "/v1/chat/completions", token, ROUTES[0].body)
        assert answer.status == 200, answer
        for key in (KEY, second.encode()):
            assert shows(repr(answer).encode(), key) == ""

    talk_to(house.office, go)
    assert echo.keys == {KEY, second.encode()}
    check_files(house)
    echo.close()


@pytest.mark.parametrize("form", FORMS)
def test_the_door_of_the_gateway_takes_every_form_out_at_every_cut(form: str) -> None:
    """Through the transport itself: the bytes are cut where its peer cuts them."""
    echo, parcel = Echo(form=form), Outgoing("POST", "/x", (), b"{}")
    size = len(forms(KEY)[form])

    async def whole() -> None:
        upstream = Upstream()
        try:
            for cut in range(8, size + 8, 7):
                echo.cut = cut
                async with upstream.send(Parcel(parcel, echo.url, "bearer", Secret(KEY)), Timeouts()) as reply:
                    body = b"".join([piece async for piece in reply.pieces()])
                assert shows(body + repr(reply.headers).encode(), KEY) == ""
                assert b'"id": "' + b"*" * size in body
                assert reply.headers["x-request-id"] == "*" * size
        finally:
            await upstream.close()

    asyncio.run(whole())
    echo.close()
