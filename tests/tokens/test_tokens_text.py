"""The text of a token: what it says, and that a typo is told by its checksum, before anything is looked up."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aikeys.errors import TokenRefused
from aikeys.secret import Secret
from aikeys.tokens import text
from aikeys.tokens.text import TokenText

DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
TOKEN = TokenText(b"\1" * 8, b"\2" * 16, Secret(b"\3" * 32))
tokens = st.builds(
    lambda one, two, three: TokenText(one, two, Secret(three)),
    st.binary(min_size=8, max_size=8),
    st.binary(min_size=16, max_size=16),
    st.binary(min_size=32, max_size=32),
)


def parts(token: TokenText) -> tuple[bytes, bytes, bytes]:
    return token.id, token.fingerprint, token.secret.reveal()


@given(tokens, st.sampled_from(["{}", " {}", "{}\n", "\t{}\r\n "]))
def test_a_token_is_read_as_it_was_written_white_space_aside(token: TokenText, around: str) -> None:
    written = text.written(token)
    assert (len(written), written[:4]) == (86, "aik_")
    assert set(written[4:]) <= set(DIGITS)
    assert parts(text.read(around.format(written))) == parts(token)


@given(tokens, st.integers(4, 85), st.characters(codec="utf-8"))
def test_every_change_of_one_character_is_told_by_the_checksum(token: TokenText, at: int, other: str) -> None:
    written = text.written(token)
    typo = written[:at] + other + written[at + 1 :]
    if typo == written:
        return
    with pytest.raises(TokenRefused) as caught:
        text.read(typo)
    assert written[4:] not in caught.value.message
    if not other.isspace():
        assert "checksum" in caught.value.message


def test_every_digit_at_every_place_is_told_by_the_checksum() -> None:
    written = text.written(TOKEN)
    for at in range(4, len(written)):
        for other in set(DIGITS) - {written[at]}:
            with pytest.raises(TokenRefused, match="typo: its checksum is wrong"):
                text.read(written[:at] + other + written[at + 1 :])


@given(tokens, st.integers(4, 84))
def test_two_neighbours_exchanged_are_told(token: TokenText, at: int) -> None:
    written = text.written(token)
    typo = written[:at] + written[at + 1] + written[at] + written[at + 2 :]
    if typo != written:
        with pytest.raises(TokenRefused, match="checksum"):
            text.read(typo)


@pytest.mark.parametrize("given_text", ["", "aik_", "sk-abc", "aik_" + "0" * 81, "aik_" + "0" * 83, "AIK_" + "0" * 82])
def test_what_is_no_token_is_refused_as_what_it_is(given_text: str) -> None:
    with pytest.raises(TokenRefused, match=r"not a token of aikeys|characters instead of 86"):
        text.read(given_text)


def test_a_number_beyond_what_56_bytes_hold_is_refused_though_its_checksum_is_right() -> None:
    from zlib import crc32

    body = "z" * 76
    number, check = crc32(f"aik_{body}".encode()), ""
    for _ in range(6):
        number, digit = divmod(number, 62)
        check = DIGITS[digit] + check
    with pytest.raises(TokenRefused, match="typo"):
        text.read(f"aik_{body}{check}")


@given(tokens)
def test_neither_a_token_taken_apart_nor_a_refusal_shows_the_secret(token: TokenText) -> None:
    assert "secret" in repr(token)
    assert repr(token.secret.reveal()) not in repr(token)
