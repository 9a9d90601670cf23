"""Usage of a call, in one form for every provider (pure): the counts of OpenTelemetry's `gen_ai.usage.*`.

`input` contains the cached tokens, `output` contains the reasoning: the smaller counts are parts, never additions.
"""

from __future__ import annotations

from typing import NamedTuple


class Usage(NamedTuple):
    """Token counts of one call, each ≥ 0; `other` holds further billed units by name (`web_searches`), sorted.

    cache_read + cache_write_5m + cache_write_1h ≤ input; reasoning ≤ output. Names in `other` that end in `_tokens`
    (`input_audio_tokens`) are parts of input or output too.
    """

    input: int = 0
    cache_read: int = 0
    cache_write_5m: int = 0
    cache_write_1h: int = 0
    output: int = 0
    reasoning: int = 0
    other: tuple[tuple[str, int], ...] = ()

    @property
    def tokens(self) -> tuple[int, int, int, int, int, int]:
        """The counts of tokens, in the order of TOKENS."""
        return (self.input, self.cache_read, self.cache_write_5m, self.cache_write_1h, self.output, self.reasoning)


NOTHING = Usage()
TOKENS = ("input", "cache_read", "cache_write_5m", "cache_write_1h", "output", "reasoning")
