"""Keys are found wherever they are, and texts that look a little like keys are not."""

from __future__ import annotations

import re
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aikeys.imports.scanning import LooseKey, Scanner, titles
from aikeys.providers import catalogue

KNOWN = catalogue.load()
SCANNER = Scanner(KNOWN, {})
LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
FIXED = [
    (name, pattern)
    for name, provider in KNOWN.items()
    for pattern in (*provider.key_patterns, *provider.admin_patterns)
    if not re.search(r"(?:\\S[+*]|\.[*+]|,\}|=\{0,2\})", pattern)
]


def found(text: str) -> list[tuple[int, str, str]]:
    return [(one.line, one.provider, one.variable) for one in SCANNER.findings(text.encode())]


@pytest.mark.parametrize(("name", "pattern"), FIXED, ids=[f"{name}-{number}" for number, (name, _) in enumerate(FIXED)])
@settings(max_examples=5, deadline=None)
@given(data=st.data())
def test_a_key_of_each_shape_is_found_in_any_place(name: str, pattern: str, data: st.DataObject) -> None:
    key = data.draw(st.from_regex(re.compile(pattern, re.ASCII), fullmatch=True, alphabet=st.characters(codec="ascii")))
    for text, line in (
        (f"A={key}", 1),
        (f"\n\nx: {key}\n", 3),
        (f"curl -H 'Authorization: Bearer {key}'", 1),
        (f'"{key}",', 1),
    ):
        assert [(at, provider) for at, provider, _ in found(text)] == [(line, name)], key


def test_shapes_with_an_open_end_are_found_where_they_look_random() -> None:
    dice = Random(5)
    for start, name in (
        ("sk-api-", "minimax"),
        ("sk-cp-", "minimax"),
        ("sk-admin-", "openai"),
        ("AQ.", "gemini"),
        ("fw_", "fireworks"),
    ):
        key = start + "".join(dice.choices(LETTERS, k=40))
        assert [provider for _, provider, _ in found(f"key = {key}")] == [name]
        assert found(f"key = {start}your-key-goes-here-please") == []


def test_a_value_that_only_its_variable_tells_counts_where_it_looks_random() -> None:
    dice = Random(7)
    assert found("MISTRAL_API_KEY=" + "".join(dice.choices(LETTERS, k=32))) == [(1, "mistral", "MISTRAL_API_KEY")]
    for value in (
        "changeme",
        "your-mistral-key",
        "x" * 32,
        "test-key-for-mistral-api-000",
        "$MISTRAL",
        "op://a/b",
        "ENC[AES256_GCM,a]",
    ):
        assert found(f"MISTRAL_API_KEY={value}") == []


def test_the_vaults_own_keys_are_found_by_themselves() -> None:
    scanner = Scanner(KNOWN, {b"correct-horse-battery": ("local", "other")})
    assert scanner.findings(b"a\nurl=https://x/correct-horse-battery/y\nT=correct-horse-battery\n") == [
        LooseKey(2, "other", "local", ""), LooseKey(3, "other", "local", "T"),
    ]  # fmt: skip
    assert titles([LooseKey(1, "openai", "work", ""), LooseKey(1, "openai", "", "")], KNOWN) == [
        "your work key, not revoked here", "a key of OpenAI",
    ]  # fmt: skip


def test_in_ten_thousand_look_alikes_at_most_ten_are_taken_for_keys() -> None:
    dice = Random(11)

    def letters(size: int, of: str = LETTERS) -> str:
        return "".join(dice.choices(of, k=size))

    kinds = [
        lambda: letters(40, "0123456789abcdef"), lambda: letters(64, "0123456789abcdef"), lambda: letters(32, "0123456789abcdef"),
        lambda: f"sk-{letters(12)}", lambda: f"sk_{letters(20)}", lambda: f"task-{letters(30)}", lambda: f"hf_{letters(20)}",
        lambda: f"AIza{letters(20)}", lambda: f"gsk_{letters(30)}", lambda: f"{letters(8)}-{letters(4)}-{letters(12)}",
        lambda: f"OPENAI_API_KEY={letters(32)}", lambda: f"MISTRAL_API_KEY=my-{letters(8)}", lambda: f"api_key: {letters(24)}",
        lambda: f"sk-ant-{letters(20)}", lambda: f"ghp_{letters(36)}", lambda: f"eyJ{letters(40)}.{letters(60)}", lambda: f"xai-{letters(20)}",
        lambda: f"sha256-{letters(43)}=", lambda: f"pk_live_{letters(24)}", lambda: f"AKIA{letters(16).upper()}", lambda: f"r8_{letters(12)}",
        lambda: f"COHERE_API_KEY=${{{letters(10)}}}", lambda: f"sk-proj-{letters(20)}", lambda: f"nvapi-{letters(30)}", lambda: letters(86),
    ]  # fmt: skip
    text = "\n".join(dice.choice(kinds)() for _ in range(10_000))
    assert len(found(text)) <= 10, found(text)[:20]


@settings(max_examples=200)
@given(st.binary(max_size=2000))
def test_any_bytes_can_be_searched(data: bytes) -> None:
    SCANNER.findings(data)


def test_a_finding_has_no_byte_of_the_key_and_utf_16_is_read() -> None:
    key = "gsk_" + "".join(Random(3).choices(LETTERS, k=52))
    (one,) = SCANNER.findings(f"# x\r\nA={key}".encode("utf-16"))
    assert (one.line, one.provider, one.variable) == (2, "groq", "A")
    assert key[:8] not in repr(one)
