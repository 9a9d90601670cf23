"""Keys that `import` found: read from where they are, shown, added with the variables their programs read."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from aikeys.cli import terminal
from aikeys.errors import NotFound, UsageError

if TYPE_CHECKING:
    from aikeys.imports.naming import Planned
    from aikeys.imports.sources import FoundKeys
    from aikeys.providers.catalogue import Provider
    from aikeys.secret import Secret
    from aikeys.vault.opening import Opened, Place

_Catalogue = dict[str, "Provider"]
_MOST_BYTES = 4 * 1024 * 1024
_PASSED_OVER = frozenset((".git", ".hg", ".svn", "node_modules", ".venv", "venv", "__pycache__", ".tox", ".mypy_cache"))
_STDIN = "-"


def read(source: str, files: list[str], catalogue: _Catalogue, *, recursive: bool) -> FoundKeys:
    """Return what is found; NotFound, UsageError for a file that cannot be read."""
    from aikeys.imports import sources
    from aikeys.imports.decoding import text_of
    from aikeys.imports.scanning import Scanner

    if source == "env":
        return sources.from_environment(os.environ, catalogue)
    if source in ("pass", "keyring"):
        from aikeys.imports import other_stores

        values = other_stores.from_pass(files, catalogue) if source == "pass" else other_stores.from_keyring(files)
        return sources.from_names(values, source, catalogue)
    if source not in ("dotenv", "llm"):
        raise UsageError(
            f"--from {terminal.printable(source)} is not known", "choose dotenv, env, llm, pass or keyring"
        )
    paths = files or ["." if recursive else ".env" if source == "dotenv" else _llm_keys()]
    scanner = Scanner(catalogue, {}) if recursive else None
    finder = sources.from_dotenv if source == "dotenv" else sources.from_llm
    parts = [
        finder(text_of(data), path, catalogue)
        for given in paths
        for path, data in _contents(given, recursive=recursive)
        if scanner is None or scanner.may_hold(data)
    ]
    return sources.FoundKeys(
        tuple(each for part in parts for each in part.candidates),
        tuple(each for part in parts for each in part.skipped),
    )


def _llm_keys() -> str:
    folder = os.environ.get("LLM_USER_PATH") or os.path.expanduser("~/.config/io.datasette.llm")
    return os.path.join(folder, "keys.json")


def _contents(given: str, *, recursive: bool) -> Iterator[tuple[str, bytes]]:
    """Yield files with their bytes: one that was named, or those of a folder that look like text."""
    from aikeys.imports.decoding import is_text

    if given == _STDIN:
        yield "standard input", terminal.read_stdin(_MOST_BYTES, is_asked_for=True)
        return
    if not os.path.isdir(given):
        yield os.path.abspath(given), _bytes(given)
        return
    if not recursive:
        raise UsageError(f"{terminal.printable(given)} is a folder", f"search it: aikeys import -r {given}")
    for folder, folders, names in os.walk(os.path.abspath(given)):
        folders[:] = sorted(name for name in folders if name not in _PASSED_OVER)
        for name in sorted(names):
            path = os.path.join(folder, name)
            data = _of_a_tree(path)
            if data is not None and is_text(data):
                yield path, data


def _bytes(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            data = file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise NotFound(f"cannot read {terminal.printable(path)}: {error.strerror}", "name the file") from None
    if len(data) > _MOST_BYTES:
        raise UsageError(f"{terminal.printable(path)} is larger than 4 MiB", "name a .env file")
    return data


def _of_a_tree(path: str) -> bytes | None:
    """Return a file of a searched folder, None where it is no regular file, too large, or cannot be read."""
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
    except OSError:
        return None
    with open(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_size > _MOST_BYTES:
            return None
        return file.read(_MOST_BYTES)


def plan_for(found: FoundKeys, opened: Opened) -> list[Planned]:
    """Return what to do with each key, by the names and secrets of the vault."""
    from aikeys.imports.naming import plan

    def same_secret(name: str, secret: Secret) -> bool:
        key = opened.rows.key_named(name)
        return key is not None and opened.content(key).secret == secret.reveal()

    return plan(found.candidates, {key.name: key.provider for key in opened.rows.keys}, same_secret)


def plan_without_vault(found: FoundKeys) -> list[Planned]:
    """Return what would be done in an empty vault."""
    from aikeys.imports.naming import plan

    return plan(found.candidates, {}, lambda _name, _secret: False)


def add(where: Place, opened: Opened, item: Planned, catalogue: _Catalogue) -> None:
    """Store a key as its programs read it: with their variables, and the base URL beside them."""
    from aikeys.cli.keys.new_keys import new_key, store

    candidate = item.candidate
    provider = catalogue[candidate.provider]
    new = new_key(
        item.name, provider, candidate.base_url or provider.base_url, candidate.secret,
        variables=_variables(item, catalogue),
    )  # fmt: skip
    if candidate.base_env:
        content = new.content._replace(base_url_env=candidate.base_env, set_base_url=candidate.base_url)
        new = new._replace(content=content)
    store(where, opened, new)


def add_variables(where: Place, opened: Opened, item: Planned, catalogue: _Catalogue) -> None:
    """Let exec set a key that the vault has in the variables that were found, too."""
    from aikeys.ledger.store import Act
    from aikeys.vault import changes
    from aikeys.vault.names import exact_key
    from aikeys.vault.writing import write

    key = exact_key(opened.rows, item.name)
    content = opened.content(key)
    found = [each.variable for each in (item.candidate, *item.also)]
    read = tuple(dict.fromkeys((*content.env, *(one for one in _variables(item, catalogue) if one in found))))
    if read == content.env:
        return
    changed = changes.Edit(key.id, lambda same: same, None, content._replace(env=read))
    write(where, opened, Act("edit", key.name), lambda vault: changes.edit_key(vault, changed, os.urandom))
    terminal.say(f"exec sets {item.name} in {', '.join(read)} now")


def _variables(item: Planned, catalogue: _Catalogue) -> tuple[str, ...]:
    """Return the variables of a key, without those that steer programs; they are named."""
    from aikeys.cli.keys.new_keys import variables_of

    fitting: list[str] = []
    for variable in item.variables(catalogue[item.candidate.provider].env):
        try:
            fitting += variables_of([variable])
        except UsageError as error:
            terminal.warn(error.message)
    return tuple(fitting)


def show(item: Planned, catalogue: _Catalogue) -> None:
    """Say what would be done with a key: under which name, to be sent where, and what is odd about it."""
    from aikeys.cli.keys.new_keys import check_format, say_without_address, warn_of_plain_http

    first, provider = item.candidate, catalogue[item.candidate.provider]
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


def say_skipped(found: FoundKeys) -> None:
    """Name what counts as a key and is not taken."""
    terminal.say_all(
        [
            f"skipped {skipped.variable or 'a line'} ({_place(skipped.file, skipped.line)}): {skipped.reason}"
            for skipped in found.skipped
        ]
    )


def say_tracked(taken: Sequence[Planned]) -> None:
    """Warn of files that git tracks: what is taken out of them stays in the history."""
    from aikeys.imports.places import tracked

    for file in dict.fromkeys(each.file for item in taken for each in (item.candidate, *item.also)):
        if file.startswith(os.sep) and tracked(file):
            terminal.warn(f"git tracks {file}: the key is in its history; make a new one and revoke this one")


def say_sum(found: FoundKeys, taken: Sequence[Planned]) -> None:
    """Say how many places hold a key, and what became of them: every one of them is taken, held, or named."""
    from aikeys.cli.render.counted import counted

    places = sum(1 + len(item.also) for item in taken)
    total = len(found.candidates) + len(found.skipped)
    files = {each.file for each in found.candidates} | {each.file for each in found.skipped}
    named = total - places
    where = counted(len(files - {""}), "file") if files - {""} else "the environment"
    terminal.say(f"{counted(total, 'place')} in {where}: {places} in the vault, {named} named and left")


def _place(file: str, line: int) -> str:
    return f"{file}:{line}" if line else file or "the environment"


def _where(item: Planned) -> str:
    return ", ".join(_place(each.file, each.line) for each in (item.candidate, *item.also))


def say_what_to_delete(planned: Sequence[Planned], *, but_lines: bool = False) -> None:
    """Name the lines that hold the keys, and the base URLs that came with those that were added."""
    found = [each for item in planned for each in (item.candidate, *item.also)]
    lines: list[str] = []
    for each in found:
        if each.line:
            last = "" if each.line == each.end_line else f"-{each.end_line}"
            lines.append(f"  {each.file}:{each.line}{last} {each.variable}")
    with_address = [item.candidate for item in planned if item.action == "add" and item.candidate.base_url]
    lines += [f"  {one.file}:{one.base_line} {one.base_variable}" for one in with_address if one.file]
    if but_lines:
        lines = []
    if lines:
        terminal.say("these files still contain the keys; delete these lines:")
    for line in dict.fromkeys(lines):
        terminal.say(line)
    variables = [each.variable for each in found if not each.file]
    variables += [one.base_variable for one in with_address if not one.file]
    if variables:
        names = " ".join(dict.fromkeys(variables))
        terminal.say(f"the keys are still in this shell's environment: unset {names}; and wherever it gets them from")
