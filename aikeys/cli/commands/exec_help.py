"""Help, man page and completion of `aikeys exec`. Its only parser is lending/arguments.py, which runs before Typer."""

from __future__ import annotations

from typing import Annotated

import typer

from aikeys.cli.help import epilog, new_app

app = new_app()
_EXAMPLES = (
    ("aikeys exec openai -- python app.py", "OPENAI_API_KEY and its base URL, for this program only"),
    ("aikeys exec --env TEST_KEY=openai -- pytest", "the key under another name"),
    ("aikeys exec --as-file GOOGLE_APPLICATION_CREDENTIALS=gcp -- ./job", "a secret of several lines, as a file"),
    ("aikeys exec openai --env-file .env -- npm start", "a .env that says OPENAI_API_KEY=aikeys://openai"),
    ("aikeys exec --all --clean-env -- ./job", "the keys of all providers, and little else of this environment"),
    ("aikeys exec --metered --budget 5 openai -- python agent.py", "a token instead of the key; at $5 it is over"),
)
_NOTES = """\
The keys are those named, else those of [exec] keys and [exec.env] in .aikeys.toml (looked for upwards; only after
aikeys allow) or config.toml, else the only one there is. A key and its base URL are set as one pair: a base URL left
over in the environment would send the key to a stranger, so it is cleared. Admin keys are never handed out. Several
keys of one provider go together where each has a variable of its own (--env, or aikeys edit --var). --all takes the
default key of each provider and whatever else fits beside it, and says what it leaves out. In a file of --env-file
VAR=aikeys://NAME is a key that was named here, too; other variables go to the program, but for addresses, proxies,
certificates and loaders, which could send a key elsewhere.
AIKEYS_TOKEN and AIKEYS_PASSPHRASE* are removed. aikeys becomes the program, so signals, terminal and exit status are
the program's own; every failure of aikeys itself is 125.

With --metered the key stays here. The program gets a token in the key's variables and, in those of its base URL, the
address of a gateway that runs on 127.0.0.1 as long as the program does. The token is for these keys and for nothing
else, is in no file and ends with the program. Every call is kept within all budgets that apply, recorded, and
counted for the labels of config.toml, of the key, of CI, git and an allowed .aikeys.toml; --budget, --model, --ttl and
--rpm limit this run alone; with --when-unknown estimate its budget is soft (aikeys budget set --help). A provider whose
SDKs read no variable for an address is refused: its program would send the token to the provider. aikeys stays beside
the program then, passes signals on, and ends with its status, 128 and the signal's number where a signal ended it. At
the end it says what the run cost, after the calls under way are settled; Ctrl-C there settles what is known of them. Of
aikeys' own variables the program gets only AIKEYS_EXEC. This guards against accidents; a hostile program of the same
user can do more.
"""


@app.command(epilog=epilog(_EXAMPLES, (125, 126, 127), _NOTES))
def exec_(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME]... -- CMD [ARG]...", help="Keys to lend.")
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Lend every key that fits beside the others.")] = False,
    env: Annotated[
        list[str] | None, typer.Option("--env", metavar="VAR=NAME", help="Put the key NAME into VAR.")
    ] = None,
    as_file: Annotated[
        list[str] | None,
        typer.Option(
            "--as-file", metavar="VAR=NAME", help="Put the path of a file in memory with the key NAME into VAR."
        ),
    ] = None,
    env_file: Annotated[
        list[str] | None,
        typer.Option("--env-file", metavar="FILE", help="Variables from FILE; aikeys://NAME is the key NAME."),
    ] = None,
    clean_env: Annotated[bool, typer.Option("--clean-env", help="Pass on only PATH, HOME, TERM and the like.")] = False,
    nested: Annotated[bool, typer.Option("--nested", help="Allow it inside another aikeys exec.")] = False,
    unmetered: Annotated[
        bool, typer.Option("--unmetered", help="Allow a key or a token that has a budget: its use is not metered.")
    ] = False,
    metered: Annotated[
        bool, typer.Option("--metered", help="Lend a token and a gateway instead of the key; count what is spent.")
    ] = False,
    budget: Annotated[
        str, typer.Option("--budget", metavar="USD", help="With --metered: the most this run may spend.")
    ] = "",
    model: Annotated[
        list[str] | None,
        typer.Option(
            "--model", metavar="M", help="With --metered: only this model, such as openai/gpt-4.1 or openai/*."
        ),
    ] = None,
    ttl: Annotated[
        str, typer.Option("--ttl", metavar="1h", help="With --metered: how long it may spend; else until it ends.")
    ] = "",
    rpm: Annotated[int | None, typer.Option("--rpm", metavar="N", help="With --metered: requests per minute.")] = None,
    when_unknown: Annotated[
        str,
        typer.Option(
            "--when-unknown",
            metavar="worst|estimate",
            help="With --budget: what a stream counts that the provider broke off.",
        ),
    ] = "",
) -> None:
    """Run a program with keys in its environment."""
