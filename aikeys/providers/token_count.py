"""Token counts of a request's input by the provider (pure): free at Anthropic and Gemini only.

The catalogue says who has such a counter (`wire`, counter). It gets what the model would read and nothing that only
steers the reply. Its number is the provider's estimate, so a margin is added; where anything is odd there is no number.
"""

from __future__ import annotations

from aikeys.providers.wire.dialects import Dialect
from aikeys.providers.wire.exact_json import read_table, write
from aikeys.providers.wire.values import Json, Outgoing, Unreadable

_READ = ("model", "messages", "system", "tools", "tool_choice", "thinking")
_MARGIN_PERCENT, _MARGIN_TOKENS = 5, 64


def question(model: str, outgoing: Outgoing, dialect: Dialect) -> Outgoing:
    """Return what to ask the counter about a request; Unreadable where its body is no JSON object."""
    body = read_table(outgoing.body)
    if dialect.protocol == "gemini":
        whole: dict[str, Json] = {"model": f"models/{model}", **body}
        path = f"{dialect.chat}/{model}:{dialect.counter}"
        return Outgoing("POST", path, outgoing.headers, write({"generateContentRequest": whole}))
    read: Json = {name: body[name] for name in _READ if name in body}
    return Outgoing("POST", dialect.counter, outgoing.headers, write(read))


def answered(status: int, body: bytes, dialect: Dialect) -> int | None:
    """Return a bound on the input's tokens made from the provider's own count, None where there is none."""
    if status != 200:
        return None
    try:
        number = read_table(body).get("totalTokens" if dialect.protocol == "gemini" else "input_tokens")
    except Unreadable:
        return None
    if type(number) is not int or number < 1:
        return None
    return number + number * _MARGIN_PERCENT // 100 + _MARGIN_TOKENS
