"""`aikeys scan`: find keys in files, histories and transcripts, before others do."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from aikeys.cli import home, terminal
from aikeys.cli.help import epilog, new_app
from aikeys.errors import AikeysError, FindingsError, NotFound, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from aikeys.imports.places import TextPart
    from aikeys.imports.scanning import LooseKey
    from aikeys.providers.catalogue import Provider

app = new_app()
_EXAMPLES = (
    ("aikeys scan", "the files of this folder that git does not ignore"),
    ("aikeys scan --git --history --agents", "git's history, the shells' and what agents wrote down, too"),
    ("aikeys scan --format github src", "annotations for a workflow; 25 where there is a key"),
)
_NOTES = """
It looks for the shapes of all providers' keys, for their variables, and for the keys of the vault themselves where it
opens without a question. Nothing is sent anywhere, and no byte of a key is printed. What is ignored by git is passed
over unless --all-files says otherwise; so are binary files. A value that only its variable tells counts where it looks
random: in 10,000 look-alikes at most 10 are taken for keys.

For pre-commit, in .pre-commit-config.yaml:

  repos: [{repo: local, hooks: [{id: aikeys, name: aikeys scan, entry: aikeys scan, language: system}]}]
"""


@app.command(epilog=epilog(_EXAMPLES, (0, 2, 10, 12, 13, 14, 25), _NOTES))
def scan(
    paths: Annotated[
        list[str] | None, typer.Argument(metavar="[PATH]...", help="Files and folders; else this one.")
    ] = None,
    git: Annotated[bool, typer.Option("--git", help="Search git's history of these folders, too.")] = False,
    history: Annotated[bool, typer.Option("--history", help="Search the histories of your shells, too.")] = False,
    agents: Annotated[bool, typer.Option("--agents", help="Search what agents wrote down in your home, too.")] = False,
    all_files: Annotated[bool, typer.Option("--all-files", help="Search also what git ignores.")] = False,
    form: Annotated[
        str, typer.Option("--format", metavar="text|json|github", help="How findings are printed.")
    ] = "text",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Find keys in files, histories and transcripts."""
    if form not in ("text", "json", "github"):
        raise UsageError(f"{terminal.printable(form)} is not a format", "one of: text, json, github")
    given = paths or ["."]
    missing = next((path for path in given if not os.path.lexists(path)), None)
    if missing is not None:
        raise NotFound(f"there is no {terminal.printable(missing)}", "check its name")
    where = home.place()
    catalogue = home.catalogue(where)
    found = list(_found(_parts(given, git=git, history=history, agents=agents, ignored=all_files), catalogue))
    _print(found, catalogue, "json" if as_json else form)
    if found:
        count = f"{len(found)} {'key was' if len(found) == 1 else 'keys were'} found"
        raise FindingsError(count, "take them into the vault and out of the files: aikeys import --remove FILE")


def _parts(paths: list[str], *, git: bool, history: bool, agents: bool, ignored: bool) -> Iterator[TextPart]:
    from aikeys.imports import places

    user = os.path.expanduser("~")
    yield from places.of_paths(paths, ignored=ignored)
    if git:
        for path in paths:
            yield from places.of_git(path if os.path.isdir(path) else os.path.dirname(path) or ".")
    if history:
        yield from places.of_paths(places.histories(user), ignored=True)
    if agents:
        yield from places.of_paths(places.transcripts(user), ignored=True)


def _found(parts: Iterator[TextPart], catalogue: dict[str, Provider]) -> Iterator[tuple[str, LooseKey]]:
    """Yield the findings, each place and key once."""
    from aikeys.imports.scanning import Scanner

    scanner, seen = Scanner(catalogue, _held()), set()
    with _counting() as step:
        for part in parts:
            step(part.place)
            for one in scanner.findings(part.data):
                finding = one._replace(line=part.first_line + one.line - 1)
                if (part.place, finding) not in seen:
                    seen.add((part.place, finding))
                    yield part.place, finding


def _held() -> dict[bytes, tuple[str, str]]:
    """Return the secrets of the vault and their keys' names, where it opens without a question."""
    from aikeys.vault.opening import picture
    from aikeys.vault.unlock.order import quietly

    where = home.place()
    if os.environ.get("AIKEYS_TOKEN", "").strip():
        return {}
    try:
        opened = quietly(picture(where), home.means())
    except NotFound:
        return {}
    except AikeysError as error:
        terminal.warn(f"keys of the vault are found by their shape only: {error.message}")
        return {}
    if opened is None:
        terminal.say("the vault is locked: its keys are found by their shape only (aikeys unlock)")
        return {}
    return {
        secret: (key.name, key.provider)
        for key in opened.rows.keys
        for secret in opened.secrets(key)
        if len(secret) >= 8  # shorter ones are words
    }


@contextmanager
def _counting() -> Iterator[Callable[[str], None]]:
    """Show on a terminal how many files were searched."""
    from aikeys.cli.screen import counting

    with counting("searching") as step:
        yield lambda _place: step()


def _print(found: list[tuple[str, LooseKey]], catalogue: dict[str, Provider], form: str) -> None:
    from aikeys.cli.render.budget_states import annotation
    from aikeys.cli.render.json_text import document
    from aikeys.imports.scanning import titles

    names = titles([one for _, one in found], catalogue)
    if form == "json":
        rows = [
            {
                "path": place,
                "line": one.line,
                "provider": one.provider,
                "key": one.key or None,
                "variable": one.variable or None,
            }
            for place, one in found
        ]
        terminal.out(document("aikeys.scan/1", findings=rows))
        return
    for (place, one), name in zip(found, names, strict=True):
        if form == "github":
            line = annotation("error", "aikeys", f"this is {name}", file=terminal.printable(place), line=one.line)
            terminal.out(line)
        else:
            variable = f" in {terminal.printable(one.variable)}" if one.variable else ""
            terminal.out(f"{terminal.printable(place)}:{one.line}: {name}{variable}")
