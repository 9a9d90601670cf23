"""What a provider's refusal becomes: a kind, a message without keys, and how long to wait."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aikeys.providers.wire.refusals import clean, in_body, refusal, request_id
from aikeys.providers.wire.values import KINDS


def body(value: object) -> bytes:
    return json.dumps(value).encode()


@pytest.mark.parametrize(
    ("status", "value", "kind", "code"),
    [
        (400, {"error": {"message": "m", "type": "invalid_request_error"}}, "bad_request", "invalid_request_error"),
        (400, {"error": {"message": "m", "code": "context_length_exceeded"}}, "too_large", "context_length_exceeded"),
        (400, {"error": {"code": 400, "message": "m", "details": [{"reason": "API_KEY_INVALID"}]}}, "authentication", "API_KEY_INVALID"),
        (400, {"error": {"message": "m", "code": "content_filter"}}, "content_filter", "content_filter"),
        (401, {"type": "error", "error": {"type": "authentication_error", "message": "m"}}, "authentication", "authentication_error"),
        (401, {"detail": "m"}, "authentication", ""),
        (402, {"error": {"message": "m"}}, "quota", ""),
        (403, {"message": "m"}, "permission", ""),
        (404, {"error": "m"}, "not_found", ""),
        (413, {"error": {"message": "m"}}, "too_large", ""),
        (429, {"error": {"message": "m", "type": "rate_limit_error"}}, "rate_limited", "rate_limit_error"),
        (429, {"error": {"message": "m", "code": "insufficient_quota"}}, "quota", "insufficient_quota"),
        (429, {"error": {"message": "m", "code": 429, "status": "RESOURCE_EXHAUSTED"}}, "rate_limited", "RESOURCE_EXHAUSTED"),
        (422, {"detail": [{"msg": "m", "loc": ["body"]}]}, "bad_request", ""),
        (500, {"error": {"message": "m"}}, "server", ""),
        (503, {"error": {"message": "m", "status": "UNAVAILABLE"}}, "overloaded", "UNAVAILABLE"),
        (504, {"error": {"message": "m"}}, "timeout", ""),
        (529, {"type": "error", "error": {"type": "overloaded_error", "message": "m"}}, "overloaded", "overloaded_error"),
        (400, [{"error": {"code": 400, "message": "m", "status": "INVALID_ARGUMENT"}}], "bad_request", "INVALID_ARGUMENT"),
    ],
)  # fmt: skip
def test_every_shape_of_error_has_its_kind(status: int, value: object, kind: str, code: str) -> None:
    error = refusal(status, {}, body(value))
    assert (error.kind, error.code, error.message, error.status) == (kind, code, "m", status)


@pytest.mark.parametrize("data", [b"", b"<html>oops</html>", b"\xff\xfe", b"null", b"[]", b'"x"', b"{}", b"[1]"])
def test_a_body_that_says_nothing_still_gives_an_error(data: bytes) -> None:
    error = refusal(502, {}, data)
    assert (error.kind, error.message) == ("server", "the provider answered with status 502")


def test_what_may_pass_is_told_from_what_will_not() -> None:
    assert refusal(429, {}, b"").may_pass
    assert refusal(503, {}, b"").may_pass
    assert not refusal(429, {}, body({"error": {"code": "insufficient_quota", "message": "m"}})).may_pass
    assert not refusal(401, {}, b"").may_pass


@pytest.mark.parametrize(
    ("headers", "wait_ms"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7000),
        ({"retry-after": "1.5"}, 1500),
        ({"retry-after-ms": "250", "retry-after": "9"}, 250),
        ({"retry-after": "Mon, 23 Nov 2026 10:00:30 GMT", "date": "Mon, 23 Nov 2026 10:00:00 GMT"}, 30_000),
        ({"retry-after": "Mon, 23 Nov 2026 10:00:00 GMT", "date": "Mon, 23 Nov 2026 10:00:30 GMT"}, 0),
        ({"retry-after": "Mon, 23 Nov 2026 10:00:30 GMT"}, None),
        ({"retry-after": "-5"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "999999999"}, 86_400_000),
        ({"retry-after": "٣"}, None),
    ],
)
def test_how_long_to_wait_is_read_from_the_headers(headers: dict[str, str], wait_ms: int | None) -> None:
    assert refusal(429, headers, b"").retry_after_ms == wait_ms


def test_google_says_how_long_to_wait_in_its_details() -> None:
    details = [{"@type": "x"}, {"@type": "RetryInfo", "retryDelay": "48.5s"}]
    assert refusal(429, {}, body({"error": {"message": "m", "details": details}})).retry_after_ms == 48_500


@pytest.mark.parametrize(
    "key",
    [
        "sk-proj-Abc123Def456Ghi789Jkl012Mno345",
        "sk-ant-api03-" + "x1" * 20,
        "sk-CANARY-0123456789abcdef",
        "gsk_" + "a1B2" * 13,
        "xai-0123456789abcdefghij",
        "AIzaSyA1234567890abcdefghijklmnopqrstu",
        "AQ.Ab8RN6K1234567890abcdef",
        "hf_abcdefghij1234567890",
        "aik_0123456789abcdefghij",
        "bad-key-**********test",
        "****-key",
        "0123456789abcdef0123456789abcdef",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abcdef",
    ],
)
def test_a_message_that_repeats_a_key_is_masked(key: str) -> None:
    for sentence in (f"Incorrect API key provided: {key}. See the page", f"bad ({key})", f"Bearer {key}", key):
        assert key not in clean(sentence)
        assert "‹secret›" in clean(sentence)


def test_a_short_key_is_masked_where_the_provider_says_that_it_is_one() -> None:
    assert "invalid-key" not in clean("Incorrect API key provided: invalid-key. You can find yours")


@pytest.mark.parametrize(
    "sentence",
    [
        "The model `gpt-4.1-mini-2025-04-14` does not exist",
        "model: claude-sonnet-4-5-20250929",
        "models/gemini-2.5-flash-preview-09-2025 is not found for API version v1beta",
        "maximum context length is 1048565 tokens, requested 1250025",
        "us.anthropic.claude-opus-4-5-20251101-v1:0",
        "accounts/fireworks/models/llama-v3p1-405b-instruct",
        "Unsupported value: 'messages[0].role' does not support 'developer'",
        "max_completion_tokens: 128000 > 64000",
        "task-2025-01-01-nightly failed",
        "Publisher Model projects/123456/locations/us-central1/publishers/google/models/gemini-2.5-pro not found",
        "Please retry in 48.939935699s",
    ],
)
def test_a_message_about_a_model_stays_readable(sentence: str) -> None:
    assert clean(sentence) == sentence


def test_a_message_is_one_bounded_line_without_control_characters() -> None:
    assert clean("a\n b\x1b[31m\tc\u202e") == "a b [31m c"
    assert len(clean("word " * 10_000)) <= 500


@pytest.mark.parametrize(
    "text", ["key" * 5000, "sk-" * 5000, "a1" * 8000, "*" * 9000, "1" * 9000, "sk-a" + "-" * 9000 + "1"]
)
def test_a_message_made_to_be_slow_is_not(text: str) -> None:
    from time import process_time

    started = process_time()
    clean(text)
    assert process_time() - started < 1  # milliseconds in fact


def test_the_upstreams_words_of_a_relay_are_kept() -> None:
    error = {"message": "Provider returned error", "code": 429, "metadata": {"raw": "try again shortly"}}
    assert refusal(429, {}, body({"error": error})).message == "Provider returned error: try again shortly"


def test_an_error_in_a_stream_has_its_kind_from_its_words_or_its_code() -> None:
    assert in_body({"type": "error", "error": {"type": "overloaded_error", "message": "m"}}).kind == "overloaded"
    assert in_body({"error": {"code": 429, "message": "m"}}).kind == "rate_limited"
    assert in_body({"error": {"message": "m"}}).kind == "server"
    assert in_body({}).message == "the provider reported an error"


def test_the_request_id_is_found_and_harmless() -> None:
    assert request_id({"request-id": "req_1"}) == "req_1"
    assert request_id({"x-request-id": "a\x1b[0m b"}) == "a[0mb"
    assert request_id({}) == ""


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["error", "message", "code", "type", "status", "details", "reason", "metadata", "raw", "detail"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(st.integers(400, 599), _JSON)
def test_no_body_crashes_it(status: int, value: object) -> None:
    error = refusal(status, {}, body(value))
    assert error.kind in KINDS
    assert error.message
    assert len(error.message) <= 500
