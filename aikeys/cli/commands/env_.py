"""`aikeys env`: keys as variables, for a shell's `eval`, direnv and scripts."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from aikeys.cli import home, raw_run, terminal
from aikeys.cli.help import epilog, new_app
from aikeys.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aikeys.cli.lent_keys import WantedKeys
    from aikeys.lending.environment import LentKey

app = new_app()
_EXAMPLES = (
    ('eval "$(aikeys env openai)"', "the key in this shell, until it ends"),
    ("aikeys env gemini --shell fish | source", "in fish"),
    ("aikeys env", "which variables exec would set here; no key"),
)
_NOTES = """
The keys are lent themselves, as by exec without --metered: a key or token with a budget is refused without --unmetered,
the audit log has an entry, and reports say that what such programs spend is not measured. A base URL that would send a
key to another address is unset. Better is exec: there the keys end with the program.

Without NAME and --all it names the variables that exec would set in this folder, and prints no key.
"""
Names = Annotated[list[str] | None, typer.Argument(metavar="[NAME]...", help="Keys.")]
InVariable = Annotated[list[str] | None, typer.Option("--env", metavar="VAR=NAME", help="Put the key NAME into VAR.")]


@app.command(epilog=epilog(_EXAMPLES, (0, 2, 3, 10, 11, 12, 13, 14, 20, 21), _NOTES))
def env_(
    names: Names = None,
    every: Annotated[bool, typer.Option("--all", help="Every key that fits beside the others.")] = False,
    env: InVariable = None,
    shell: Annotated[
        str, typer.Option("--shell", metavar="bash|zsh|fish|powershell", help="Whose words; else as SHELL says.")
    ] = "",
    unmetered: Annotated[
        bool, typer.Option("--unmetered", help="Allow a key or a token that has a budget: its use is not metered.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Print keys as variables for a shell."""
    from aikeys.cli.lent_keys import WantedKeys
    from aikeys.lending.shells import SHELLS, shell_of

    if shell and shell not in SHELLS:
        raise UsageError(f"{terminal.printable(shell)} is not a shell that is known", f"one of: {', '.join(SHELLS)}")
    wanted = WantedKeys(tuple(names or ()), _pairs(env or ()), every)
    if not (wanted.names or wanted.env or wanted.every):
        _name_variables(wanted, as_json=as_json)
        return
    if terminal.on_terminal(sys.stdout) and not terminal.options.yes:
        line = f"aikeys env {' '.join(names or ())}".strip()
        raise UsageError("the keys would be shown on this screen", f'eval "$({line})"; or, to see them: --yes')
    _lend(wanted, shell or shell_of(os.environ.get("SHELL", "")), unmetered=unmetered, as_json=as_json)


def _pairs(typed: Sequence[str]) -> tuple[tuple[str, str], ...]:
    pairs = [text.partition("=") for text in typed]
    wrong = next((variable for variable, _, name in pairs if not variable or not name), None)
    if wrong is not None:
        raise UsageError(
            f"--env {terminal.printable(wrong)} is not of the form VAR=NAME", "such as --env MY_KEY=openai"
        )
    return tuple((variable, name) for variable, _, name in pairs)


def _lend(wanted: WantedKeys, shell: str, *, unmetered: bool, as_json: bool) -> None:
    """Open, record, print: no entry, no key."""
    from aikeys import own_memory
    from aikeys.cli.around import Around
    from aikeys.cli.lent_keys import chosen, lend_keys, opened_for
    from aikeys.cli.render.json_text import document
    from aikeys.lending.environment import changes
    from aikeys.lending.shells import script

    own_memory.protect()
    where = home.place()
    opened = opened_for(where, where.ledger, "env", (*wanted.names, *(name for _, name in wanted.env)))
    keys, renamed = chosen(wanted, lambda: Around(where.home), opened)
    if not unmetered:
        raw_run.refuse_limited(where.ledger, opened, keys)
    values, absent = changes(lend_keys(opened, keys), renamed)
    texts = {name: os.fsdecode(value) for name, value in values.items()}
    printed = document("aikeys.env/1", set=texts, unset=absent) + "\n" if as_json else script(shell, texts, absent)
    raw_run.record(where.ledger, opened, keys, "way=env")
    terminal.out_raw(printed.encode("utf-8", "surrogateescape"))


def _name_variables(wanted: WantedKeys, *, as_json: bool) -> None:
    """Print which variables exec would set here, and the key of each."""
    from aikeys.cli.around import Around
    from aikeys.cli.lent_keys import chosen, lend_keys, opened_for
    from aikeys.cli.render.json_text import document
    from aikeys.cli.render.table import table

    where = home.place()
    opened = opened_for(where, where.ledger, "env")
    keys, renamed = chosen(wanted, lambda: Around(where.home), opened)
    rows = [row for key in lend_keys(opened, keys) for row in _variables(key, renamed)]
    if as_json:
        terminal.out(document("aikeys.env/1", variables=[{"variable": one, "key": key} for one, key in rows]))
    else:
        terminal.out_styled(table(("VARIABLE", "KEY"), [list(row) for row in rows]))


def _variables(key: LentKey, renamed: dict[str, str]) -> list[tuple[str, str]]:
    own = [variable for variable, name in renamed.items() if name == key.name] or list(key.env)
    addresses = [*key.base_url_env, *(name for name, _ in key.extra)] if key.base_url else []
    return [(variable, key.name) for variable in (*own, *addresses)]
