"""Large bodies are read and written in steps, and mean the same as small ones."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aikeys.errors import UsageError
from aikeys.providers.wire import exact_json
from aikeys.providers.wire.exact_json import read, write, write_large
from aikeys.providers.wire.openai_embeddings import without_vectors
from aikeys.providers.wire.values import Json, Unreadable

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=3), inner, max_size=4),
)


@given(JSON)
def test_what_is_written_in_steps_is_what_is_written_at_once(value: Json) -> None:
    assert write_large(value) == write(value)


@pytest.mark.parametrize("value", [list(range(2000)), ["é\n" * 100_000, {"a": [[1, 2], []], "": {}}] * 700, {}, []])
def test_long_lists_and_texts_are_written_in_steps(value: Json) -> None:
    assert write_large(value) == write(value)


def test_what_cannot_be_written_is_refused_as_ever() -> None:
    with pytest.raises(UsageError, match="half a character"):
        write_large({"a": "\ud800"})
    with pytest.raises(UsageError, match="cannot write"):
        write_large({"a": float("inf")})


def test_a_large_body_is_read_as_a_small_one_is(monkeypatch: pytest.MonkeyPatch) -> None:
    data = b'\xef\xbb\xbf {"a": [0.10000000000000000000001, 3, -2e5, {"b": "\\u00e9"}], "c": null} '
    found = read(data)
    monkeypatch.setattr(exact_json, "LARGE_BYTES", 0)
    assert read(data) == found
    assert read(b"[0.10000000000000000000001]") == [Decimal("0.10000000000000000000001")]
    for wrong in (b"[NaN]", b"[1] x", b"{"):
        with pytest.raises(Unreadable):
            read(wrong)


def test_without_its_vectors_a_reply_says_the_same_of_everything_else() -> None:
    rows: list[Json] = [{"index": index, "embedding": [index / 7 - 1e-9] * 3000} for index in range(20)]
    reply: Json = {"data": rows, "model": "m", "usage": {"prompt_tokens": 5, "of": [1, 2]}}
    assert read(without_vectors(write(reply))) == {
        "data": [{"index": index, "embedding": []} for index in range(20)],
        "model": "m",
        "usage": {"prompt_tokens": 5, "of": [1, 2]},
    }
