"""What comes in holds no secret of its call: every form, cut anywhere; and nothing else changes."""

from __future__ import annotations

import gzip
import json
import random
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aikeys.providers.masking import LONG, PLACEHOLDERS, SHORT, Intake, Search, intake
from aikeys.secret import Secret
from tests.providers.forms import forms, json_escaped, percent, shows

RECORDED = Path(__file__).parents[3] / "shared" / "recorded"
KEY = b"sk-CANARY/one+0123456789abcdef_~%Q"
KEYS = (KEY, b"AIzaSyCANARY0123456789abcdefghijklmno", b"0123456789abcdef0123456789abcdef", b"twelve-bytes")
ORDINARY = b"gsk_CANARYabsent0123456789abcdefABCDEF00"


def came(key: bytes, status: int = 200, fields: tuple[tuple[str, str], ...] = ()) -> Intake:
    return intake([Secret(key)], status, fields)


def through(key: bytes, pieces: list[bytes], status: int = 200) -> bytes:
    reply = came(key, status)
    return b"".join([*map(reply.feed, pieces), reply.close()])


@pytest.mark.parametrize("key", KEYS)
def test_every_form_is_masked_wherever_the_bytes_are_cut(key: bytes) -> None:
    for name, form in forms(key).items():
        whole = b'data: {"model":"' + form + b'"}\n\n'
        expected = through(key, [whole])
        assert len(expected) == len(whole)
        assert expected.startswith(b'data: {"model":"' + b"*" * len(form) + b'"}'), (name, expected)
        assert expected.endswith(b'"}\n\n')
        for cut in range(1, len(whole)):
            assert through(key, [whole[:cut], whole[cut:]]) == expected, (name, cut)
        assert through(key, [whole[at : at + 1] for at in range(len(whole))]) == expected, name


@pytest.mark.parametrize("key", KEYS)
def test_base64_of_a_login_holds_no_key(key: bytes) -> None:
    from base64 import b64encode, urlsafe_b64encode

    for user in (b"", b"a:", b"ab:", b"abc:"):
        for encode in (b64encode, urlsafe_b64encode):
            for after in (b"", b"!", b"!!"):
                text = encode(user + key + after)
                whole = b"Basic " + text + b"\n"
                found = through(key, [whole])
                assert all(through(key, [whole[:cut], whole[cut:]]) == found for cut in range(len(whole)))
                assert not shows(found, key), found
                assert found.count(b"*") >= len(key) * 8 // 6 - 1
                assert len(found) == len(text) + 7


def test_a_slash_or_a_plus_of_base64_may_be_escaped() -> None:
    key = b"\xfb\xff\xfe" * 6  # nothing but + and / in base64
    for text in (rb"+\/\/+" * 9, b"%2B%2F%2f%2b" * 9, rb"\u002b\u002F\u002f\u002B" * 9, b"-__-" * 9):
        assert b"*" * 24 in through(key, [text])


def test_what_cannot_begin_a_secret_is_handed_on_at_once() -> None:
    reply = came(KEY)
    for piece in (b'data: {"a":1}\n\n', b"s k - CANARY", b"% 8", b"\\n", b"sk-CANARX", b"data: [DONE]\n\n"):
        assert reply.feed(piece) == piece
    assert reply.feed(b"abc sk-CAN") == b"abc "
    assert reply.feed(b"NOT") == b"sk-CANNOT"
    assert reply.feed(b"one \\u007") == b"one "
    assert reply.close() == b"\\u007"


def test_a_reply_that_ends_in_the_beginning_of_a_secret_is_whole() -> None:
    for size in range(len(KEY)):
        assert through(KEY, [b"x" + KEY[:size]]) == b"x" + KEY[:size]


def test_secrets_that_overlap_or_follow_one_another_are_all_masked() -> None:
    first, second = b"abcabcabcabcabc", b"abcabcXYZ012345"
    both = [Secret(first), Secret(second)]
    for text in (b"abcabcabcabcabcabcXYZ012345", first * 4, second + first, b"abc" + first + second[6:]):
        for cut in range(len(text) + 1):
            reply = intake(both, 200, ())
            found = reply.feed(text[:cut]) + reply.feed(text[cut:]) + reply.close()
            assert found.count(b"*") >= len(first)
            assert first not in found
            assert second not in found
            assert len(found) == len(text)


def test_a_secret_that_runs_into_itself_is_masked_to_its_end() -> None:
    key, text = b"abcabcabcabcabc", b"abc" * 7
    for cut in range(len(text)):
        assert through(key, [text[:cut], text[cut:]]) == b"*" * len(text)


