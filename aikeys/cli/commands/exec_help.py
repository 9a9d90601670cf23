"""Help, man page and completion of `aikeys exec`. Its only parser is lending/arguments.py, which runs before Typer."""

from __future__ import annotations

from typing import Annotated

import typer

from aikeys.cli.help import epilog, new_app

app = new_app()
_EXAMPLES = (
    ("aikeys exec openai -- python app.py", "OPENAI_API_KEY and its base URL, for this program only"),
    ("aikeys exec --env TEST_KEY=openai -- pytest", "the key under another name"),
    ("aikeys exec --all --clean-env -- ./job", "every key, and little else of this environment"),
)
_NOTES = """\
The keys are those named, else those of [exec] keys in .aikeys.toml (looked for upwards) or config.toml, else the only
one there is. A key and its base URL are set as one pair: a base URL left over in the environment would send the key to
a stranger, so it is cleared. Admin keys are never handed out. AIKEYS_TOKEN and AIKEYS_PASSPHRASE* are removed.
aikeys becomes the program, so signals, terminal and exit status are the program's own; every failure of aikeys
itself is 125.
"""


@app.command(epilog=epilog(_EXAMPLES, (125, 126, 127), _NOTES))
def exec_(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME]... -- CMD [ARG]...", help="Keys to lend.")
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Lend every key but admin keys.")] = False,
    env: Annotated[
        list[str] | None, typer.Option("--env", metavar="VAR=NAME", help="Put the key NAME into VAR.")
    ] = None,
    clean_env: Annotated[bool, typer.Option("--clean-env", help="Pass on only PATH, HOME, TERM and the like.")] = False,
    nested: Annotated[bool, typer.Option("--nested", help="Allow it inside another aikeys exec.")] = False,
    unmetered: Annotated[
        bool, typer.Option("--unmetered", help="Allow a key that has a budget: its use is not metered.")
    ] = False,
) -> None:
    """Run a program with keys in its environment."""
