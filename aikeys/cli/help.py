"""The common shape of every command: its Typer object, and the examples and exit statuses under its help.

The man pages are made from the same text (man/generate.py), so the headings stand here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aikeys.errors import EXIT_STATUSES

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import typer

EXAMPLES = "Examples:"
EXIT_STATUS = "Exit status:"
_AS_IT_IS = "\b\n"  # Typer rewraps a paragraph unless it begins so


def new_app() -> typer.Typer:
    """Return the Typer object a command module fills: plain help, no tracebacks, no completion options."""
    import typer

    return typer.Typer(
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        context_settings={"help_option_names": ["-h", "--help"]},
    )


def epilog(examples: Sequence[tuple[str, str]], statuses: Iterable[int], notes: str = "") -> str:
    """Return what stands under a command's help: notes, examples (command line, what it does), exit statuses."""
    paragraphs = [notes.strip()] if notes else []
    if examples:
        lines = [line for command, meaning in examples for line in (f"  {command}", f"      {meaning}")]
        paragraphs.append("\n".join([_AS_IT_IS + EXAMPLES, *lines]))
    paragraphs.append(exit_statuses(statuses))
    return "\n\n".join(paragraphs)


def exit_statuses(statuses: Iterable[int]) -> str:
    """Return the paragraph of exit statuses, in ascending order."""
    rows = [f"  {status:>3}  {EXIT_STATUSES[status]}" for status in sorted(set(statuses))]
    return "\n".join([_AS_IT_IS + EXIT_STATUS, *rows])
