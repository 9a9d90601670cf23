"""The recovery code: written down, typed again, mistyped."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aikeys.errors import WrongPassphrase
from aikeys.vault.unlock import recovery_code

ENTROPY = bytes(range(20))
CODE = recovery_code.encode(ENTROPY)
ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def test_the_code_of_fixed_bytes_never_changes() -> None:
    assert recovery_code.encode(bytes(20)).startswith("00000-00000-00000-00000-00000-00000-00")
    # made apart from this code: the library's base32 with its letters exchanged, and the first 15 bits of SHA-256
    assert CODE == "000G4-0R40M-30E20-9185G-R38E1-W8124-GKXJY"


@given(st.binary(min_size=20, max_size=20))
def test_every_code_is_seven_groups_of_five_and_is_read_back(entropy: bytes) -> None:
    code = recovery_code.encode(entropy)
    groups = code.split("-")
    assert [len(group) for group in groups] == [5] * 7
    assert set("".join(groups)) <= set(ALPHABET)
    assert recovery_code.looks_like(code)
    assert recovery_code.decode(code).reveal() == entropy


@pytest.mark.parametrize(
    "typed",
    [
        CODE.lower(),
        CODE.replace("-", ""),
        CODE.replace("-", " "),
        f"  {CODE}\n",
        CODE.replace("-", "–"),
        CODE.replace("0", "O").replace("1", "I"),
        CODE.replace("0", "o").replace("1", "l"),
    ],
)
def test_case_spaces_dashes_and_lookalike_letters_do_not_matter(typed: str) -> None:
    assert recovery_code.looks_like(typed)
    assert recovery_code.decode(typed).reveal() == ENTROPY


@pytest.mark.parametrize("position", [0, 1, 17, 31, 32, 34])
def test_one_wrong_character_is_called_a_typo(position: int) -> None:
    chars = list(CODE.replace("-", ""))
    chars[position] = ALPHABET[(ALPHABET.index(chars[position]) + 1) % 32]
    with pytest.raises(WrongPassphrase, match=r"^the recovery code has a typo: its checksum does not match$") as caught:
        recovery_code.decode("".join(chars))
    assert caught.value.exit_status == 12
    assert caught.value.hint


@pytest.mark.parametrize("text", ["", "correct horse battery staple", CODE[:-1], CODE + "0", CODE[:-1] + "U", "é" * 35])
def test_what_is_not_a_code_is_refused_without_being_repeated(text: str) -> None:
    assert not recovery_code.looks_like(text)
    with pytest.raises(WrongPassphrase, match=r"^this is not a recovery code$"):
        recovery_code.decode(text)


@given(st.text(max_size=60))
def test_no_text_makes_decoding_fail_in_another_way(text: str) -> None:
    try:
        recovery_code.decode(text)
    except WrongPassphrase:
        return


def test_a_decoded_code_cannot_be_printed() -> None:
    assert str(recovery_code.decode(CODE)) == "‹secret›"


def test_entropy_of_another_length_is_a_programmers_mistake() -> None:
    with pytest.raises(ValueError, match="20 bytes"):
        recovery_code.encode(bytes(16))
