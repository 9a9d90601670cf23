"""`aikeys use`: write down which keys a project's programs get."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated

import typer

from aikeys import clock
from aikeys.cli import access, home, terminal
from aikeys.cli.help import epilog, new_app
from aikeys.cli.keys.project_files import record, start_folder
from aikeys.errors import BadConfiguration, MachineFailed

if TYPE_CHECKING:
    from collections.abc import Sequence

app = new_app()
_EXAMPLES = (
    ("aikeys use openai gemini", "exec without a name lends these two in this folder"),
    ("aikeys use OPENAI_KEY=openai-p", "in the variable that this project's program reads"),
)
_NOTES = """
Writes [exec] keys and [exec.env] of .aikeys.toml in this folder, keeps all else in it, and allows exactly these bytes,
as `aikeys allow` does. A file that is there and is not allowed yet has to be looked at first.
"""


@app.command(epilog=epilog(_EXAMPLES, (0, 2, 10, 13, 14, 20, 21), _NOTES))
def use(
    names: Annotated[list[str], typer.Argument(metavar="NAME|VAR=NAME...", help="Keys, or a variable and its key.")],
) -> None:
    """Write down which keys exec lends in this folder."""
    from aikeys import project
    from aikeys.config import PROJECT_FILE
    from aikeys.lending.environment import check_variable
    from aikeys.vault.names import require_key

    where = home.place()
    rows, _ = access.look(where)
    pairs = [text.rpartition("=") for text in names]
    for variable, _, name in pairs:
        require_key(rows, name)
        if variable:
            check_variable(variable, "such as OPENAI_KEY=openai", "take another variable")
    path = os.path.join(os.path.realpath(start_folder("")), PROJECT_FILE)
    found = project.find(os.path.dirname(path))
    is_there = found is not None and found.path == path
    if is_there and found is not None and not project.is_allowed(where.home, found):
        raise BadConfiguration(f"{path} is there and was not allowed", "look at it first: aikeys allow")
    before = found.content if is_there and found is not None else None
    plain = [name for variable, _, name in pairs if not variable]
    _write(path, before, _edited(before or b"", plain, {variable: name for variable, _, name in pairs if variable}))
    written = project.find(os.path.dirname(path))
    if written is None or written.path != path:
        raise MachineFailed(f"{path} cannot be read back", "see: aikeys allow")
    record("allow", path, f"sha256={written.sha256}")
    project.allow(where.home, written, clock.now_s())
    said = [*plain, *(f"{name} (in {variable})" for variable, _, name in pairs if variable)]
    terminal.say(f"aikeys exec -- COMMAND lends {', '.join(said)} in {os.path.dirname(path)}")


def _edited(content: bytes, keys: Sequence[str], env: dict[str, str]) -> bytes:
    """Return a project's file with these keys and variables, all else as it was."""
    import tomlkit

    document = tomlkit.parse(content.decode("utf-8-sig"))
    section = document.setdefault("exec", tomlkit.table())
    section["keys"] = list(keys)
    if env:
        section["env"] = env
    else:
        section.pop("env", None)
    if not keys:
        section.pop("keys")
    return tomlkit.dumps(document).encode()


def _write(path: str, before: bytes | None, content: bytes) -> None:
    from aikeys.imports import rewriting

    if before is not None:
        original = rewriting.read_own(path)
        if isinstance(original, str) or original.data != before:
            raise BadConfiguration(
                f"{path} cannot be changed: {original if isinstance(original, str) else 'it changed'}"
            )
        rewriting.replace(original, content)
        return
    try:
        with open(path, "xb") as file:
            file.write(content)
    except OSError as error:
        raise MachineFailed(f"cannot write {path}: {error.strerror}", "check the folder's permissions") from None
