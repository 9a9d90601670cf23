"""`aikeys import`: take keys over from where they lie about."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated

import typer

from aikeys.cli import home, terminal
from aikeys.cli.help import epilog, new_app
from aikeys.errors import Cancelled, NotFound, Usage

if TYPE_CHECKING:
    from aikeys.imports.naming import Planned
    from aikeys.imports.sources import Found
    from aikeys.providers.catalogue import Provider
    from aikeys.secret import Secret
    from aikeys.vault.opening import Opened, Place

app = new_app()
_EXAMPLES = (
    ("aikeys import", "the .env of this folder"),
    ("aikeys import */.env", "several: keys of one provider are named by their folder"),
    ("aikeys import --from llm", "the keys of the llm command"),
)
_MOST_BYTES = 4 * 1024 * 1024


@app.command(epilog=epilog(_EXAMPLES, (0, 2, 3, 10, 11, 12, 13, 14)))
def import_(
    files: Annotated[list[str] | None, typer.Argument(metavar="[FILE]...", help="Files; .env without one.")] = None,
    source: Annotated[str, typer.Option("--from", metavar="dotenv|env|llm", help="What they are.")] = "dotenv",
) -> None:
    """Take keys over from .env files, the environment or llm's keys.json.

    Shows what was found, asks once, and says which lines to delete afterwards. Nothing is sent to a provider: try the
    keys with `aikeys verify`.
    """
    where = home.place()
    if not where.vault.exists and home.is_interactive() and terminal.confirm("There is no vault yet. Make one?", True):
        from aikeys.cli.commands.init import make

        make()
    where.vault.require()
    catalogue = home.catalogue(where)
    found = _read(source, files or [], catalogue)
    for skipped in found.skipped:
        terminal.say(f"skipped {skipped.variable or 'a line'} ({_place(skipped.file, skipped.line)}): {skipped.reason}")
    if not found.candidates:
        raise NotFound("no keys were found", "name a file, or --from env")
    opened = home.unlock(where).opened
    planned = _plan(found, opened)
    for item in planned:
        word = "is there already as" if item.action == "have" else "->"
        terminal.say(f"found {item.candidate.variable} ({_where(item)}) {word} {item.name}")
    new = [item for item in planned if item.action == "add"]
    if new and not terminal.options.yes and not terminal.confirm(f"Add {len(new)} keys?", True):
        raise Cancelled("nothing was imported")
    for item in new:
        _add(where, opened, item, catalogue)
        terminal.say(f"added {item.name}")
    _say_what_to_delete(planned)


def _read(source: str, files: list[str], catalogue: dict[str, Provider]) -> Found:
    from aikeys.imports import sources

    if source == "env":
        return sources.from_environment(os.environ, catalogue)
    if source not in ("dotenv", "llm"):
        raise Usage(f"--from {terminal.printable(source)} is not known", "choose dotenv, env or llm")
    paths = files or [".env" if source == "dotenv" else _llm_keys()]
    read = sources.from_dotenv if source == "dotenv" else sources.from_llm
    parts = [read(_text(path), os.path.abspath(path), catalogue) for path in paths]
    return sources.Found(
        tuple(each for part in parts for each in part.candidates),
        tuple(each for part in parts for each in part.skipped),
    )


def _llm_keys() -> str:
    folder = os.environ.get("LLM_USER_PATH") or os.path.expanduser("~/.config/io.datasette.llm")
    return os.path.join(folder, "keys.json")


def _text(path: str) -> str:
    try:
        with open(path, "rb") as file:
            data = file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise NotFound(f"cannot read {terminal.printable(path)}: {error.strerror}", "name the file") from None
    if len(data) > _MOST_BYTES:
        raise Usage(f"{terminal.printable(path)} is larger than 4 MiB", "name a .env file")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Usage(f"{terminal.printable(path)} is not UTF-8 text", "name a .env file") from None


def _plan(found: Found, opened: Opened) -> list[Planned]:
    from aikeys.imports.naming import plan

    def same_secret(name: str, secret: Secret) -> bool:
        key = opened.rows.key_named(name)
        return key is not None and opened.content(key).secret == secret.reveal()

    return plan(found.candidates, {key.name: key.provider for key in opened.rows.keys}, same_secret)


def _add(where: Place, opened: Opened, item: Planned, catalogue: dict[str, Provider]) -> None:
    from aikeys.cli.commands.add import new_key, store

    candidate = item.candidate
    provider = catalogue[candidate.provider]
    store(where, opened, new_key(item.name, provider, candidate.base_url or provider.base_url, candidate.secret))


def _place(file: str, line: int) -> str:
    return f"{file}:{line}" if file else "the environment"


def _where(item: Planned) -> str:
    return ", ".join(_place(each.file, each.line) for each in (item.candidate, *item.also))


def _say_what_to_delete(planned: list[Planned]) -> None:
    places = [each for item in planned for each in (item.candidate, *item.also) if each.file]
    if places:
        terminal.say("the keys still lie in these lines; delete them:")
    for each in places:
        lines = f"{each.line}" if each.line == each.end_line else f"{each.line}-{each.end_line}"
        terminal.say(f"  {each.file}:{lines} {each.variable}")
