"""Where keys are found, and what is left alone; with a stand-in catalogue, so that real providers may change."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aikeys.errors import BadConfiguration
from aikeys.imports import sources
from aikeys.providers import catalogue, recognition
from aikeys.providers.catalogue import Provider

OPENAI = "sk-CANARY-openai-4f9a1c"
ANTHROPIC = "sk-ant-CANARY-77b20e"
ROUTER = "sk-or-CANARY-90d1aa"


def _provider(name: str, also_env: tuple[str, ...] = ()) -> Provider:
    stem = name.upper()
    url = f"https://{name}.example/v1"
    return Provider(
        name, name, "openai", url, (f"{stem}_API_KEY",), base_url_env=(f"{stem}_BASE_URL",), also_env=also_env
    )


CATALOGUE = {
    "openai": _provider("openai", ("OPENAI_KEY",)),
    "anthropic": _provider("anthropic"),
    "openrouter": _provider("openrouter", ("OPENAI_API_KEY",)),
    "mistral": _provider("mistral"),
}


def _guess(catalogue: object, text: str) -> str | None:
    for prefix, provider in (("sk-ant-", "anthropic"), ("sk-or-", "openrouter"), ("sk-CANARY-openai", "openai")):
        if text.startswith(prefix):
            return provider
    return None


@pytest.fixture(autouse=True)
def _recognition(monkeypatch: pytest.MonkeyPatch) -> None:
    placeholder = re.compile(r"your|xxx|<", re.IGNORECASE)
    stand_in = SimpleNamespace(
        guess=_guess,
        looks_like_placeholder=lambda text: bool(placeholder.search(text)),
        by_variable=recognition.by_variable,
        has_outer_quote=recognition.has_outer_quote,
        unfit=recognition.unfit,
    )
    monkeypatch.setattr(sources, "recognition", stand_in)


def _dotenv(text: str) -> sources.FoundKeys:
    found = sources.from_dotenv(text, "/p/.env", CATALOGUE)
    assert "CANARY" not in repr(found)
    return found


def _values(found: sources.FoundKeys) -> list[tuple[str, str, str]]:
    return [(one.provider, one.variable, one.secret.reveal().decode()) for one in found.candidates]


def _lines(found: sources.FoundKeys) -> list[tuple[int, int]]:
    return [(one.line, one.end_line) for one in found.candidates]


@pytest.mark.parametrize(
    "line",
    [
        f"OPENAI_API_KEY={OPENAI}",
        f"export OPENAI_API_KEY={OPENAI}",
        f'OPENAI_API_KEY="{OPENAI}"',
        f"OPENAI_API_KEY = '{OPENAI}'  # mine",
        f"OPENAI_API_KEY={OPENAI} # mine",
        f'OPENAI_API_KEY="  {OPENAI}\u200b \\n"',
        f"\ufeffOPENAI_API_KEY={OPENAI}\r\n",
    ],
)
def test_a_key_is_found_however_the_line_is_written(line: str) -> None:
    found = _dotenv(line)
    assert _values(found) == [("openai", "OPENAI_API_KEY", OPENAI)]
    assert _lines(found) == [(1, 1)]
    assert found.candidates[0].file == "/p/.env"


def test_lines_are_counted_over_comments_blank_lines_and_values_of_several_lines() -> None:
    text = f'# one\n\nNOTE="three\nfour"\n\n\nOPENAI_API_KEY={OPENAI}\r\nMISTRAL_API_KEY="\nabcdef\n"\n\nOPENAI_KEY={OPENAI}'
    assert _lines(_dotenv(text)) == [(7, 7), (8, 10), (12, 12)]


def test_an_additional_variable_counts_and_another_providers_own_one_goes_first() -> None:
    assert _values(_dotenv("OPENAI_KEY=CANARY-a1\nOPENAI_API_KEY=CANARY-b2")) == [
        ("openai", "OPENAI_KEY", "CANARY-a1"),
        ("openai", "OPENAI_API_KEY", "CANARY-b2"),
    ]


def test_an_unknown_variable_counts_when_its_value_is_recognised() -> None:
    found = _dotenv(f"MY_BOT={ANTHROPIC}\nPATH=/bin\nDEBUG=\n")
    assert _values(found) == [("anthropic", "MY_BOT", ANTHROPIC)]
    assert found.skipped == ()


@pytest.mark.parametrize(
    ("value", "provider"), [(ANTHROPIC, "anthropic"), (ROUTER, "openrouter"), ("CANARY", "openai")]
)
def test_a_value_recognised_as_another_providers_wins_over_the_variable(value: str, provider: str) -> None:
    assert _values(_dotenv(f"OPENAI_API_KEY={value}")) == [(provider, "OPENAI_API_KEY", value)]


def test_the_base_url_of_the_file_goes_with_its_providers_key_only() -> None:
    found = _dotenv(f"OPENAI_API_KEY={OPENAI}\nMISTRAL_API_KEY=CANARY-m\nOPENAI_BASE_URL= https://proxy.example/v1 \n")
    assert [one.base_url for one in found.candidates] == ["https://proxy.example/v1", ""]
    misplaced = _dotenv(f"OPENAI_API_KEY={ANTHROPIC}\nOPENAI_BASE_URL=https://proxy.example/v1\n")
    (pair,) = misplaced.candidates  # the program reads this pair: so it stays
    assert (pair.provider, pair.base_url, pair.base_env) == (
        "anthropic",
        "https://proxy.example/v1",
        ("OPENAI_BASE_URL",),
    )


@pytest.mark.parametrize("url", ["${PROXY}", "https://${HOST}/v1", "proxy", "https://u:CANARY@proxy.example"])
def test_a_base_url_that_cannot_be_taken_is_told_beside_its_providers_key_only(url: str) -> None:
    found = _dotenv(f"OPENAI_API_KEY={OPENAI}\nOPENAI_BASE_URL={url}\nANTHROPIC_BASE_URL={url}\n")
    assert found.candidates[0].base_url == ""
    assert found.skipped == (sources.Skipped("OPENAI_BASE_URL", "/p/.env", 2, "not a base URL that can be taken"),)


def test_the_place_of_the_base_url_is_kept() -> None:
    (one,) = _dotenv(
        f"OPENAI_BASE_URL=https://old.example\nOPENAI_API_KEY={OPENAI}\nOPENAI_BASE_URL=https://new.example\n"
    ).candidates
    assert (one.base_url, one.base_variable, one.base_line) == ("https://new.example", "OPENAI_BASE_URL", 3)


def test_a_base_url_on_whose_way_anybody_listens_is_not_taken() -> None:
    found = _dotenv(f"OPENAI_API_KEY={OPENAI}\nOPENAI_BASE_URL=http://evil.example\n")
    assert found.candidates[0].base_url == ""
    reason = "plain http to another machine: anybody on the way could read the key"
    assert found.skipped == (sources.Skipped("OPENAI_BASE_URL", "/p/.env", 2, reason),)
    for near in ("http://127.0.0.1:8000", "http://192.168.1.7", "http://gateway:8080"):
        assert _dotenv(f"OPENAI_API_KEY={OPENAI}\nOPENAI_BASE_URL={near}\n").candidates[0].base_url == near


def test_of_a_variable_set_twice_the_last_line_counts_and_the_earlier_one_is_told() -> None:
    found = _dotenv("OPENAI_API_KEY=CANARY-dead\nMISTRAL_API_KEY=CANARY-m\nOPENAI_API_KEY=CANARY-live\n")
    assert [value for _, _, value in _values(found)] == ["CANARY-m", "CANARY-live"]
    reason = "line 3 sets it again, to another key"
    assert found.skipped == (sources.Skipped("OPENAI_API_KEY", "/p/.env", 1, reason),)


def test_the_same_key_on_two_lines_is_found_on_both() -> None:
    found = _dotenv(f"OPENAI_API_KEY={OPENAI}\nOPENAI_API_KEY={OPENAI}\nOPENAI_API_KEY=\n")
    assert _lines(found) == [(1, 1), (2, 2)]
    assert [(one.line, one.reason) for one in found.skipped] == [(3, "empty")]


@pytest.mark.parametrize("value", ["sk-proj-CANARY-x", "gsk_CANARY", "xai-CANARY"])
def test_what_looks_like_a_key_under_an_unknown_variable_is_told(value: str) -> None:
    found = _dotenv(f"MY_KEY={value}\n")
    assert found == sources.FoundKeys((), (sources.Skipped("MY_KEY", "/p/.env", 1, "of no known provider"),))


def test_an_empty_base_url_is_none() -> None:
    found = _dotenv(f"OPENAI_API_KEY={OPENAI}\nOPENAI_BASE_URL=\n")
    assert (found.candidates[0].base_url, found.skipped) == ("", ())


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("", "empty"),
        ('"  "', "empty"),
        ("sk-your-key", "a placeholder"),
        ("${OTHER}", "refers to another variable"),
        ("$OTHER", "refers to another variable"),
        ("xai-${OTHER}", "refers to another variable"),
        ("sk-$(cat key)", "refers to another variable"),
        ('"sk-one\nsk-two"', "holds a line break"),
        ('"sk-one\r\nsk-two"', "holds a line break"),
        ("sk-\0one", "holds a NUL byte"),
        ('CANARY"', "begins or ends with a quote that belongs to no pair"),
        ("CANARY'", "begins or ends with a quote that belongs to no pair"),
        ("op://vault/item", "a reference to a secret kept elsewhere"),
    ],
)
def test_what_is_no_key_is_skipped_with_a_reason(value: str, reason: str) -> None:
    found = _dotenv(f"A=1\nOPENAI_API_KEY={value}\n")
    assert found == sources.FoundKeys((), (sources.Skipped("OPENAI_API_KEY", "/p/.env", 2, reason),))


def test_a_key_of_no_known_provider_is_told() -> None:
    assert _dotenv("WEATHER_API_KEY=CANARY\nEMPTY_API_KEY=\n").skipped == (
        sources.Skipped("WEATHER_API_KEY", "/p/.env", 1, "of no known provider"),
    )


def test_a_broken_line_and_a_bare_key_are_told_without_their_text() -> None:
    found = _dotenv(f'\nOPENAI_API_KEY="{OPENAI}\n{ANTHROPIC}\nMISTRAL_API_KEY=CANARY\n{OPENAI}=\n')
    assert [(one.variable, one.line) for one in found.skipped] == [("", 2), ("", 3), ("", 5)]
    assert _values(found) == [("mistral", "MISTRAL_API_KEY", "CANARY")]


def test_a_commented_key_is_named_and_an_empty_file_holds_nothing() -> None:
    found = _dotenv(f"# OPENAI_API_KEY={OPENAI}\n#WEATHER=fine\n# OPENAI_API_KEY=\n")
    assert found == sources.FoundKeys(
        (), (sources.Skipped("OPENAI_API_KEY", "/p/.env", 1, "in a comment: the key may still work"),)
    )
    assert _dotenv("") == sources.FoundKeys((), ())


@pytest.mark.parametrize(
    "line",
    [
        f'export OPENAI_API_KEY="{OPENAI}"; export X=1', f"[ -f x ] && export OPENAI_API_KEY={OPENAI}",
        f"set -gx OPENAI_API_KEY {OPENAI}", f'$env:OPENAI_API_KEY = "{OPENAI}"', f"OPENAI_API_KEY: {OPENAI}",
        f'{{"env": {{"OPENAI_API_KEY": "{OPENAI}"}}}}', f"      - OPENAI_API_KEY={OPENAI}", f"setenv OPENAI_API_KEY '{OPENAI}'",
        f"setx OPENAI_API_KEY {OPENAI}", f"declare -x OPENAI_API_KEY={OPENAI};", f'"OPENAI_API_KEY":"{OPENAI}",',
        f'[Environment]::SetEnvironmentVariable("OPENAI_API_KEY", "{OPENAI}", "User")', f"  OPENAI_API_KEY: '{OPENAI}' # mine",
        f"export OPENAI_API_KEY={OPENAI}; export X=1", f"OPENAI_API_KEY={OPENAI} python app.py", f"OPENAI_API_KEY={OPENAI};",
        f"env OPENAI_API_KEY={OPENAI} python app.py", f"set -Ux OPENAI_API_KEY {OPENAI}",
    ],
)  # fmt: skip
@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_a_line_of_another_language_is_taken(line: str, end: str) -> None:
    found = sources.from_dotenv(line + end, "/p/rc", CATALOGUE)
    assert _values(found) == [("openai", "OPENAI_API_KEY", OPENAI)]
    assert found.skipped == ()


@pytest.mark.parametrize(
    "line",
    [
        f"curl -H 'Authorization: Bearer {OPENAI}' https://api.example", f"https://x.example/?key={OPENAI}&a=b",
        f"URL=https://x.example/?key={OPENAI}", f"A=b  # it was {OPENAI}", f"# try {OPENAI}", f"print({OPENAI!r})",
    ],
)  # fmt: skip
def test_a_key_that_no_variable_holds_is_named(line: str) -> None:
    found = sources.from_dotenv(line, "/p/notes", CATALOGUE)
    assert (found.candidates, [one.line for one in found.skipped]) == ((), [1])
    assert "CANARY" not in repr(found)


def test_the_environment_has_no_file_and_no_lines() -> None:
    environ = {"OPENAI_API_KEY": f"{OPENAI}\n", "OPENAI_BASE_URL": "https://proxy.example", "HOME": "/home/u"}
    (one,) = sources.from_environment(environ, CATALOGUE).candidates
    assert one.secret.reveal() == OPENAI.encode()
    assert (one.file, one.line, one.end_line, one.base_url) == ("", 0, 0, "https://proxy.example")
    assert "CANARY" not in repr(one)


def test_an_environment_value_that_is_not_text_is_skipped() -> None:
    found = sources.from_environment({"OPENAI_API_KEY": "sk-\udcff", "OTHER": "\udcff"}, CATALOGUE)
    assert [one.reason for one in found.skipped] == ["empty"]


def test_llms_keys_are_found_by_its_names_and_notes_are_left() -> None:
    text = json.dumps(
        {"// Note": 'not a "openai": key', "openai": OPENAI, "claude": "CANARY-c", "x": ROUTER, "y": "z", "mistral": 5},
        indent=2,
    )
    found = sources.from_llm(text, "/u/keys.json", CATALOGUE)
    assert _values(found) == [
        ("openai", "openai", OPENAI),
        ("anthropic", "claude", "CANARY-c"),
        ("openrouter", "x", ROUTER),
    ]
    assert _lines(found) == [(3, 3), (4, 4), (5, 5)]
    assert found.skipped == (
        sources.Skipped("y", "/u/keys.json", 6, "of no known provider"),
        sources.Skipped("mistral", "/u/keys.json", 7, "the value is not text"),
    )
    assert "CANARY" not in repr(found)


@pytest.mark.parametrize("text", ["", f'{{"openai": "{OPENAI}"', f'["{OPENAI}"]', "[" * 200_000, "9" * 5000])
def test_what_is_not_llms_file_is_refused_without_its_text(text: str) -> None:
    with pytest.raises(BadConfiguration) as caught:
        sources.from_llm(text, "/u/keys.json", CATALOGUE)
    assert caught.value.message.startswith("/u/keys.json is not")
    assert "CANARY" not in caught.value.message + caught.value.hint
    assert caught.value.__context__ is None


def test_the_real_catalogue_recognises_and_keeps_shared_shapes_with_their_variable(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sources, "recognition", recognition)
    anthropic = "sk-ant-api03-CANARY" + "x1-" * 29 + "AA"
    text = (
        f"OPENAI_API_KEY={anthropic}\nDEEPSEEK_API_KEY=sk-{'0a1b' * 8}\nGROQ_API_KEY=your-key-here\nBOT={anthropic}\n"
    )
    found = sources.from_dotenv(text, "/p/.env", catalogue.load())
    assert [one.provider for one in found.candidates] == ["anthropic", "deepseek", "anthropic"]
    assert found.skipped == (sources.Skipped("GROQ_API_KEY", "/p/.env", 3, "a placeholder"),)
    assert "CANARY" not in repr(found)


def test_a_character_that_cannot_be_seen_is_in_no_key() -> None:
    found = sources.from_dotenv("OPENAI_API_KEY=sk-\x1b]0;x\x07abcdefghijklmnop\n", "/p/.env", CATALOGUE)
    assert (found.candidates, len(found.skipped)) == ((), 1)
    assert "cannot be seen" in found.skipped[0].reason


class _Counting:
    """A pattern that counts how often a text is taken apart by it."""

    def __init__(self, pattern: re.Pattern[str]) -> None:
        self.pattern, self.splits = pattern, 0

    def split(self, text: str) -> list[str | None]:
        self.splits += 1
        return self.pattern.split(text)

    def finditer(self, text: str) -> Iterator[re.Match[str]]:
        return self.pattern.finditer(text)

    def findall(self, text: str) -> list[str]:
        return self.pattern.findall(text)


@pytest.mark.parametrize("line", ['foo bar "\n', "x = [1, 'a', {}]\n", "A=b\n", "\n", 'OPENAI_API_KEY: "\n'])
def test_a_text_is_taken_apart_once_however_many_lines_cannot_be_read(
    line: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    counting = _Counting(sources._LINE_END)
    monkeypatch.setattr(sources, "_LINE_END", counting)
    sources.from_dotenv(line * 300, "/p/notes", CATALOGUE)
    assert counting.splits == 1


@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.sampled_from(
            [
                "A=b",
                "'",
                '"',
                " ",
                "\t",
                "\n",
                "\r",
                "\r\n",
                "\x0b",
                "\x0c",
                "\x1c",
                "\x85",
                "\u2028",
                "#",
                "export ",
                "=",
                "\\",
                "\ufeff",
            ]
        )
    )
)
def test_any_text_is_read(pieces: list[str]) -> None:
    text = "".join(pieces)
    found = sources.from_dotenv(text, "/p/notes", CATALOGUE)
    for one in (*found.candidates, *found.skipped):
        assert 1 <= one.line <= len(re.split(r"\r\n|\n|\r", text))
