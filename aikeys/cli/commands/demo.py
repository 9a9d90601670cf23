"""`aikeys demo`: the whole story on a throw-away vault, without a network or a key of yours."""

from __future__ import annotations

import os
import random
import shlex
import string
import subprocess
import sys
import tempfile
from typing import Annotated

import typer

from aikeys.cli import terminal
from aikeys.cli.help import epilog, new_app
from aikeys.errors import MachineFailed

app = new_app()
_EXAMPLES = (("aikeys demo", "watch it"), ("aikeys demo --keep", "and leave the vault to play with"))
_CHILD = (
    "import os; print('the program got', ', '.join(n + ' ending in ' + os.environ[n][-4:] "
    "for n in ('OPENAI_API_KEY', 'ANTHROPIC_API_KEY') if n in os.environ))"
)


@app.command(epilog=epilog(_EXAMPLES, (0, 1)))
def demo(keep: Annotated[bool, typer.Option("--keep", help="Leave the vault there afterwards.")] = False) -> None:
    """Try aikeys out in a throw-away vault: make it, add two keys, run a program with them, rotate, revoke.

    Every command is shown before it is run. The keys are made up; nothing leaves this machine.
    """
    folder = tempfile.mkdtemp(prefix="aikeys-demo-")
    try:
        _tell(folder)
    finally:
        if not keep:
            import shutil

            shutil.rmtree(folder, ignore_errors=True)
    where = f"; the vault is in {folder}" if keep else "; the vault is gone again"
    terminal.out(f"demo finished: 2 keys sealed, lent, 1 rotated, 1 revoked, every step recorded{where}")


def _tell(folder: str) -> None:
    made_up = [
        _made_up("sk-{}T3Blbk" + "FJ{}", 20),
        _made_up("sk-ant-api03-{}AA", 93),
        _made_up("sk-{}T3Blbk" + "FJ{}", 20),
    ]
    home = os.path.join(folder, "home")
    _step(home, "make a vault that a key file opens", ["init", "--key-file", os.path.join(folder, "key")])
    _step(home, "add two keys", ["add", "openai", "--stdin", "--no-verify"], made_up[0])
    _step(home, "", ["add", "anthropic", "--stdin", "--no-verify"], made_up[1])
    _step(home, "what is in it", ["list"])
    child = ["exec", "openai", "anthropic", "--", sys.executable, "-c", _CHILD]
    _step(home, "a program gets both, and nobody else", child)
    _step(home, "replace one", ["rotate", "openai", "--stdin", "--no-verify"], made_up[2])
    _step(home, "the next run has the new one", child)
    _step(home, "take one away", ["revoke", "anthropic"])
    _step(home, "it is gone", ["exec", "anthropic", "--", sys.executable, "-c", _CHILD], expected=125)
    _step(home, "all of it is on record", ["audit"])


def _made_up(form: str, size: int) -> str:
    """Return a key of a provider's form that nobody ever issued."""
    return form.format(*("".join(random.choices(string.ascii_letters + string.digits, k=size)) for _ in range(2)))  # noqa: S311


def _step(home: str, title: str, arguments: list[str], secret: str = "", expected: int = 0) -> None:
    if title:
        terminal.out(f"\n# {title}")
    words = ["python" if word == sys.executable else word for word in arguments]
    shown = shlex.join("…" if word == _CHILD else word for word in words)
    terminal.out(f"$ {'printf %s KEY | ' if secret else ''}aikeys {shown}")
    sys.stdout.flush()
    clean = {name: value for name, value in os.environ.items() if not name.startswith("AIKEYS_")}
    done = subprocess.run(
        [sys.executable, "-m", "aikeys", *arguments],
        env={**clean, "AIKEYS_HOME": home, "AIKEYS_NO_INPUT": "1"},
        input=secret,
        text=True,
        check=False,
    )
    if done.returncode != expected:
        raise MachineFailed(f"aikeys {arguments[0]} ended with {done.returncode}, not {expected}", "see aikeys doctor")
