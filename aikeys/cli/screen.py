"""Drawings that a terminal shows again and again: a picture on a screen of its own, a bar of progress."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from aikeys.cli import terminal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@contextmanager
def picture() -> Iterator[Callable[[str], None]]:
    """Draw text that render/ already escaped, again and again, on a screen of its own; the old one comes back."""
    stream = terminal.stdout()

    def show(text: str) -> None:
        lines = terminal.encodable(text, stream).split("\n")
        stream.write("\x1b[H" + "".join(f"{line}\x1b[K\r\n" for line in lines) + "\x1b[J")
        stream.flush()

    stream.write("\x1b[?1049h\x1b[?25l")
    try:
        yield show
    finally:
        stream.write("\x1b[?25h\x1b[?1049l")
        stream.flush()


@contextmanager
def progress(description: str, total: int) -> Iterator[Callable[[], None]]:
    """Show a bar on a terminal's stderr, nothing elsewhere; yields a function that advances it by one."""
    if terminal.options.quiet or not terminal.on_terminal(sys.stderr):
        yield lambda: None
        return
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(escape(terminal.printable(description)), total=total)
        yield lambda: bar.advance(task)


@contextmanager
def counting(description: str) -> Iterator[Callable[[], None]]:
    """Show on a terminal's stderr how often the function that is yielded was called, nothing elsewhere."""
    if terminal.options.quiet or not terminal.on_terminal(sys.stderr):
        yield lambda: None
        return
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import Progress, TextColumn

    column = TextColumn("{task.description}: {task.completed:,.0f} files")
    with Progress(column, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(escape(terminal.printable(description)), total=None)
        yield lambda: bar.advance(task)
