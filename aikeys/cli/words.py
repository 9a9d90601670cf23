"""A command line taken apart before Typer sees it: the global options, the command's name, the rest.

Part of `exec`'s hot path: imports next to nothing.
"""

from collections.abc import Sequence

from aikeys.cli import terminal
from aikeys.errors import UsageError
from aikeys.storage.record import NamedTuple

_FLAGS = {
    "-q": "quiet",
    "--quiet": "quiet",
    "-v": "verbose",
    "--verbose": "verbose",
    "--no-input": "no_input",
    "-y": "yes",
    "--yes": "yes",
    "--version": "version",
}
_NO_HOME = ("--home needs a directory", "see aikeys --help")


class Words(NamedTuple):
    """A command line taken apart: the global options, the command's name ("" if none), and what is left for it."""

    global_options: list[str]
    command: str
    rest: list[str]


def split(argv: Sequence[str]) -> Words:
    """Take the command line apart; UsageError where --home lacks its directory, or names none."""
    words = Words([], "", [])
    waiting = list(argv)
    while waiting:
        word = waiting.pop(0)
        if word == "--":
            return words._replace(rest=[*words.rest, "--", *waiting])
        if word == "--home":
            if not waiting or not waiting[0] or waiting[0].startswith("-"):
                raise UsageError(*_NO_HOME)
            words.global_options.extend([word, waiting.pop(0)])
        elif word == "--home=":
            raise UsageError(*_NO_HOME)
        elif _is_global(word):
            words.global_options.append(word)
        elif words.command or word.startswith("-"):
            words.rest.append(word)
        else:
            words = words._replace(command=word)
            if word == "exec":
                return words._replace(rest=[*words.rest, *waiting])
    return words


def own(found: Words) -> list[str]:
    """Return the words of an `exec` that are ours: all before `--`, and the program."""
    end = found.rest.index("--") + 2 if "--" in found.rest else len(found.rest)
    return [*found.global_options, *found.rest[:end]]


def hoist(argv: Sequence[str]) -> list[str]:
    """Move the global options to the front."""
    global_options, command, rest = split(argv)
    return [*global_options, *([command] if command else []), *rest]


def apply(global_options: Sequence[str]) -> None:
    """Store global options that `split` found, for what runs without Typer."""
    waiting = list(global_options)
    while waiting:
        word = waiting.pop(0)
        if word == "--home":
            terminal.options.home = waiting.pop(0)
        elif word.startswith("--home="):
            terminal.options.home = word.removeprefix("--home=")
        else:
            for flag in [word] if word in _FLAGS else [f"-{letter}" for letter in word[1:]]:
                if flag != "--version":
                    setattr(terminal.options, _FLAGS[flag], True)


def _is_global(word: str) -> bool:
    if word in _FLAGS or word.startswith("--home="):
        return True
    return len(word) > 2 and word[0] == "-" and set(word[1:]) <= set("qvy")
