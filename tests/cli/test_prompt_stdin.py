"""Standard input of `prompt`: who waits for it is told, `-` is it, and --no-stdin leaves it out."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable, Iterator

import pytest

from aikeys.cli import terminal
from aikeys.cli.prompts import request as prompt_request
from aikeys.cli.prompts.request import PromptInput
from aikeys.errors import UsageError
from aikeys.providers.wire.values import Request, Text


class Pipe:
    """Standard input that is a pipe, and what is said while it is read."""

    def __init__(self) -> None:
        self.ours, self.theirs = os.pipe()
        self.said: list[str] = []
        self.when_said: Callable[[], None] = self.close

    def write(self, data: bytes) -> None:
        os.write(self.theirs, data)

    def close(self) -> None:
        os.close(self.theirs)

    def say(self, text: str) -> None:
        self.said.append(text)
        self.when_said()


@pytest.fixture
def pipe(monkeypatch: pytest.MonkeyPatch) -> Iterator[Pipe]:
    made = Pipe()
    stdin = os.fdopen(made.ours, encoding="utf-8")
    monkeypatch.setattr(sys, "stdin", stdin)
    monkeypatch.setattr(terminal, "say", made.say)
    monkeypatch.setattr(terminal, "STDIN_WAIT_S", 0.01)
    yield made
    stdin.close()


def text_of(request: Request) -> str:
    (part,) = request.messages[-1].parts
    assert isinstance(part, Text)
    return part.text


def test_a_pipe_that_stays_open_is_said_with_the_way_around_it(pipe: Pipe) -> None:
    assert text_of(prompt_request.request_of(PromptInput("hi"), stream=False)) == "hi"
    assert pipe.said == ["waiting for the end of standard input; --no-stdin goes without it"]


def test_it_is_said_once_and_also_where_a_part_has_come(pipe: Pipe) -> None:
    def more() -> None:
        pipe.write(b" and more")
        pipe.close()

    pipe.when_said = more
    pipe.write(b"some")
    assert text_of(prompt_request.request_of(PromptInput("-"), stream=False)) == "some and more"
    assert pipe.said == ["waiting for the end of standard input"]


def test_nothing_is_said_of_a_pipe_that_ends(pipe: Pipe, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(terminal, "STDIN_WAIT_S", 60)
    pipe.write(b"all of it")
    pipe.close()
    assert text_of(prompt_request.request_of(PromptInput("why?"), stream=False)) == "all of it\n\nwhy?"
    assert pipe.said == []


def test_without_it_a_pipe_that_stays_open_is_not_read(pipe: Pipe) -> None:
    pipe.write(b"not this")
    assert text_of(prompt_request.request_of(PromptInput("hi", no_stdin=True), stream=False)) == "hi"
    assert pipe.said == []
    pipe.close()


@pytest.mark.parametrize(
    "typed",
    [
        PromptInput("-"),
        PromptInput("", files=("-",)),
        PromptInput("", attachments=("-",)),
        PromptInput("x", schema="-"),
    ],
    ids=["text", "file", "attachment", "schema"],
)
def test_a_dash_and_no_stdin_contradict_each_other(typed: PromptInput) -> None:
    with pytest.raises(UsageError, match="--no-stdin leaves that out"):
        prompt_request.request_of(typed._replace(no_stdin=True), stream=False)
    with pytest.raises(UsageError, match="standard input is named twice"):
        prompt_request.request_of(typed._replace(files=(*typed.files, "-", "-")), stream=False)


def test_a_terminal_is_read_only_where_a_dash_asks_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    stdin = io.TextIOWrapper(io.BytesIO(b"typed\n"))
    monkeypatch.setattr(sys, "stdin", stdin)
    monkeypatch.setattr(terminal, "on_terminal", lambda stream: stream is stdin)
    assert text_of(prompt_request.request_of(PromptInput("hi"), stream=False)) == "hi"
    assert text_of(prompt_request.request_of(PromptInput("-"), stream=False)) == "typed"


def test_more_than_the_limit_is_refused_and_no_more_is_read(pipe: Pipe) -> None:
    pipe.write(b"x" * 11)
    pipe.close()
    with pytest.raises(UsageError, match="standard input holds more"):
        terminal.read_stdin(10)
