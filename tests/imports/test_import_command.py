"""What import says before it asks, what it takes, and what it leaves to be deleted."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Aikeys, canary

Write = Callable[[str], Path]


@pytest.fixture
def dotenv(ready_home: Aikeys) -> Write:
    def write(text: str) -> Path:
        file = ready_home.folder / ".env"
        file.write_bytes(text.encode())
        return file

    return write


def keys(aikeys: Aikeys) -> dict[str, dict[str, object]]:
    done = aikeys.run("list", "--json")
    return {row["name"]: row for row in json.loads(done.stdout)["keys"]}


def test_a_base_url_is_shown_before_the_question_and_its_line_is_to_be_deleted(
    ready_home: Aikeys, dotenv: Write
) -> None:
    file = dotenv(f"OPENAI_API_KEY={canary()}\nOPENAI_BASE_URL=https://proxy.example/v1\n")
    shown = f"with the base URL https://proxy.example/v1: openai will be sent there (OPENAI_BASE_URL, {file}:2)"
    asked = ready_home.run("import", "--no-input")
    assert asked.returncode == 3
    assert shown in asked.stderr
    done = ready_home.run("import", "--yes")
    assert shown in done.stderr
    assert f"{file}:1 OPENAI_API_KEY\n" in done.stderr.partition("delete these lines:")[2]
    assert f"{file}:2 OPENAI_BASE_URL\n" in done.stderr.partition("delete these lines:")[2]
    assert keys(ready_home)["openai"]["base_url"] == "https://proxy.example/v1"


def test_a_base_url_of_a_private_network_is_taken_with_a_warning_and_a_public_one_is_not(
    ready_home: Aikeys, dotenv: Write
) -> None:
    dotenv(f"OPENAI_API_KEY={canary()}\nOPENAI_BASE_URL=http://192.168.1.7/v1\n")
    assert "warning: http://192.168.1.7/v1 is plain http" in ready_home.run("import", "--no-input").stderr
    dotenv(f"OPENAI_API_KEY={canary()}\nOPENAI_BASE_URL=http://evil.example/v1\n")
    done = ready_home.run("import", "--yes")
    assert "skipped OPENAI_BASE_URL" in done.stderr
    assert "evil.example" not in str(keys(ready_home)["openai"])


def test_of_a_variable_set_twice_the_last_one_becomes_the_key(ready_home: Aikeys, dotenv: Write) -> None:
    dotenv(f"OPENAI_API_KEY={canary('dead')}\nOPENAI_API_KEY={canary('live')}\n")
    done = ready_home.run("import", "--yes")
    assert "line 2 sets it again, to another key" in done.stderr
    assert list(keys(ready_home)) == ["openai"]
    assert ready_home.lent("openai")["OPENAI_API_KEY"] == canary("live")


@pytest.mark.parametrize(
    "value",
    [f"{canary()}\0x", f'"{canary()}\r\nMORE"', f'"{canary()}\nMORE"', f'{canary()}"', "xai-${OTHER}"],
    ids=["nul", "crlf", "lines", "quote", "reference"],
)
def test_what_add_refuses_is_told_and_skipped(ready_home: Aikeys, dotenv: Write, value: str) -> None:
    file = dotenv(f"ANTHROPIC_API_KEY={canary('good')}\nOPENAI_API_KEY={value}\n")
    done = ready_home.run("import", "--yes")
    assert done.returncode == 0
    assert f"skipped OPENAI_API_KEY ({file}:2): " in done.stderr
    assert list(keys(ready_home)) == ["anthropic"]


def test_an_odd_format_is_warned_of_before_the_question(ready_home: Aikeys, dotenv: Write) -> None:
    dotenv("OPENAI_API_KEY=tooshort\n")
    asked = ready_home.run("import", "--no-input")
    assert "warning: this does not look like a key of OpenAI (8 characters)" in asked.stderr
    assert keys(ready_home) == {}


def test_keys_of_the_environment_are_to_be_unset(ready_home: Aikeys) -> None:
    env = {"OPENAI_API_KEY": canary("one"), "ANTHROPIC_API_KEY": canary("two")}
    done = ready_home.run("import", "--from", "env", "--yes", env=env)
    assert "unset OPENAI_API_KEY ANTHROPIC_API_KEY" in done.stderr or (
        "unset ANTHROPIC_API_KEY OPENAI_API_KEY" in done.stderr
    )


def test_llms_unknown_names_are_told(ready_home: Aikeys) -> None:
    file = ready_home.folder / "keys.json"
    file.write_text(json.dumps({"openai": canary(), "weatherbot": "CANARY-abc"}))
    done = ready_home.run("import", "--from", "llm", "--yes", str(file))
    assert f"skipped weatherbot ({file}:1): of no known provider" in done.stderr
    assert list(keys(ready_home)) == ["openai"]


def test_a_key_under_an_unknown_variable_is_told(ready_home: Aikeys, dotenv: Write) -> None:
    file = dotenv(f"MY_OPENAI_KEY=sk-proj-{canary()}\n")
    done = ready_home.run("import", "--yes")
    assert done.returncode == 10
    assert f"skipped MY_OPENAI_KEY ({file}:1): of no known provider" in done.stderr
