"""A provider that repeats the key: what `prompt`, `verify` and `list --balance` say, and the ledger, hold no form of it."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from itertools import cycle
from pathlib import Path

import pytest

from aikeys.errors import AikeysError
from aikeys.providers.balances import balance
from aikeys.providers.catalogue import load
from aikeys.providers.transport import HttpxTransport, Parcel, Timeouts
from aikeys.providers.verification import verify
from aikeys.providers.wire.values import Event, Outgoing
from aikeys.secret import Secret
from aikeys.spending.names import SpendingKey
from tests.conftest import Aikeys, canary
from tests.providers.echoing import STATUSES, Echo, whole
from tests.providers.forms import forms, shows
from tests.spending.conftest import Purse

KEY = canary("echo/of+it").encode()
SECOND = canary("second").encode()
FORMS = tuple(forms(KEY))
MODELS = ("openai/gpt-4.1", "anthropic/claude-sonnet-4-5", "gemini/gemini-2.5-flash")


@pytest.fixture
def echo() -> Iterator[Echo]:
    one = Echo()
    yield one
    one.close()


@pytest.fixture
def echoed(tmp_path: Path, echo: Echo) -> Iterator[Purse]:
    """A purse all of whose providers repeat the key."""
    names = {"openai": "/v1", "anthropic": "", "gemini": ""}
    one = Purse(tmp_path / "ledger", [SpendingKey(name, name, echo.url + path) for name, path in names.items()])
    one.secret = Secret(KEY)
    yield one
    one.transport.close()
    one.ledger.close()


def told(purse: Purse, echo: Echo, model: str, *, stream: bool) -> bytes:
    """Ask, and return everything that came of it."""
    echo.is_stream = stream and echo.status == 200
    events: list[Event] = []
    last = purse.ask(model=model, stream=stream, sink=events.append).last
    failure = last.received.failure
    said = [events, last.received, purse.said, failure and (failure.message, failure.hint, failure.args)]
    return repr(said).encode("utf-8", "surrogatepass")


def check_files(purse: Purse) -> None:
    for path in purse.folder.glob("ledger.db*"):
        assert shows(path.read_bytes(), KEY) == "", path.name


def test_no_status_and_no_form_brings_the_key_into_what_is_said_or_kept(
    purse: Purse, echoed: Purse, echo: Echo
) -> None:
    form, model = cycle(FORMS), cycle(MODELS)
    for status in STATUSES:
        for stream in (False, True):
            echo.status, echo.form, echo.cut, echo.is_packed = status, next(form), status * 7, stream
            found = told(echoed, echo, next(model), stream=stream)
            assert shows(found, KEY) == "", (status, echo.form, found)
            assert echo.status != 200 or b"**********" in found
    assert echo.keys == {KEY}
    check_files(echoed)


def test_an_entry_holds_what_the_reply_calls_itself_masked(echoed: Purse, echo: Echo) -> None:
    told(echoed, echo, MODELS[0], stream=False)
    (call,) = echoed.calls()
    assert call.context.answered == call.request_id == "*" * len(KEY)
    assert call.status == "ok"
    assert call.reply_digest == sha256(whole("*" * len(KEY), 200)).digest()


@pytest.mark.parametrize("form", FORMS)
def test_the_door_of_the_command_line_takes_every_form_out_at_every_cut(echo: Echo, form: str) -> None:
    echo.form, size = form, len(forms(KEY)[form])
    transport, asked = HttpxTransport(), Outgoing("POST", "/x", (), b"{}")
    for cut in range(8, size + 8, 11):
        echo.cut = cut
        with transport.send(Parcel(asked, echo.url, "bearer", Secret(KEY)), Timeouts()) as reply:
            body = b"".join(reply.pieces())
        assert shows(body + repr(reply.headers).encode(), KEY) == ""
        assert b'"id": "' + b"*" * size in body
        assert reply.headers["x-request-id"] == "*" * size
    transport.close()


class TwoKeys(Purse):
    """The first call is sent with KEY, every other with SECOND."""

    @property
    def secret(self) -> Secret:
        self.opened += 1
        return Secret(KEY if self.opened == 1 else SECOND)

    @secret.setter
    def secret(self, _value: Secret) -> None:
        self.opened = 0


def test_a_reply_holds_no_key_of_an_earlier_call_either(tmp_path: Path, echo: Echo) -> None:
    """Both keys go to one debugging server, which repeats all that it has seen."""
    held = [
        SpendingKey("openai", "openai", echo.url + "/v1", is_default=True),
        SpendingKey("second", "openai", echo.url + "/v1"),
    ]
    purse = TwoKeys(tmp_path / "ledger", held, fallbacks={"openai": ("second",)})
    echo.remembers, echo.statuses = True, [401]
    found = told(purse, echo, MODELS[0], stream=False)
    assert echo.keys == {KEY, SECOND}
    assert sorted(call.status for call in purse.calls()) == ["authentication", "ok"]
    for key in (KEY, SECOND):
        assert shows(found, key) == ""
        for path in purse.folder.glob("ledger.db*"):
            assert shows(path.read_bytes(), key) == "", path.name
    purse.transport.close()
    purse.ledger.close()


def test_verification_and_balances_repeat_nothing(echo: Echo) -> None:
    catalogue, transport = load(), HttpxTransport()
    for status, form in zip(STATUSES, cycle(FORMS), strict=False):
        echo.status, echo.form = status, form
        for name in ("openai", "anthropic", "gemini", "openrouter", "deepseek"):
            found = repr(verify(catalogue[name], echo.url, Secret(KEY), 2, transport))
            try:
                found += repr(balance(catalogue[name], echo.url, Secret(KEY), transport, 2))
            except AikeysError as failure:
                found += f"{failure.message} {failure.hint} {failure.args}"
            assert shows(found.encode(), KEY) == "", found
    transport.close()


def test_the_commands_say_and_keep_no_form_of_the_key(ready_home: Aikeys, echo: Echo) -> None:
    key = canary("echo").encode()
    ready_home.add("openrouter", key.decode(), "--base-url", echo.url, "--no-verify")
    commands = (("prompt", "--json", "-m", "openrouter/openai/gpt-4.1", "hi"), ("verify",), ("list", "--balance"))
    for command, form in zip(commands, ("raw", "base64 1", "hex"), strict=True):
        echo.form = form
        done = ready_home.run(*command)
        assert shows((done.stdout + done.stderr).encode(), key) == "", done
    assert echo.keys == {key}
    assert len(echo.seen) >= 3
    for path in ready_home.home.glob("ledger.db*"):
        assert shows(path.read_bytes(), key) == "", path.name
