"""A file's text, whatever wrote it."""

from __future__ import annotations

import codecs

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aikeys.imports.decoding import encoding_of, is_text, text_of


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_a_byte_order_mark_tells_the_encoding(encoding: str) -> None:
    marks = {"utf-16-le": codecs.BOM_UTF16_LE, "utf-16-be": codecs.BOM_UTF16_BE}
    data = marks.get(encoding, b"") + "A=é\r\n".encode(encoding)
    assert text_of(data) == "A=é\r\n"
    assert is_text(data)
    assert "A=é\r\n".encode(encoding_of(data)) in data


def test_a_stray_byte_spoils_its_own_line_only() -> None:
    assert text_of(b"# caf\xe9\nA=b\n").split("\n")[1] == "A=b"


@given(st.binary())
def test_every_file_has_a_text(data: bytes) -> None:
    assert isinstance(text_of(data), str)


def test_a_program_is_no_text() -> None:
    assert not is_text(b"\x7fELF\x00\x01")
