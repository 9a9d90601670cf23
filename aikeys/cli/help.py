"""The common shape of every command: its Typer object, and the examples and exit statuses under its help.

The man pages are made from the same text (man/generate.py), so the headings stand here.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from aikeys.cli import terminal
from aikeys.errors import EXIT_STATUSES

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    import typer

EXAMPLES = "Examples:"
EXIT_STATUS = "Exit status:"
EVERY_COMMANDS = (0, 1, 2)
EXEC_FAILED = 125  # instead of all others: exec's statuses are its program's
_MARGIN = 3  # what Typer puts before each line, and one column to spare
_AS_IT_IS = "\b\n"  # Typer rewraps a paragraph unless it begins so


def new_app() -> typer.Typer:
    """Return the Typer object a command module fills: plain help, no tracebacks, no completion options."""
    import typer

    return typer.Typer(
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        no_args_is_help=True,  # of a group; a single command runs without arguments
        context_settings={"help_option_names": ["-h", "--help"]},
    )


def epilog(examples: Sequence[tuple[str, str]], statuses: Collection[int], notes: str = "") -> str:
    """Return what stands under a command's help: notes, examples (command line, what it does), exit statuses."""
    paragraphs = [notes.strip()] if notes else []
    if examples:
        lines = [line for command, meaning in examples for line in (f"  {command}", _hanging("      ", meaning))]
        paragraphs.append("\n".join([_AS_IT_IS + EXAMPLES, *lines]))
    paragraphs.append(exit_statuses({*statuses} if EXEC_FAILED in statuses else {*EVERY_COMMANDS, *statuses}))
    return "\n\n".join(paragraphs)


def exit_statuses(statuses: Iterable[int]) -> str:
    """Return the paragraph of exit statuses, in ascending order."""
    rows = [_hanging(f"  {status:>3}  ", EXIT_STATUSES[status]) for status in sorted(set(statuses))]
    return "\n".join([_AS_IT_IS + EXIT_STATUS, *rows])


def _hanging(start: str, text: str) -> str:
    """Return the text behind its start, on a narrow terminal in lines below each other; a command is never cut."""
    if not terminal.on_terminal(sys.stdout):
        return start + text
    from aikeys.cli.render.grid import screen_width, wrapped

    room = max((screen_width() or 80) - len(start) - _MARGIN, 1)
    return start + wrapped(text, room).replace("\n", "\n" + " " * len(start))
