"""Whatever is sent to whatever route: never a 500, never a traceback, never a secret, and the gateway lives on."""

from __future__ import annotations

import json
import re
import string
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.gateway.process import SECRET, Gateway, House, gateway, house_at
from tests.gateway.test_security import ROUTES, said_to

_EXAMPLES = 400
_word = st.text(string.ascii_letters + string.digits + "._-:@/%\\ é\u202e", max_size=12)
_segment = st.sampled_from(
    ["v1", "v1beta", "models", "openai", "anthropic", "gemini", "azure-openai", "chat", "completions", "responses",
     "gpt-4.1:generateContent", "files", "keys", "usage", "..", "%2e%2e", "%2F", "", "%00", "%ff", "*"]
) | _word  # fmt: skip
_path = st.one_of(
    st.sampled_from([path for _, path in ROUTES]),
    st.lists(_segment, min_size=1, max_size=6).map(lambda parts: "/" + "/".join(parts)),
)
_names = st.sampled_from(
    ["model", "messages", "role", "content", "type", "text", "max_tokens", "max_completion_tokens", "n", "stream",
     "stream_options", "include_usage", "tools", "function", "name", "parameters", "response_format", "json_schema",
     "metadata", "team_id", "priority", "input", "contents", "parts", "generationConfig", "system", "image_url", "url",
     "scopes", "expires_in", "budget_usd", "models", "user", "tool_calls", "id", "arguments", "previous_response_id"]
)  # fmt: skip
_leaf = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**70), 2**70), st.floats(), st.text(max_size=8),
    st.sampled_from(["openai/gpt-4.1", "anthropic/claude-haiku-4-5", "gemini/gemini-2.5-flash", "gpt-4.1", "user",
                     "assistant", "text", "function", "data:image/png;base64,AAAA", "\ud800", "chat:write", "*"]),
)  # fmt: skip
_value: st.SearchStrategy[Any] = st.recursive(
    _leaf, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_names, inner, max_size=6), max_leaves=12
)
_chat = st.fixed_dictionaries(
    {"model": st.sampled_from(["openai/gpt-4.1", "anthropic/claude-haiku-4-5", "gemini/gemini-2.5-flash", "gpt-4.1"])},
    optional=dict.fromkeys(("messages", "tools", "max_tokens", "n", "stream", "response_format", "metadata"), _value),
)  # fmt: skip
_body = st.one_of(
    st.binary(max_size=60),
    (_value | _chat).map(lambda value: json.dumps(value).encode()),
    st.integers(1, 5000).map(lambda deep: b"[" * deep),
    st.integers(1, 3000).map(lambda deep: b'{"messages":' * deep + b"1" + b"}" * deep),
)
_headers = st.dictionaries(
    st.sampled_from(
        ["Content-Type", "X-Priority", "Accept", "Expect", "Upgrade", "Content-Encoding", "Cookie",
         "anthropic-beta", "anthropic-version", "X-Forwarded-For", "Range", "If-None-Match", "x-http-method-override"]
    ),
    st.text(string.ascii_letters + string.digits + " ;=/*-é", max_size=20)
    | st.sampled_from(["100-continue", "websocket", "upgrade", "gzip", "chunked", "5", "application/json"]),
    max_size=3,
)  # fmt: skip
_query = st.sampled_from(["", "?key=x", "?alt=sse", "?start=never&end=1", "?group_by=x", "?team_id=", "?limit=99999999999",
                          "?%00=%ff", "?beta=true", "?a=b&a=c", "?start=2026-13-45", "?group_by=team_id&group_by=model"])  # fmt: skip


class Target(NamedTuple):
    house: House
    running: Gateway
    tokens: tuple[str, ...]


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    with house_at(tmp_path_factory.mktemp("fuzz")) as house:
        root = house.provider.base_url.removesuffix("/v1")
        house.add_key("gemini", SECRET, "gemini", root)
        house.add_key("anthropic", SECRET, "anthropic", root)
        house.budget("team:small", 10**12)
        admin = house.issue("keys:read", "keys:write", "usage:read", "budget:read", "audit:read", "chat:read")
        native = house.issue("native:all", "chat:write", "chat:read", "embeddings:write")
        small = house.issue("chat:write", "chat:read", labels=(("team", "small"),))
        with gateway(house) as running:
            yield Target(house, running, (admin.text, native.text, small.text, ""))


@settings(
    max_examples=_EXAMPLES, deadline=None, derandomize=True, database=None, phases=[Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)  # fmt: skip
@given(
    method=st.sampled_from(["GET", "POST", "POST", "POST", "DELETE", "PUT", "HEAD", "OPTIONS", "PATCH", "TRACE"]),
    path=st.tuples(_path, _query).map("".join), headers=_headers, body=_body, who=st.integers(0, 3),
)  # fmt: skip
def test_no_request_makes_it_fail_or_tell(
    target: Target, method: str, path: str, headers: dict[str, str], body: bytes, who: int
) -> None:
    status, text = ask(target, method, path, headers, body, target.tokens[who])
    assert status != 500, (status, text)
    assert "Traceback" not in text
    for secret in (SECRET, *filter(None, target.tokens)):
        assert secret not in text, text
        assert secret[-16:] not in text, text


def ask(target: Target, method: str, path: str, headers: dict[str, str], body: bytes, token: str) -> tuple[int, str]:
    """Ask over a connection of its own; status 0 where the gateway closed without an answer."""
    fields = {"Host": "localhost", "Connection": "close", "Content-Length": str(len(body)), **headers}
    if token:
        fields["Authorization"] = f"Bearer {token}"
    lines = [f"{method} {path.replace(' ', '%20')} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items())]
    data = "\r\n".join([*lines, "", ""]).encode() + body
    found = said_to(target.running, data, timeout_s=5).decode("utf-8", "replace")
    statuses = [status for status in re.findall(r"HTTP/1\.[01] (\d{3})", found) if status != "100"]
    return int(statuses[0]) if statuses else 0, found


def test_it_still_serves_and_wrote_nothing_secret_after_all_that(target: Target) -> None:
    """Runs after the others of this file; the log is searched again when it ends."""
    body = json.dumps({"model": "openai/gpt-4.1", "messages": [{"role": "user", "content": "[[p=9 c=9]] hi"}]}).encode()
    status, _ = ask(target, "POST", "/v1/chat/completions", {}, body, target.tokens[2])
    assert status == 200
    target.running.check_log()
    assert "broke" not in target.running.log
    target.house.verify()
