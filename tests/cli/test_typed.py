"""A secret typed in a wrong place: no byte of it in any output, in the ledger or in a file, whatever the command."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from aikeys.cli.console.typed import masking
from tests.cli.every_command import RunHere, commands

SECRETS = {
    "openai": "sk-proj-CANARY0123456789abcdefghij",
    "anthropic": "sk-ant-api03-CANARY_0123456789-abcdefghijklmno",
    "google": "AIzaSyCANARY0123456789abcdefghijklmnop",
    "groq": "gsk_CANARY0123456789abcdefghijklmnopqrst",
    "hugging face": "hf_CANARYabcdefghijklmnopqrstuvwxyzAB",
    "xai": "xai-CANARY0123456789abcdefghijklmnop",
    "hex": "0123456789abcdef0123456789abcdef",
    "random": "Qr7TzCANARYk2mVw9XbN4sLp8HdJ3fGy",
    "base64": "qT5x/9Kf+Lm2Zr7/Yw3Pn8/Cd1Hv6/Bs4Jt0XgQ",
    "bedrock": "ABSKQmVkcm9ja0FQ/SUtleS1hbmNk/LWF0LTEyMzQ1Njc4OTAxMjM0NTY3",
    "letters": "QwErTyUiOpAsDfGhJkLzXcVbNmQwErTyUiOp",
    "groups": "a1b2c3-d4e5f6-g7h8i9-j0k1l2-m3n4o5",
    "lm studio": "sk-lm-abCD12ef:gh34IJkl56mnOPqr78st",
    "token": "aik_" + "0aZ9" * 20 + "Qq3xYz",
}


def runs_of(secret: str) -> set[str]:
    """Return all ten characters in a row of a secret, behind how its kind begins."""
    tail = secret.removeprefix("sk-ant-api03-").removeprefix("sk-proj-")
    return {tail[at : at + 10].lower() for at in range(len(tail) - 9)}


@pytest.mark.parametrize("kind", SECRETS)
def test_a_message_repeats_no_part_of_a_secret_that_was_typed(kind: str) -> None:
    secret = SECRETS[kind]
    mask = masking(["budget", f"team:{secret}", f"--where=key={secret}", "/tmp"])
    for text in (secret, secret[:40], f"{secret[:25]} … {secret[-25:]}", f"there is no key named {secret.lower()!r}"):
        assert not [run for run in runs_of(secret) if run in mask(text).lower()]
    assert mask("team:support has no budget any more") == "team:support has no budget any more"


def test_what_is_no_secret_is_repeated(tmp_path: Path) -> None:
    words = [
        "anthropic/claude-sonnet-4-5-20250929",
        "a-long-name-for-a-key-2026",
        "repository=group/project",
        "meta-llama/Llama-3.3-70B-Instruct-Turbo",
        "Qwen/Qwen2.5-VL-72B-Instruct-AWQ",
        "accounts/fireworks/models/llama-v3p1-405b-instruct",
        "2026-11-01T00:00:00Z",
        f"{tmp_path}/new",
    ]
    mask = masking(words)
    for word in words:
        assert mask(f"see {word}") == f"see {word}"


PLACES: dict[str, Callable[[str], list[str]]] = {
    "argument": lambda secret: [secret],
    "two arguments": lambda secret: [secret, secret],
    "option": lambda secret: [f"--{secret}"],
    "option's name": lambda secret: [f"--{secret}=x"],
    "short option": lambda secret: [f"-{secret}"],
    "NAME=VALUE": lambda secret: [f"OPENAI_API_KEY={secret}"],
    "file": lambda secret: [f"./{secret}"],
    "kind": lambda secret: [f"team:{secret}"],
    "json": lambda secret: ["--json", secret],
}


@pytest.mark.parametrize("path", commands(), ids=" ".join)
def test_no_command_repeats_a_secret_that_was_typed_in_a_wrong_place(
    path: list[str], run_here: RunHere, small_home: Path
) -> None:
    for number, (place, made) in enumerate(PLACES.items()):
        kinds = [*SECRETS]
        secret = SECRETS[kinds[(number + len(" ".join(path))) % len(kinds)]]
        printed = run_here([*path, *made(secret)])
        assert not [run for run in runs_of(secret) if run in printed.lower()], (path, place, printed)
    for secret in SECRETS.values():
        for kept in small_home.rglob("*"):
            if kept.is_file():
                assert secret.encode() not in kept.read_bytes(), (path, kept)


@pytest.mark.parametrize("kind", SECRETS)
def test_a_secret_is_no_command_and_no_program(kind: str, run_here: RunHere) -> None:
    secret = SECRETS[kind]
    for words in (
        [secret], [f"--{secret}"], [f"--home={secret}", "list"], ["--home", secret, "list"], ["exec", "openai", "--", secret],
        ["exec", "--env", f"X={secret}", "--", "true"], ["exec", "--env", secret, "--", "true"], ["exec", secret],
        ["exec", "openai", "--", f"/nowhere/{secret}"], ["exec", "--metered", "--model", secret, "openai", "--", "/nowhere"],
    ):  # fmt: skip
        printed = run_here(words)
        assert not [run for run in runs_of(secret) if run in printed.lower()], (words, printed)
    assert not [name for name in os.listdir() if secret in name]


@pytest.mark.parametrize("variable", ["AIKEYS_PASSPHRASE_FILE", "AIKEYS_HOME", "AIKEYS_LEDGER", "AIKEYS_GATEWAY"])
@pytest.mark.parametrize("kind", SECRETS)
def test_a_secret_in_a_variable_of_ours_is_repeated_by_no_message(
    kind: str, variable: str, run_here: RunHere, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = SECRETS[kind]
    monkeypatch.setenv(variable, secret)
    for words in (["list"], ["doctor"], ["doctor", "--json"], ["report"], ["show", "openai", "--reveal"]):
        printed = run_here(words)
        assert not [run for run in runs_of(secret) if run in printed.lower()], (words, printed)
