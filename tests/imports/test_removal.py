"""Lines go out of a file, and come back, byte for byte."""

from __future__ import annotations

import codecs

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aikeys.imports.removal import Held, put_back, rest_of, without

KEY = "sk-CANARY-removal"


@pytest.mark.parametrize(
    "line",
    [
        f"OPENAI_API_KEY={KEY}", f"export OPENAI_API_KEY='{KEY}'", f'OPENAI_API_KEY = "{KEY}"  # mine', f"set -gx OPENAI_API_KEY {KEY}",
        f'$env:OPENAI_API_KEY = "{KEY}"', f"  OPENAI_API_KEY: {KEY}", f"      - OPENAI_API_KEY={KEY}", f"export OPENAI_API_KEY={KEY};",
        f'OPENAI_API_KEY="{KEY}\nmore"', f"setenv OPENAI_API_KEY {KEY}", f'"OPENAI_API_KEY": "{KEY}"',
    ],
)  # fmt: skip
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r", ""])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16-le"])
def test_a_line_goes_and_comes_back(line: str, end: str, encoding: str) -> None:
    mark = codecs.BOM_UTF16_LE if encoding == "utf-16-le" else b""
    before, after = ("# first" + (end or "\n")), f"B=ü{end}" if end else ""
    data = mark + (before + line + end + after).encode(encoding)
    last = 2 + line.count("\n")
    made = without(data, "/p/.env", [Held(2, last, "OPENAI_API_KEY", "openai")])
    assert not made.staying
    assert KEY.encode(encoding.removesuffix("-sig")) not in made.data
    told = "# OPENAI_API_KEY: aikeys exec openai -- COMMAND"
    assert told.encode(encoding.removesuffix("-sig")) in made.data
    assert after.encode(encoding.removesuffix("-sig")) in made.data
    assert put_back(made.data, made.removed, rest_of(made.data, made.removed)) == data


@pytest.mark.parametrize(
    "line",
    [
        f"export OPENAI_API_KEY={KEY}; export B=c", f"[ -f x ] && export OPENAI_API_KEY={KEY}", f'{{"env": {{"A": "{KEY}"}}}}',
        f"OPENAI_API_KEY={KEY} python app.py", f"curl -H 'Bearer {KEY}'", f"A=$(echo {KEY})",
    ],
)  # fmt: skip
def test_a_line_that_does_more_stays(line: str) -> None:
    made = without(f"{line}\n".encode(), "/p/rc", [Held(1, 1, "A", "openai")])
    assert (made.data, made.removed) == (f"{line}\n".encode(), ())
    assert made.staying == ((1, "the line does more than that"),)


def test_a_language_without_comments_stays() -> None:
    data = b'{\n"A": "b"\n}\n'
    made = without(data, "/p/settings.json", [Held(2, 2, "A", "openai")])
    assert (made.data, made.staying) == (data, ((2, "its language has no comments"),))


def test_the_first_line_keeps_the_byte_order_mark() -> None:
    for data in (codecs.BOM_UTF8 + b"A=b\nC=d\n", codecs.BOM_UTF16_LE + "A=b\nC=d\n".encode("utf-16-le")):
        made = without(data, "/p/.env", [Held(1, 1, "A", "a")])
        assert made.data[:2] == data[:2]
        assert put_back(made.data, made.removed, rest_of(made.data, made.removed)) == data


def test_another_rest_gets_nothing_back_and_an_edited_comment_does() -> None:
    made = without(b"A=b\nC=d\nE=f\n", "/p/.env", [Held(1, 1, "A", "a"), Held(3, 3, "E", "e")])
    rest = rest_of(made.data, made.removed)
    assert put_back(made.data.replace(b"C=d", b"C=e"), made.removed, rest) is None
    assert put_back(b"X=y\n" + made.data, made.removed, rest) is None
    assert put_back(made.data.replace(b"# A:", b"# it was A:"), made.removed, rest) == b"A=b\nC=d\nE=f\n"


@given(
    st.lists(st.sampled_from(["A=b", "# c", "", "export D='e'", "\tx", "ü=1", "F=g # h"]), min_size=1),
    st.sampled_from(["\n", "\r\n", "\r"]),
    st.data(),
)
def test_any_lines_come_back(lines: list[str], end: str, data: st.DataObject) -> None:
    text = end.join(lines)
    chosen = data.draw(st.sets(st.integers(1, len(lines))))
    made = without(text.encode(), "/p/.env", [Held(number, number, "A", "k") for number in chosen])
    assert put_back(made.data, made.removed, rest_of(made.data, made.removed)) == text.encode()
    gone = {one.at for one in made.removed}
    assert len(gone) + len(made.staying) == len(chosen) or not text