def test_hex_of_mixed_case_and_mixed_escapes_are_masked_too() -> None:
    dice = random.Random(11)
    for _ in range(200):
        digits = "".join(dice.choice((c.lower(), c.upper())) for c in KEY.hex()).encode()
        mixed = b"".join(
            dice.choice((bytes((c,)), b"%%%02x" % c, b"%%%02X" % c, b"\\u%04x" % c, b"\\u%04X" % c)) for c in KEY
        )
        for text in (digits, mixed):
            cut = dice.randrange(len(text))
            assert through(KEY, [text[:cut], text[cut:]]) == b"*" * len(text)


@pytest.mark.parametrize("size", range(1, LONG + 2))
def test_a_short_secret_is_looked_for_where_it_cannot_be_chance(size: int) -> None:
    key = b"q-7Zk2mW9xLt4"[:size]
    body = b'{"text":"' + key + b'"}'
    is_long, is_short = size >= LONG, size >= SHORT
    for status in (200, 201, 299):
        assert (through(key, [body], status) != body) == is_long
    for status in (301, 400, 401, 429, 500, 529, 599):
        assert (through(key, [body], status) != body) == is_short
    fields = (("X-Request-Id", key.decode()), (key.decode(), "1"))
    headers = came(key, 200, fields).headers
    expected = {"x-request-id": "*" * size, "*" * size: "1"}
    assert headers == (expected if is_short else {name.lower(): value for name, value in fields})


def test_headers_hold_no_form_in_value_or_name() -> None:
    for name, form in forms(KEY).items():
        text = form.decode()
        headers = came(KEY, 200, (("X-Request-Id", f"req {text}"), ("x-plain", "1"), (f"x-{text}", "2"))).headers
        assert headers["x-request-id"] == "req " + "*" * len(form), name
        assert headers["x-plain"] == "1"
        assert "*" * len(form) in "".join(headers), name
        assert not shows(repr(headers).encode(), KEY)


def test_headers_keep_bytes_that_are_no_text() -> None:
    odd = b"\xff\xe9 caf\xc3\xa9".decode("utf-8", "surrogateescape")
    assert came(KEY, 200, (("x-odd", odd), ("x-two", odd + KEY.decode()))).headers == {
        "x-odd": odd,
        "x-two": odd + "*" * len(KEY),
    }


def test_a_text_that_is_there_already_is_searched_and_masked() -> None:
    search = Search([KEY, b"short", ORDINARY, b"ollama"])
    assert search.masked(f"no {KEY.decode()} short é") == f"no {'*' * len(KEY)} short é"
    for key in (KEY, ORDINARY):
        for form in forms(key).values():
            assert search.finds(b"x" + form + b"\n")
            assert not search.finds(form[:-1])
    assert Search(["pass wörd of many words".encode()]).finds("\x00pass wörd of many words\xff".encode())
    assert Search([b"pass word"]).finds(b"\x00pass word\x00")
    assert not Search([]).finds(KEY)
    assert Search([b"short"]).masked(KEY.decode()) == KEY.decode()


@pytest.mark.parametrize("word", sorted(PLACEHOLDERS))
def test_a_word_that_stands_for_no_key_is_no_secret(word: str) -> None:
    for text in (word.encode(), word.upper().encode()):
        for status in (200, 401):
            assert through(text, [b"<" + text + b">"], status) == b"<" + text + b">"
        assert came(text, 401, (("x-a", text.decode()),)).headers == {"x-a": text.decode()}


SECRET_TEXTS = st.text(
    st.characters(min_codepoint=33, max_codepoint=126, exclude_characters="*"), min_size=12, max_size=80
)


@st.composite
def texts(draw: st.DrawFn) -> tuple[bytes, list[tuple[bytes, bool]]]:
    """A secret, and a text in parts: those with True are forms of it."""
    key = draw(SECRET_TEXTS).encode()
    own = st.sampled_from(sorted(forms(key).values()))
    every = st.integers(1, len(key))
    own |= st.builds(lambda n, up: json_escaped(key, n, upper=up), every, st.booleans())
    own |= st.builds(lambda n, up: percent(key, n, upper=up), every, st.booleans())
    # no byte of what stands around can belong to a form: what is left is exactly known
    other = st.binary(max_size=40).map(lambda data: bytes(byte & 0x1F | 0x80 for byte in data) + b"\x00")
    return key, draw(st.lists(other.map(lambda data: (data, False)) | own.map(lambda data: (data, True)), max_size=8))


