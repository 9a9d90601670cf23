"""`aikeys exec`: run a program with keys in its environment.

`run` is called before Typer is imported; the Typer command here only lists the options for help and documents.
Reads no TOML unless a config or project file is needed to know which keys.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NoReturn

from aikeys.cli import home, raw_run, terminal
from aikeys.cli.lent_keys import chosen, lend_keys, opened_for, program_for, wanted_by, with_env_files

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from aikeys.cli.around import Around
    from aikeys.lending.arguments import ExecArguments


def run(argv: Sequence[str]) -> int:
    """Parse, open, record, become the program. Returns only where help was asked for, or the run is metered."""
    from aikeys.lending.arguments import parse

    arguments = parse(argv)
    if arguments.help:
        from aikeys.cli import app

        return app.main(["exec", "--help"])
    _apply(arguments)
    if arguments.metered:
        from aikeys.cli.commands import exec_metered

        return exec_metered.run(arguments)
    return _lend(arguments)


def _apply(arguments: ExecArguments) -> None:
    options = terminal.options
    options.home = arguments.home or options.home
    options.no_input = options.no_input or arguments.no_input
    options.quiet = options.quiet or arguments.quiet
    options.verbose = options.verbose or arguments.verbose


def _lend(arguments: ExecArguments) -> NoReturn:
    from aikeys import own_memory
    from aikeys.lending import child, environment

    core_limit = own_memory.protect()
    parent = os.environb
    arguments, plain = with_env_files(arguments)
    program = program_for(arguments)
    where = home.place()
    ledger = where.ledger
    opened = opened_for(where, ledger, "exec", arguments.names)
    keys, renamed = chosen(wanted_by(arguments), lambda: _around(where.home), opened)
    if not arguments.unmetered:
        raw_run.refuse_limited(ledger, opened, keys)
    lent = lend_keys(opened, keys)
    env = environment.child_environment(parent, lent, renamed, arguments.clean_env, plain)
    for variable in arguments.as_files:
        env[os.fsencode(variable)] = os.fsencode(_as_file(variable, env))
    raw_run.record(ledger, opened, keys, f"program={_program(arguments)}")
    for variable in environment.replaced(parent, env, lent):
        terminal.detail(f"{variable} of this environment is not passed on: it would send a key to another address")
    terminal.detail(f"lends {', '.join(key.name for key in keys)} to {arguments.command[0]}")
    child.replace_process(program, arguments.command, env, core_limit)


def _as_file(variable: str, env: Mapping[bytes, bytes]) -> str:
    """Return the path of a file with what a variable would have held."""
    from aikeys.lending.memory_files import path_of

    return path_of(variable, env[os.fsencode(variable)])


def _program(arguments: ExecArguments) -> str:
    from aikeys.secret import hidden

    return terminal.printable(hidden(os.path.basename(arguments.command[0])))


def _around(home_folder: str) -> Around:
    from aikeys.cli.around import Around

    return Around(home_folder)


def __getattr__(name: str) -> object:
    if name != "app":
        raise AttributeError(name)
    from aikeys.cli.commands.exec_help import app

    return app
