"""Betas of a provider that leave the cost of a call within its bounds (pure).

A header can change what a request costs as a field can: a wider window, a faster model, a summary made in between. So
where a limit has to bound a call, only those pass that are known not to. Names are compared without their dates.
Source: Anthropic's page on beta headers and the types of its SDK; the headers that Claude Code and Codex send.
"""

from __future__ import annotations

import re

from aikeys.spending.native.findings import names

ANTHROPIC, OPENAI = "anthropic-beta", "openai-beta"
_DATE = re.compile(r"-20\d\d-?\d\d-?\d\d$")
_WIDE, _WIDE_TOKENS = "context-1m", 1_000_000
_METERED = {
    ANTHROPIC: names(
        "prompt-caching prompt-caching-scope extended-cache-ttl interleaved-thinking fine-grained-tool-streaming "
        "token-efficient-tools output-128k max-tokens-3-5-sonnet claude-code oauth pdfs token-counting computer-use "
        "context-management structured-outputs tool-examples advanced-tool-use effort redact-thinking "
        "search-results model-context-window-exceeded files-api message-batches thinking-token-count"
    ),
    OPENAI: frozenset({"responses=experimental", "assistants=v2"}),
}


def unmetered(headers: tuple[tuple[str, str], ...], window: int) -> tuple[str, ...]:
    """Return the betas that nobody meters; `window` is the model's own, as its price knows it."""
    found = []
    for header, value in headers:
        known = _METERED.get(header.lower())
        if known is None:
            continue
        for beta in filter(None, map(str.strip, value.lower().split(","))):
            name = _DATE.sub("", beta)
            if name not in known and not (name == _WIDE and window >= _WIDE_TOKENS):
                found.append(f"{header}: {beta[:60]}")
    return tuple(found)
