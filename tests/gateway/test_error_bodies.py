"""What a client is told when something fails: the status, the headers, and the shape of its route."""

from __future__ import annotations

import json
from typing import Any

import pytest

from aikeys import errors
from aikeys.budgets.decisions import Ask, Room
from aikeys.budgets.refusals import BudgetBusy, BudgetExceeded
from aikeys.errors import AikeysError, CannotDecide, Denied, NetworkFailed, ProviderRefused, RateLimited, TokenRefused
from aikeys.gateway.formats.fields import InvalidRequest
from aikeys.gateway.http.error_bodies import (
    _GOOGLE,
    Told,
    TooLarge,
    advice,
    anthropic_body,
    google_body,
    headers,
    openai_body,
    told,
    told_upstream,
)
from aikeys.providers.transport import Broken, NotSent
from aikeys.providers.wire.values import KINDS, ApiError, Unreadable
from aikeys.spending.exchange import Redirected
from tests.gateway.openai_sdk import client

BODIES = (openai_body, anthropic_body, google_body)


def made(kind: type[AikeysError]) -> AikeysError:
    found = kind.__new__(kind)
    AikeysError.__init__(found, "x")
    if kind is NotSent:
        found.may_pass = False  # type: ignore[attr-defined]
    return found


def room() -> Room:
    fields: dict[str, Any] = dict.fromkeys(Room._fields, 0)
    return Room(**fields)


def every_error() -> list[type[AikeysError]]:
    found: list[type[AikeysError]] = []
    waiting: list[type[AikeysError]] = [AikeysError]
    while waiting:
        kind = waiting.pop()
        if not kind.__module__.startswith(("aikeys.cli", "aikeys.alerts", "aikeys.remote")):  # never met by a client
            found.append(kind)
        waiting += kind.__subclasses__()
    return found


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (InvalidRequest("model", "is missing"), 400, "invalid_request"),
        (errors.UsageError("gpt-4.1 names no model", "did you mean openai/gpt-4.1?"), 400, "invalid_request"),
        (TokenRefused("the token has expired", "renew it: aikeys token create"), 401, "token_refused"),
        (BudgetExceeded("too much", "", room(), Ask(1, 1), revoke=False), 402, "budget_exceeded"),
        (Denied("not for you"), 403, "denied"),
        (errors.NotFound("no such model"), 404, "not_found"),
        (errors.ExistsAlready("a key of that name"), 409, "exists_already"),
        (TooLarge("the request is larger than 32 MiB"), 413, "request_too_large"),
        (CannotDecide("no price is known"), 422, "cannot_decide"),
        (BudgetBusy("taken up", "", room()), 429, "budget_busy"),
        (RateLimited("60 requests a minute"), 429, "rate_limited"),
        (ProviderRefused("OpenAI: no"), 502, "provider_refused"),
        (Unreadable("no JSON"), 502, "provider_unreadable"),
        (NotSent("no connection"), 502, "not_sent"),
        (Broken("the connection broke"), 502, "broken"),
        (Broken("did not answer", status="timeout"), 504, "broken"),
        (errors.MachineFailed("/home/x/ledger.db: disk full"), 503, "unavailable"),
        (errors.Locked("locked"), 503, "unavailable"),
        (errors.Damaged("row 5 of keys"), 500, "internal_error"),
        (ValueError("anything"), 500, "internal_error"),
    ],
)
def test_every_failure_has_its_status_and_code(error: Exception, status: int, code: str) -> None:
    found = told(error)
    assert (found.status, found.code) == (status, code)
    for body in BODIES:
        assert json.loads(body(found))["error"]["message"] == found.message


def test_a_failure_of_our_own_is_told_without_detail() -> None:
    secret = "sk-CANARY-one"
    own = [errors.MachineFailed(secret), errors.Damaged(secret), errors.BadConfiguration(secret), KeyError(secret)]
    for error in (*own, errors.WrongPassphrase(secret), errors.Cancelled(secret), BaseException(secret)):
        for body in BODIES:
            assert secret.encode() not in body(told(error))


def test_every_class_of_error_has_a_status_that_every_shape_has_a_word_for() -> None:
    assert {kind.http_status for kind in every_error()} <= set(_GOOGLE)
    for kind in every_error():
        if kind.exit_status == 20:
            assert kind.http_status == 403
        if kind.code == "budget_exceeded" and kind.exit_status == 22:
            assert kind.http_status == 402


def test_what_to_do_stands_in_the_message() -> None:
    found = told(errors.UsageError("gpt-4.1 names no model", "did you mean openai/gpt-4.1?"))
    assert found.message == "gpt-4.1 names no model; did you mean openai/gpt-4.1?"
    assert told(errors.NotFound("no such model")).message == "no such model"


def test_retry_after_stands_where_waiting_helps_and_nowhere_else() -> None:
    assert dict(headers(told(BudgetBusy("x", "", room()))))["retry-after"] == "5"
    assert dict(headers(told(RateLimited("x"))))["retry-after"] == "5"
    limited = RateLimited("x")
    limited.retry_after_s = 7  # type: ignore[attr-defined]
    assert dict(headers(told(limited)))["retry-after"] == "7"
    refused = dict(headers(told(BudgetExceeded("x", "", room(), Ask(1, 1), revoke=False))))
    assert refused == {"content-type": "application/json", "x-should-retry": "false"}
    assert "retry-after" not in dict(headers(told(errors.UsageError("x"))))


