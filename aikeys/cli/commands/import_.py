"""`aikeys import`: take over keys from .env files and the environment."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated

import typer

from aikeys.cli import home, terminal
from aikeys.cli.help import epilog, new_app
from aikeys.errors import Cancelled, NotFound, UsageError

if TYPE_CHECKING:
    from aikeys.imports.naming import Planned
    from aikeys.imports.sources import FoundKeys
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


@app.command(epilog=epilog(_EXAMPLES, (0, 2, 3, 10, 11, 12, 13, 14, 20, 21)))
def import_(
    files: Annotated[list[str] | None, typer.Argument(metavar="[FILE]...", help="Files; .env without one.")] = None,
    source: Annotated[str, typer.Option("--from", metavar="dotenv|env|llm", help="What they are.")] = "dotenv",
) -> None:
    """Take keys over from .env files, the environment or llm's keys.json.

    Shows what was found, asks once, and says which lines to delete afterwards. Nothing is sent to a provider: try the
    keys with `aikeys verify`.
    """
    from aikeys.cli.keys.new_vault import require_or_offer

    where = home.place()
    made = require_or_offer(where)
    catalogue = home.catalogue(where)
    found = _read(source, files or [], catalogue)
    for skipped in found.skipped:
        terminal.say(f"skipped {skipped.variable or 'a line'} ({_place(skipped.file, skipped.line)}): {skipped.reason}")
    if not found.candidates:
        raise NotFound("no keys were found", "name a file, or --from env")
    opened = made or home.unlock(where).opened
    planned = _plan(found, opened)
    for item in planned:
        _show(item, catalogue[item.candidate.provider])
    new = [item for item in planned if item.action == "add"]
    question = f"Add {len(new)} {'key' if len(new) == 1 else 'keys'}?"
    if new and not terminal.options.yes and not terminal.confirm(question, True):
        raise Cancelled("nothing was imported")
    for item in new:
        _add(where, opened, item, catalogue)
        terminal.say(f"added {item.name}")
    _say_what_to_delete(planned)


def _read(source: str, files: list[str], catalogue: dict[str, Provider]) -> FoundKeys:
    from aikeys.imports import sources

    if source == "env":
        return sources.from_environment(os.environ, catalogue)
    if source not in ("dotenv", "llm"):
        raise UsageError(f"--from {terminal.printable(source)} is not known", "choose dotenv, env or llm")
    paths = files or [".env" if source == "dotenv" else _llm_keys()]
    read = sources.from_dotenv if source == "dotenv" else sources.from_llm
    parts = [read(_text(path), os.path.abspath(path), catalogue) for path in paths]
    return sources.FoundKeys(
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
        raise UsageError(f"{terminal.printable(path)} is larger than 4 MiB", "name a .env file")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UsageError(f"{terminal.printable(path)} is not UTF-8 text", "name a .env file") from None


def _plan(found: FoundKeys, opened: Opened) -> list[Planned]:
    from aikeys.imports.naming import plan

    def same_secret(name: str, secret: Secret) -> bool:
        key = opened.rows.key_named(name)
        return key is not None and opened.content(key).secret == secret.reveal()

    return plan(found.candidates, {key.name: key.provider for key in opened.rows.keys}, same_secret)


def _add(where: Place, opened: Opened, item: Planned, catalogue: dict[str, Provider]) -> None:
    from aikeys.cli.keys.new_keys import new_key, store

    candidate = item.candidate
    provider = catalogue[candidate.provider]
    store(where, opened, new_key(item.name, provider, candidate.base_url or provider.base_url, candidate.secret))


def _show(item: Planned, provider: Provider) -> None:
    """Say what would be done with a key: under which name, to be sent where, and what is odd about it."""
    from aikeys.cli.keys.new_keys import check_format, say_without_address, warn_of_plain_http

    first = item.candidate
    if item.action == "have":
        terminal.say(f"found {first.variable} ({_where(item)}) is there already as {item.name}")
        return
    terminal.say(f"found {first.variable} ({_where(item)}) -> {item.name}")
    if first.base_url:
        place = _place(first.file, first.base_line)
        terminal.say(
            f"  with the base URL {first.base_url}: {item.name} will be sent there ({first.base_variable}, {place})"
        )
    for other in item.also:
        if other.base_url and other.base_url != first.base_url:
            place = _place(other.file, other.base_line)
            terminal.say(f"  not with the base URL {other.base_url} ({other.base_variable}, {place})")
    warn_of_plain_http(first.base_url or provider.base_url, item.name)
    check_format(provider, first.secret)
    say_without_address(provider, item.name, first.base_url or provider.base_url)


def _place(file: str, line: int) -> str:
    return f"{file}:{line}" if file else "the environment"


def _where(item: Planned) -> str:
    return ", ".join(_place(each.file, each.line) for each in (item.candidate, *item.also))


def _say_what_to_delete(planned: list[Planned]) -> None:
    """Name the lines that hold the keys, and the base URLs that came with those that were added."""
    found = [each for item in planned for each in (item.candidate, *item.also)]
    lines: list[str] = []
    for each in found:
        if each.file:
            last = "" if each.line == each.end_line else f"-{each.end_line}"
            lines.append(f"  {each.file}:{each.line}{last} {each.variable}")
    with_address = [item.candidate for item in planned if item.action == "add" and item.candidate.base_url]
    lines += [f"  {one.file}:{one.base_line} {one.base_variable}" for one in with_address if one.file]
    if lines:
        terminal.say("these files still contain the keys; delete these lines:")
    for line in dict.fromkeys(lines):
        terminal.say(line)
    variables = [each.variable for each in found if not each.file]
    variables += [one.base_variable for one in with_address if not one.file]
    if variables:
        names = " ".join(dict.fromkeys(variables))
        terminal.say(f"the keys are still in this shell's environment: unset {names}; and wherever it gets them from")
