"""`aikeys completion SHELL`: print a shell's completion script. The scripts are made by completions/generate.py."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from aikeys.cli import terminal
from aikeys.cli.help import epilog, new_app
from aikeys.errors import MachineFailed, UsageError

app = new_app()

_FILES = {"bash": "aikeys.bash", "zsh": "_aikeys", "fish": "aikeys.fish"}
_EXAMPLES = (
    ("aikeys completion bash > ~/.local/share/bash-completion/completions/aikeys", "complete aikeys in bash"),
    ("aikeys completion fish > ~/.config/fish/completions/aikeys.fish", "complete aikeys in fish"),
)


@app.command(epilog=epilog(_EXAMPLES, (0, 2)))
def completion(shell: Annotated[str, typer.Argument(metavar="SHELL", help="bash, zsh or fish.")]) -> None:
    """Print the completion script of a shell."""
    if shell not in _FILES:
        raise UsageError(f"no completion for {shell}", f"choose one of {', '.join(_FILES)}")
    terminal.out_raw(_script(_FILES[shell]))


def _script(name: str) -> bytes:
    """Return the script from the installed package, or from a checkout's completions/."""
    package = Path(__file__).parents[1] / "completions" / name
    checkout = Path(__file__).parents[3] / "completions" / name
    for place in (package, checkout):
        if place.is_file():
            return place.read_bytes()
    raise MachineFailed(f"{name} is missing from this installation", "install aikeys again")