def test_a_providers_refusal_has_the_status_of_its_kind_and_never_that_of_our_token() -> None:
    statuses = {}
    for kind in KINDS:
        found = told_upstream(ProviderRefused(f"OpenAI: {kind}", "do this"), ApiError(kind, kind, 401))
        statuses[kind] = found.status
        assert found.code == f"provider_{kind}"
        assert found.message == f"OpenAI: {kind}; do this"
    assert statuses == {
        "bad_request": 400,
        "authentication": 502,
        "permission": 502,
        "not_found": 404,
        "too_large": 413,
        "rate_limited": 429,
        "quota": 502,
        "overloaded": 503,
        "server": 502,
        "timeout": 504,
        "content_filter": 400,
    }


def test_a_providers_wait_is_handed_on_in_whole_seconds_and_what_cannot_help_is_not_tried_again() -> None:
    limited = told_upstream(RateLimited("slow"), ApiError("rate_limited", "slow", 429, retry_after_ms=1200))
    assert limited.retry_after_s == 2
    assert told_upstream(RateLimited("slow"), ApiError("rate_limited", "slow", 429)).retry_after_s == 5
    assert not told_upstream(ProviderRefused("no"), ApiError("quota", "no credit", 429)).may_retry
    assert told_upstream(ProviderRefused("no"), ApiError("server", "oops", 500)).may_retry
    assert told_upstream(NetworkFailed("gone"), None).status == 502


def test_a_client_is_told_not_to_try_again_exactly_where_that_cannot_help() -> None:
    pointless = {kind.__name__ for kind in every_error() if not told(made(kind)).may_retry}
    again = {kind.__name__ for kind in every_error()} - pointless
    assert {
        "UsageError",
        "InvalidRequest",
        "TokenRefused",
        "Denied",
        "NotFound",
        "ExistsAlready",
        "TooLarge",
    } <= pointless
    assert {"CannotDecide", "BudgetExceeded", "Damaged", "BadConfiguration", "WrongHost", "NotSent"} <= pointless
    assert {"RateLimited", "BudgetBusy", "MachineFailed", "SlowClient", "Broken", "NetworkFailed"} <= again
    assert told(NotSent("no connection", may_pass=True)).may_retry
    assert not told(Broken("too large", status="too_large")).may_retry
    assert told(ValueError("anything")).may_retry
    assert not told(Redirected("OpenAI")).may_retry


@pytest.mark.parametrize("kind", KINDS)
def test_a_providers_error_is_final_unless_its_kind_passes(kind: str) -> None:
    error = ApiError(kind, "x", 400)
    passes = kind in ("rate_limited", "overloaded", "server", "timeout")
    assert told_upstream(ProviderRefused("x"), error).may_retry is passes
    assert (advice(400, error) == ()) is passes
    assert advice(409, error) == ()  # of two requests at once one may find the other gone


def test_the_shapes_are_those_of_the_routes() -> None:
    error = Told(402, "budget_exceeded", "no money", may_retry=False)
    assert json.loads(openai_body(error)) == {
        "error": {"message": "no money", "type": "billing_error", "param": None, "code": "budget_exceeded"}
    }
    assert json.loads(anthropic_body(error, "req-1")) == {
        "type": "error",
        "error": {"type": "billing_error", "message": "no money", "code": "budget_exceeded"},
        "request_id": "req-1",
    }
    google = json.loads(google_body(Told(429, "budget_busy", "wait", retry_after_s=5)))["error"]
    assert (google["code"], google["status"]) == (429, "RESOURCE_EXHAUSTED")
    assert google["details"] == [
        {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "BUDGET_BUSY", "domain": "aikeys"},
        {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "5s"},
    ]
    assert (
        json.loads(openai_body(told(InvalidRequest("tools[0].type", "is wrong"))))["error"]["param"] == "tools[0].type"
    )


@pytest.mark.parametrize(
    ("status", "name"),
    [
        (400, "BadRequestError"),
        (401, "AuthenticationError"),
        (402, "APIStatusError"),
        (403, "PermissionDeniedError"),
        (404, "NotFoundError"),
        (413, "APIStatusError"),
        (429, "RateLimitError"),
        (502, "InternalServerError"),
    ],
)
def test_the_openai_sdk_raises_what_its_users_catch_and_asks_once_where_that_is_said(status: int, name: str) -> None:
    openai = pytest.importorskip("openai")
    error = Told(status, "budget_exceeded", "no money", may_retry=False)
    asked = []

    def answer(request: Any) -> tuple[int, dict[str, str], bytes]:
        asked.append(request)
        return status, dict(headers(error)), openai_body(error)

    with client(answer) as sdk, pytest.raises(openai.APIStatusError) as caught:
        sdk.chat.completions.create(model="m", messages=[])
    assert type(caught.value).__name__ == name
    assert (caught.value.code, caught.value.status_code) == ("budget_exceeded", status)
    assert "no money" in str(caught.value)
    assert len(asked) == 1
