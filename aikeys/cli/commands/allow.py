"""`aikeys allow`: look at a project's file, and let it choose keys and labels from now on."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated

import typer

from aikeys import clock
from aikeys.cli import home, terminal
from aikeys.cli.help import epilog, new_app
from aikeys.cli.keys.project_files import record, start_folder
from aikeys.errors import BadConfiguration, Cancelled, NotFound, UsageError

if TYPE_CHECKING:
    from aikeys.config import Project
    from aikeys.project import ProjectFile

app = new_app()
_EXAMPLES = (
    ("aikeys allow", "show the project's file of this folder, and ask whether to use it"),
    ("aikeys allow --allow-file SHA256 DIR", "without a terminal: exactly this file"),
    ("aikeys allow --list", "the files that are allowed"),
)
_NOTES = """\b
A project's file, .aikeys.toml, looked for upwards from DIR:
  [exec]
  keys = ["openai"]          # for exec without a name
  [exec.env]
  SEARCH_KEY = "openai-2"    # a variable, and the key that goes there
  [defaults]
  labels = { team = "search", project = "shop" }

It may hold nothing else. A label of the file counts only where no flag, token, config.toml, key, CI or git sets that
label. What is allowed is this path, this owner and these bytes; when one of them changes, the file is named and ignored
until it is allowed again. A file that other users own or can write is never allowed."""


@app.command(epilog=epilog(_EXAMPLES, (0, 1, 2, 3, 10, 13, 14, 20, 21), _NOTES))
def allow(
    folder: Annotated[str, typer.Argument(metavar="[DIR]", help="The project's folder; this one by default.")] = "",
    allow_file: Annotated[
        str, typer.Option("--allow-file", metavar="SHA256", help="Allow the file with this digest, without a question.")
    ] = "",
    remove: Annotated[bool, typer.Option("--remove", help="Allow the file no longer.")] = False,
    list_all: Annotated[bool, typer.Option("--list", help="List what is allowed.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Let a project's file choose keys and labels. Shows it, asks, and remembers exactly this file; audited."""
    if remove + list_all + bool(allow_file) > 1:
        raise UsageError("--list, --remove and --allow-file exclude each other", "give one of them")
    if list_all:
        _list(as_json=as_json)
        return
    start = start_folder(folder)
    if remove:
        _remove(start)
        return
    _allow(start, allow_file.lower(), as_json=as_json)


def _allow(start: str, digest: str, *, as_json: bool) -> None:
    from aikeys import project

    found = project.find(start)
    if found is None:
        raise NotFound(
            f"there is no .aikeys.toml in {terminal.printable(start)} or above", "aikeys allow --help shows one"
        )
    says = project.says(found)
    _check_digest(found, digest)
    is_new = not project.is_allowed(home.folder(), found)
    if is_new:
        _show(found, says, with_digest=not digest)
        _agree(found, digest)
        record("allow", found.path, f"sha256={found.sha256}")
        project.allow(home.folder(), found, clock.now_s())
    if as_json:
        _print(found, says)
    terminal.say(f"{found.path} {'is allowed now' if is_new else 'is allowed already'}")


def _check_digest(found: ProjectFile, digest: str) -> None:
    """Raise BadConfiguration where a digest was given and is another file's, also where this one is allowed already."""
    if digest and digest != found.sha256:
        hint = f"look at the file and its digest: aikeys allow {_quoted(os.path.dirname(found.path))}"
        raise BadConfiguration(f"{found.path} has another digest than the one given", hint)


def _agree(found: ProjectFile, digest: str) -> None:
    """Return where the user agrees to exactly this file, else raise Cancelled. --yes is no look at it."""
    if digest:
        return
    if not terminal.can_ask():
        hint = f"look at it, then: aikeys allow --allow-file {found.sha256} {_quoted(os.path.dirname(found.path))}"
        raise Cancelled(f"{found.path} has to be looked at, and this is not interactive", hint)
    if not terminal.confirm("Let this file choose keys and labels?"):
        raise Cancelled("the file is not allowed")


def _show(found: ProjectFile, says: Project, *, with_digest: bool) -> None:
    """Say all that the file would decide; a digest that was typed is not repeated."""
    lines = [f"{found.path}, owner {found.owner}", *([f"SHA-256 {found.sha256}"] if with_digest else [])]
    is_empty = not (says.exec_keys or says.exec_env or says.labels)
    lines += [f"key {name}" for name in says.exec_keys]
    lines += [f"variable {variable} gets the key {name}" for variable, name in says.exec_env]
    lines += [f"label {name}={value}" for name, value in says.labels]
    terminal.say_all([*lines, "it chooses nothing"] if is_empty else lines)


def _print(found: ProjectFile, says: Project) -> None:
    from aikeys.cli.render.json_text import document

    row = {
        "path": found.path,
        "owner": found.owner,
        "sha256": found.sha256,
        "keys": list(says.exec_keys),
        "variables": dict(says.exec_env),
        "labels": dict(says.labels),
    }
    terminal.out(document("aikeys.allow/1", **row))


def _list(*, as_json: bool) -> None:
    from aikeys import project
    from aikeys.cli.render.json_text import document
    from aikeys.cli.render.table import table

    rows = project.allowed(home.folder())
    if as_json:
        times = [clock.rfc3339(row.allowed_at) for row in rows]
        files = [{**row._asdict(), "allowed_at": at} for row, at in zip(rows, times, strict=True)]
        terminal.out(document("aikeys.allowed/1", files=files))
    elif rows:
        lines = [[row.path, str(row.owner), row.sha256[:16], clock.rfc3339(row.allowed_at)] for row in rows]
        terminal.out_styled(table(("FILE", "OWNER", "SHA-256", "ALLOWED"), lines))
    else:
        terminal.say("no project's file is allowed")


def _remove(start: str) -> None:
    """Remove the nearest file above that is on the list; it may be gone, or another by now."""
    from aikeys import project
    from aikeys.config import PROJECT_FILE

    known = {row.path for row in project.allowed(home.folder())}
    folder = os.path.realpath(start)
    while (path := os.path.join(folder, PROJECT_FILE)) not in known:
        if folder == os.path.dirname(folder):
            raise NotFound(f"no file in {terminal.printable(start)} or above is allowed", "aikeys allow --list")
        folder = os.path.dirname(folder)
    project.disallow(home.folder(), path)
    record("disallow", path, "")
    terminal.say(f"{path} is allowed no longer")


def _quoted(path: str) -> str:
    from shlex import quote

    return quote(path)