@settings(max_examples=80, deadline=None)
@given(texts(), st.data())
def test_no_form_comes_through_any_cut_and_nothing_else_changes(
    made: tuple[bytes, list[tuple[bytes, bool]]], data: st.DataObject
) -> None:
    key, parts = made
    if key.lower().decode() in PLACEHOLDERS:
        return
    apart = [(part, is_own) for one in parts for part, is_own in (one, (b"\x01", False))]
    whole = b"".join(part for part, _ in apart)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=12)))
    pieces = [whole[a:b] for a, b in zip([0, *cuts], [*cuts, len(whole)], strict=True)]
    expected = b"".join(b"*" * len(part) if is_own else part for part, is_own in apart)
    assert through(key, pieces) == expected


@settings(max_examples=80, deadline=None)
@given(st.binary(max_size=300), SECRET_TEXTS, st.lists(st.integers(0, 300), max_size=10))
def test_a_text_without_the_secret_is_unchanged(text: bytes, key: str, cuts: list[int]) -> None:
    if shows(text, key.encode()):
        return
    places = sorted(min(cut, len(text)) for cut in cuts)
    pieces = [text[a:b] for a, b in zip([0, *places], [*places, len(text)], strict=True)]
    assert through(key.encode(), pieces) == text


def few_signs() -> st.SearchStrategy[bytes]:
    return st.lists(st.sampled_from([b"a", b"6", b"1", b"%", b"\\", b"/", b"Y"]), min_size=12, max_size=16).map(
        b"".join
    )


@settings(max_examples=80, deadline=None)
@given(few_signs(), st.lists(few_signs(), max_size=3), st.lists(st.integers(0, 120), max_size=6), st.booleans())
def test_where_bytes_are_cut_never_matters(key: bytes, parts: list[bytes], cuts: list[int], is_in: bool) -> None:
    """Secrets of few signs, whose forms run into one another."""
    whole = b"".join([*parts, key + key[:7] + key] if is_in else parts)
    places = sorted(min(cut, len(whole)) for cut in cuts)
    pieces = [whole[a:b] for a, b in zip([0, *places], [*places, len(whole)], strict=True)]
    found = through(key, pieces)
    assert found == through(key, [whole])
    assert key not in found
    assert len(found) == len(whole)


def recorded() -> Iterator[tuple[dict[str, str], int, bytes]]:
    with gzip.open(RECORDED / "exchanges.jsonl.gz", "rt", encoding="utf-8") as lines:
        for line in lines:
            reply = json.loads(line)["response"]
            body = reply.get("body")
            data = body.encode("utf-8", "surrogatepass") if isinstance(body, str) else json.dumps(body).encode()
            fields = reply.get("headers") or {}
            pairs = fields.items() if isinstance(fields, dict) else fields
            yield {str(name).lower(): str(value) for name, value in pairs}, int(reply.get("status") or 200), data


@pytest.mark.skipif(not RECORDED.is_dir(), reason="../shared/recorded is not here: nothing to pass through")
def test_what_providers_really_said_comes_through_unchanged() -> None:
    seen = 0
    for headers, status, body in recorded():
        seen += 1
        for key in (b"ollama", b"x", b"a-b", b"Ollama", ORDINARY):
            reply = came(key, status, tuple(headers.items()))
            half = len(body) // 2
            assert reply.headers == headers
            assert reply.feed(body[:half]) + reply.feed(body[half:]) + reply.close() == body
    assert seen == 1228


@pytest.mark.parametrize("key", [b"ollama", b"x", b"a-b", ORDINARY])
def test_a_megabyte_of_chance_comes_through_unchanged(key: bytes) -> None:
    dice = random.Random(key)
    letters = b"olamx-b gsk_CANARY0123456789\\u%/+\n"
    for data in (dice.randbytes(1 << 19), bytes(dice.choices(letters, k=1 << 19))):
        pieces = [data[at : at + 999] for at in range(0, len(data), 999)]
        for status in (200, 500):
            assert through(key, pieces, status) == data


def test_a_large_body_takes_moments() -> None:
    """By CPU time, with room for a slow machine: about 140 MB a second was measured."""
    body = json.dumps({"choices": [{"text": "sk is not a key \\ and %7 neither, 0123 " * 30}] * 1000}).encode()
    begun = time.process_time()
    assert through(KEY, [body[at : at + 65536] for at in range(0, len(body), 65536)]) == body
    assert time.process_time() - begun < len(body) / 4e6
