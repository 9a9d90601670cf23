"""`aikeys help`: a command's help, or a page of the manual, with and without man."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from aikeys.cli import terminal
from aikeys.cli.help import epilog, new_app
from aikeys.errors import NotFound

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

app = new_app()
_EXAMPLES = (
    ("aikeys help migrate", "from keys in files to aikeys, in eleven steps"),
    ("aikeys help exec", "the same as aikeys exec --help"),
    ("aikeys help", "the topics"),
)
_WIDTH = 78


@app.command(epilog=epilog(_EXAMPLES, (0, 2, 10)))
def help_(
    topic: Annotated[
        list[str] | None, typer.Argument(metavar="[TOPIC]...", help="A command, or a page such as security.")
    ] = None,
) -> None:
    """Show a page of the manual, or the help of a command."""
    from aikeys.cli.app import COMMANDS, main
    from aikeys.cli.render.grid import screen_width
    from aikeys.cli.render.manual import text_of
    from aikeys.names import meant

    words = topic or []
    pages = dict(_pages(COMMANDS))
    path = pages.get("-".join(words))
    if not words:
        terminal.out("topics: " + ", ".join(sorted(pages)))
        terminal.out("commands: " + ", ".join(name for name, command in COMMANDS.items() if command.group))
    elif path is not None:
        terminal.out(text_of(_text(path), min(screen_width() or _WIDTH, _WIDTH)).rstrip("\n"))
    elif words[0] in COMMANDS:
        raise SystemExit(main([*words, "--help"]))
    else:
        hint = meant("-".join(words), [*pages, *COMMANDS], "aikeys help lists the topics")
        raise NotFound(f"there is no help on {terminal.printable(words[0])[:60]}", hint)


def _text(path: str) -> str:
    with open(path, encoding="utf-8") as file:
        return file.read()


def _pages(commands: Collection[str]) -> Iterator[tuple[str, str]]:
    """Yield topics and their pages, where the wheel or the sources have them; a command's with its section."""
    beside = os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(__file__)))), "man")
    folders = [beside, *(os.path.join(sys.prefix, "share", "man", f"man{section}") for section in "57")]
    for folder in folders:
        try:
            names = os.listdir(folder)
        except OSError:
            continue
        for name in sorted(names):
            if name.startswith("aikeys-") and name.endswith((".5", ".7")):
                topic = name[len("aikeys-") : -2]
                yield f"{topic}-{name[-1]}" if topic in commands else topic, os.path.join(folder, name)
