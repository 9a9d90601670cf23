"""`aikeys providers`: what the catalogue knows."""

from __future__ import annotations

from typing import Annotated

import typer

from aikeys.cli import home, terminal
from aikeys.cli.help import epilog, new_app

app = new_app()
_EXAMPLES = (("aikeys providers", "all of them"), ("aikeys providers mistral --json", "one, with every field"))


@app.command(epilog=epilog(_EXAMPLES, (0, 10, 14)))
def providers(
    query: Annotated[str, typer.Argument(metavar="[QUERY]", help="Part of a name or title.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List the providers aikeys knows, those of config.toml included."""
    from aikeys.cli.render.json_text import document
    from aikeys.cli.render.table import table
    from aikeys.errors import NotFound

    wanted = query.lower()
    found = [
        provider
        for provider in sorted(home.catalogue(home.place()).values())
        if wanted in provider.name or wanted in provider.title.lower()
    ]
    if not found:
        raise NotFound(f"no provider matches {terminal.printable(query)}", "all of them: aikeys providers")
    if as_json:
        rows = [
            {
                **each._asdict(),
                "regions": dict(each.regions),
                "verify": each.verify._asdict(),
                "wire": dict(each.wire),
                "reported": {"settled": sorted(each.reported.settled), "fees": dict(each.reported.fees)},
            }
            for each in found
        ]
        terminal.out(document("aikeys.providers/1", providers=rows))
        return
    lines = [
        [each.name, each.title, ", ".join(each.env), ", ".join(dict(each.regions)), each.base_url] for each in found
    ]
    terminal.out_styled(table(("NAME", "PROVIDER", "VARIABLES", "REGIONS", "BASE URL"), lines))
