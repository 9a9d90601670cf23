"""Every status of a gateway as the exit status of a command."""

from __future__ import annotations

import json

import pytest

from aikeys.gateway.http import error_bodies
from aikeys.remote.refusals import refused

URL = "https://aikeys.example.com"
EXIT = {400: 2, 401: 21, 402: 22, 403: 20, 404: 10, 405: 2, 409: 15, 413: 2, 421: 2, 422: 23, 429: 32, 500: 30, 502: 30,
        503: 30, 504: 30}  # fmt: skip


def body(status: int, code: str = "x", message: str = "it is so") -> bytes:
    return error_bodies.openai_body(error_bodies.Told(status, code, message))


@pytest.mark.parametrize("status", EXIT)
def test_a_status_of_ours_has_its_exit_status(status: int) -> None:
    error = refused(status, {}, body(status), URL)
    assert (error.exit_status, error.message) == (EXIT[status], "it is so")


@pytest.mark.parametrize(("kind", "status"), [("bad_request", 400), ("not_found", 404), ("server", 502)])
def test_what_a_provider_refuses_is_30_as_it_is_at_home(kind: str, status: int) -> None:
    assert refused(status, {}, body(status, f"provider_{kind}"), URL).exit_status == 30


def test_a_limit_says_how_long_to_wait() -> None:
    error = refused(429, {"retry-after": "7"}, body(429, "rate_limited"), URL)
    assert (error.exit_status, error.hint) == (32, "try again in 7 seconds")


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_not_followed(status: int) -> None:
    error = refused(status, {"location": "https://evil.example"}, b"", URL)
    assert error.exit_status == 31
    assert "evil" not in error.message


@pytest.mark.parametrize("status", [401, 403, 404])
@pytest.mark.parametrize("text", [b"", b"<html>", b"[]", b'{"detail": "no"}', b"\xff"])
def test_somebody_elses_server_says_nothing_of_the_token(status: int, text: bytes) -> None:
    assert refused(status, {}, text, URL).exit_status == 31


def test_what_looks_like_a_token_is_not_repeated() -> None:
    text = "aik_" + "1xdBOVKrfWB9dfmC2c50XK2rQMX49YHtPjwMVFSmUdlNfAsrkCyuWJV8QOvW3jbf6tLtNjeDIpX93BKRXh"
    error = refused(400, {}, json.dumps({"error": {"message": f"no {text}", "code": "x"}}).encode(), URL)
    assert text[4:40] not in error.message
