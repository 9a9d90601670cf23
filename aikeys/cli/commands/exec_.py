"""`aikeys exec`: run a program with keys in its environment.

`run` is called before Typer is imported; the Typer command here only lists the options for help and documents.
Reads no TOML unless a config or project file is needed to know which keys.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NoReturn

from aikeys.cli import home, terminal
from aikeys.cli.lent_keys import chosen, lend_keys, opened_for, program_for
from aikeys.errors import AikeysError, BadConfiguration, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aikeys.cli.around import Around
    from aikeys.ledger.store import Act, Ledger
    from aikeys.lending.arguments import ExecArguments
    from aikeys.tokens.claims import Claims
    from aikeys.vault.format import Key
    from aikeys.vault.opening import Opened
    from aikeys.vault.tokens.admission import Access


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
    program = program_for(arguments)
    where = home.place()
    ledger = where.ledger
    opened = opened_for(where, ledger, "exec", arguments.names)
    keys, renamed = chosen(arguments, lambda: _around(where.home), opened)
    if not arguments.unmetered:
        _refuse_limited(ledger, opened, keys)
    lent = lend_keys(opened, keys)
    env = environment.child_environment(parent, lent, renamed, arguments.clean_env)
    _record(ledger, opened, keys, arguments)
    for variable in environment.replaced(parent, env, lent):
        terminal.detail(f"{variable} of this environment is not passed on: it would send a key to another address")
    terminal.detail(f"lends {', '.join(key.name for key in keys)} to {arguments.command[0]}")
    child.replace_process(program, arguments.command, env, core_limit)


def _around(home_folder: str) -> Around:
    from aikeys.cli.around import Around

    return Around(home_folder)


def _refuse_limited(ledger: Ledger, opened: Opened | Access, keys: list[Key]) -> None:
    """Raise UsageError where a budget limits a key, the token or one above it: its spending would not be counted.

    A token made with a budget is refused also where that one was removed: it says so itself.
    """
    from aikeys.budgets.raw_use import first_limited

    holder = getattr(opened, "holder", None)
    line = (holder.claims, *holder.above) if holder is not None else ()
    whos = [*(f"token:{claims.shown_id}" for claims in line), *(f"key:{key.name}" for key in keys)]
    if line and line[0].budget_pusd is not None:
        limited: str | None = whos[0]
    else:
        with ledger.reading() as connection:
            limited = first_limited(connection, whos)
    if limited is not None:
        raise UsageError(
            f"{_limited(limited, line)}, and what a program does with the key itself is not metered",
            "to have it metered: --metered; to lend the key all the same: --unmetered",
        )


def _limited(who: str, line: Sequence[Claims]) -> str:
    """Say what has a budget, as far as whoever asks may know."""
    from aikeys.budgets.who import HIGHER
    from aikeys.tokens.sight import sight_of

    kind, _, name = who.partition(":")
    if line and not sight_of(line[0], line[1:]).tells(who):
        return f"{HIGHER} stands over token {line[0].shown_id}"
    return f"{'token ' if kind == 'token' else ''}{name} has a budget"


def _record(ledger: Ledger, opened: Opened | Access, keys: list[Key], arguments: ExecArguments) -> None:
    """Write the audit entry, signed; no entry, no key. The file closes when this process becomes the program."""
    from aikeys.ledger.store import Act
    from aikeys.secret import hidden

    program = terminal.printable(hidden(os.path.basename(arguments.command[0])))
    names = ",".join(key.name for key in keys)
    try:
        _write(ledger, Act("exec", names, f"program={program}"), opened)
    except AikeysError as error:
        raise BadConfiguration(f"the run cannot be recorded, so no key is lent: {error.message}", error.hint) from None


def _write(ledger: Ledger, act: Act, opened: Opened | Access) -> None:
    """Write the entry; by a token it names the token, and a single-use one is used up in the same transaction."""
    holder = getattr(opened, "holder", None)
    if holder is None:
        ledger.event(act, signer=opened.signer())
        return
    from aikeys.ledger.token_acts import use_up

    with ledger.writing() as writer:
        if holder.claims.is_once:
            use_up(writer, holder.shown_id)
        writer.act(act._replace(detail=f"{act.detail} token={holder.shown_id}"))


def __getattr__(name: str) -> object:
    if name != "app":
        raise AttributeError(name)
    from aikeys.cli.commands.exec_help import app

    return app
