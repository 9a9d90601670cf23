"""`aikeys models`: which models there are, what they cost, and which keys reach them."""

from __future__ import annotations

from typing import Annotated

import typer

from aikeys.cli import terminal
from aikeys.cli.help import epilog, new_app

app = new_app()
_EXAMPLES = (
    ("aikeys models", "what your keys reach"),
    ("aikeys models sonnet --all", "at every provider"),
    ("aikeys models --json gpt-4.1", "for a script"),
)


@app.command(epilog=epilog(_EXAMPLES, (0, 2, 10, 13, 14, 20, 21, 31)))
def models(
    query: Annotated[str, typer.Argument(metavar="[QUERY]", help="A part of the name.")] = "",
    all: Annotated[bool, typer.Option("--all", help="Also models that no key of yours reaches.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List models: USD for a million tokens in and out, context, the largest reply, and which keys reach them.

    Without a vault or keys all models are listed. A price of the list alone; aikeys prices show MODEL has tiers, hours
    and ways of serving. With AIKEYS_GATEWAY, or after aikeys login: what that gateway lets your token ask.
    """
    from aikeys.cli.ports import models as port
    from aikeys.cli.render.json_text import document
    from aikeys.errors import NotFound

    found = port.models().found(query, everything=all)
    if as_json:
        terminal.out(document("aikeys.models/1", models=found.rows))
        return
    if not found.rows:
        further = "; --all looks at every provider" if found.is_narrowed else ""
        raise NotFound(
            f"no model has {terminal.printable(query) or 'a price'} in its name{further}", "aikeys providers"
        )
    _print(found.rows)


def _print(rows: list[dict[str, object]]) -> None:
    from aikeys.cli.render.table import table

    lines = [
        [
            str(row["model"]),
            _text(row["input_usd_per_million"]),
            _text(row["output_usd_per_million"]),
            _count(row["context_window"]),
            _count(row["max_output"]),
            ", ".join(map(str, row["keys"])) if isinstance(row["keys"], list) else "",
        ]
        for row in rows
    ]
    terminal.out_styled(table(("MODEL", "IN", "OUT", "CONTEXT", "MAX OUT", "KEYS"), lines))


def _text(value: object) -> str:
    return str(value) if value is not None else "-"


def _count(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) else "-"
