"""How many tokens a request's input is, as the provider counts them: free at Anthropic and Gemini only.

The catalogue says who has such a counter (`wire`, counter). It gets what the model would read and nothing that only
steers the reply. Its number is the provider's estimate, so a margin is added; where anything is odd there is no number.
"""

from __future__ import annotations

from aikeys.errors import AikeysError
from aikeys.providers.inquiry import inquire, timeouts
from aikeys.providers.transport import Parcel, Transport
from aikeys.providers.wire.dialects import Dialect
from aikeys.providers.wire.exact_json import read_table, write
from aikeys.providers.wire.values import Json, Outgoing, Request
from aikeys.secret import Secret

_READ = ("model", "messages", "system", "tools", "tool_choice", "thinking")
_SECONDS = 10.0
_MARGIN_PERCENT, _MARGIN_TOKENS = 5, 64


def counted(
    request: Request, outgoing: Outgoing, dialect: Dialect, address: tuple[str, Secret], transport: Transport
) -> int | None:
    """Return a bound on the input's tokens made from the provider's own count, None without one; never raises.

    `address`: the checked base URL of the key, and the key.
    """
    if not dialect.counter or request.schema is not None:  # what a schema adds, no counter tells
        return None
    base_url, secret = address
    try:
        question = _question(request, outgoing, dialect)
        answer = inquire(transport, Parcel(question, base_url, dialect.auth, secret), timeouts(_SECONDS))
        if answer.status != 200:
            return None
        number = read_table(answer.body).get("totalTokens" if dialect.protocol == "gemini" else "input_tokens")
    except AikeysError:
        return None
    if type(number) is not int or number < 1:
        return None
    return number + number * _MARGIN_PERCENT // 100 + _MARGIN_TOKENS


def _question(request: Request, outgoing: Outgoing, dialect: Dialect) -> Outgoing:
    body = read_table(outgoing.body)
    if dialect.protocol == "gemini":
        whole: dict[str, Json] = {"model": f"models/{request.model}", **body}
        path = f"{dialect.chat}/{request.model}:{dialect.counter}"
        return Outgoing("POST", path, outgoing.headers, write({"generateContentRequest": whole}))
    read: Json = {name: body[name] for name in _READ if name in body}
    return Outgoing("POST", dialect.counter, outgoing.headers, write(read))
