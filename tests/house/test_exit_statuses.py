"""The help of every command names the exit statuses that it can end with."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from aikeys.cli import app
from aikeys.cli.help import EVERY_COMMANDS, EXAMPLES, EXIT_STATUS
from aikeys.tokens import admission


def commands(tree: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    for name, command in tree.commands.items():
        yield f"{path}{name}", command
        if hasattr(command, "commands"):
            yield from commands(command, f"{path}{name} ")


def statuses(command: Any) -> set[int]:
    text = command.epilog.partition(EXIT_STATUS)[2]
    return {int(found) for found in re.findall(r"(?m)^ +(\d+)  ", text)}


def test_what_a_token_may_be_refused_says_so() -> None:
    for path, command in commands(app.load_all()):
        if not hasattr(command, "commands") and path != "exec" and admission.of_command(path) != admission.FREE:
            assert statuses(command) >= {20, 21}, path


def test_a_group_names_what_its_commands_do_and_shows_an_example() -> None:
    groups = [(path, command) for path, command in commands(app.load_all()) if hasattr(command, "commands")]
    assert len(groups) == 7
    for path, group in groups:
        wanted = set(EVERY_COMMANDS).union(*(statuses(command) for command in group.commands.values()))
        assert statuses(group) == wanted, (path, sorted(statuses(group) ^ wanted))
        assert f"aikeys {path} " in group.epilog.partition(EXAMPLES)[2]
