"""Names that come from outside: which there may be, and how an old one that is none is quoted."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aikeys import names
from aikeys.errors import UsageError


@given(st.text(max_size=220))
def test_a_name_is_seen_whole_composed_and_sayable(text: str) -> None:
    found = names.fit_label(text)
    if found is not None:
        assert found.isprintable()
        assert found == found.strip()
        assert "*" not in found
        assert 0 < len(found) <= names.LONGEST_LABEL
        assert names.label(found) == found
        assert names.written(found) == found


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40))
def test_any_text_can_be_written_and_is_read_again(text: str) -> None:
    written = names.written(text)
    assert names.is_seen(written)
    old = names.unquoted(written)
    assert (names.label(written) if old is None else old) == text


@given(st.text(min_size=1, max_size=300))
def test_what_is_exported_every_door_takes(text: str) -> None:
    assert not names.problem(names.escaped(text))


def test_two_spellings_that_look_the_same_are_one_name() -> None:
    assert names.label("Jose\u0301") == names.label("José") == "José"


@pytest.mark.parametrize("text", ['"', '"a', "\"a'", '"a" ', '""', '"\\ud800"', '"a"b'])
def test_a_wrong_quoting_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        names.unquoted(text)


def test_a_models_pattern_may_hold_stars_and_a_models_name_may_not() -> None:
    assert names.model_pattern("openai/*") == "openai/*"
    with pytest.raises(UsageError, match=r"has a \*"):
        names.model_name("openai/*")


@pytest.mark.parametrize(
    "text",
    ["tgp_v1_abcdefgh-IJKLMNOP_qrstuvwx0123", "nvapi-AbC_dEf-GhI_jKl-MnO_pQr-StU_vWx1", "QwErTyUiOpAsDfGhJkLzXcVbNmQwErTyUiOp",
     "a1b2c3-d4e5f6-g7h8i9-j0k1l2-m3n4o5"],
)  # fmt: skip
def test_a_key_is_no_name_of_a_key(text: str) -> None:
    with pytest.raises(UsageError) as refused:
        names.key_name(text)
    assert text not in refused.value.message + refused.value.hint


@pytest.mark.parametrize("text", ["openai-production-eu-west-1", "llama-3.3-70b-instruct-fp8", "team-a.2026-11-01"])
def test_words_and_numbers_are_a_name_of_a_key(text: str) -> None:
    assert names.key_name(text) == text
