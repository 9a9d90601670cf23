"""`aikeys exec`: run a program with keys in its environment.

`run` is called before Typer is imported; the Typer command here only lists the options for help and documents.
Reads no TOML unless a config or project file is needed to know which keys.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NoReturn

from aikeys.cli import home, terminal
from aikeys.errors import AikeysError, BadConfiguration, NotFound, Usage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aikeys.ledger.store import Ledger
    from aikeys.lending.arguments import ExecArguments
    from aikeys.lending.environment import Lent
    from aikeys.vault.format import Key, Rows
    from aikeys.vault.opening import Opened, Place


def run(argv: Sequence[str]) -> int:
    """Parse, open, record, become the program. Returns only where help was asked for."""
    from aikeys.lending.arguments import parse

    arguments = parse(argv)
    if arguments.help:
        from aikeys.cli import app

        return app.main(["exec", "--help"])
    _apply(arguments)
    return _lend(arguments)


def _apply(arguments: ExecArguments) -> None:
    options = terminal.options
    options.home = arguments.home or options.home
    options.no_input = options.no_input or arguments.no_input
    options.quiet = options.quiet or arguments.quiet
    options.verbose = options.verbose or arguments.verbose


def _lend(arguments: ExecArguments) -> NoReturn:
    from aikeys.lending import child, environment

    core_limit = child.forbid_core_dumps()
    parent = os.environb
    inside = environment.nested(parent)
    if inside is not None and not arguments.nested:
        raise Usage(f"this runs inside aikeys exec already (keys: {inside})", "to do it on purpose: --nested")
    program = child.find_program(arguments.command[0], os.environ.get("PATH"))
    where = home.place()
    ledger = where.ledger
    opened = home.unlock(where, ledger=ledger).opened
    keys = _chosen(arguments, where, opened.rows)
    if not arguments.unmetered:
        _refuse_limited(ledger, keys)
    lent = [lend_key(opened, key) for key in keys]
    renamed = {variable: _resolved(opened.rows, name).name for variable, name in arguments.env}
    env = environment.child_environment(parent, lent, renamed, arguments.clean_env)
    _record(ledger, opened, keys, arguments)
    for variable in environment.replaced(parent, env, lent):
        terminal.detail(f"{variable} of this environment is not passed on: it would send a key to another address")
    terminal.detail(f"lends {', '.join(key.name for key in keys)} to {arguments.command[0]}")
    child.replace_process(program, arguments.command, env, core_limit)


def lend_key(opened: Opened, key: Key) -> Lent:
    """Return a key opened for a child's environment."""
    from aikeys.lending.environment import Lent
    from aikeys.secret import Secret

    content = opened.content(key)
    return Lent(
        key.name,
        Secret(content.secret),
        content.env,
        content.base_url_env,
        content.set_base_url,
        content.extra,
        content.clear,
        bool(key.is_admin),
    )


def _chosen(arguments: ExecArguments, where: Place, rows: Rows) -> list[Key]:
    if arguments.all:
        named = {name for _, name in arguments.env}
        keys = sorted(
            (key for key in rows.keys if not key.is_admin and (key.provider != "other" or key.name in named)),
            key=lambda key: key.name,
        )
        if not keys:
            raise NotFound("there is no key that exec could lend", "add one: aikeys add NAME")
        return keys
    names = (*arguments.names, *(name for _, name in arguments.env)) or _configured(where)
    if not names:
        return [_only_key(rows)]
    keys = [_resolved(rows, name) for name in names]
    return list({key.id: key for key in keys}.values())


def _resolved(rows: Rows, name: str) -> Key:
    from aikeys.vault.names import require_key

    return require_key(rows, name)


def _configured(where: Place) -> tuple[str, ...]:
    """Return the keys of the project file, else of config.toml."""
    from aikeys import config

    project = config.find_project_file(os.getcwd())
    if project is not None:
        names = config.load_project(project).exec_keys
        if names:
            terminal.say(f"keys from {project}: {', '.join(names)}")
            return names
    if os.path.exists(os.path.join(where.home, "config.toml")):
        return config.load(where.home).exec_keys
    return ()


def _only_key(rows: Rows) -> Key:
    if len(rows.keys) == 1:
        return rows.keys[0]
    names = ", ".join(sorted(key.name for key in rows.keys))
    if not names:
        raise NotFound("the vault has no keys", "add one: aikeys add NAME")
    raise Usage("which keys?", f"name them: aikeys exec NAME -- CMD; there are {names}")


def _refuse_limited(ledger: Ledger, keys: list[Key]) -> None:
    """Raise Usage where a budget limits a key: nobody would count what the program spends."""
    from aikeys.budgets.raw_use import first_limited

    with ledger.reading() as connection:
        limited = first_limited(connection, [key.name for key in keys])
    if limited is not None:
        raise Usage(
            f"{limited} has a budget, and what a program does with the key itself is not metered",
            "to lend it all the same: --unmetered",
        )


def _record(ledger: Ledger, opened: Opened, keys: list[Key], arguments: ExecArguments) -> None:
    """Write the audit entry, signed; no entry, no key. The file closes when this process becomes the program."""
    from aikeys.ledger.store import Act

    program = terminal.printable(os.path.basename(arguments.command[0]))
    names = ",".join(key.name for key in keys)
    try:
        ledger.event(Act("exec", names, f"program={program}"), signer=opened.signer())
    except AikeysError as error:
        raise BadConfiguration(f"the run cannot be recorded, so no key is lent: {error.message}", error.hint) from None


def __getattr__(name: str) -> object:
    if name != "app":
        raise AttributeError(name)
    from aikeys.cli.commands.exec_help import app

    return app
