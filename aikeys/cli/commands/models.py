"""`aikeys models`: which models there are, what they cost, and which keys reach them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from aikeys.cli import home, terminal
from aikeys.cli.help import epilog, new_app

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aikeys.cli.models import Shelf

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
    from aikeys.cli import authority
    from aikeys.cli import models as surroundings
    from aikeys.cli.render.json_text import document
    from aikeys.errors import NotFound, Usage

    gateway = authority.gateway()
    if gateway is not None:
        from aikeys.remote.models import models_at

        if all:
            raise Usage("--all has no meaning at a gateway", "it lists what its keys reach and your token may ask")
        rows, further = models_at(gateway, query), ""
    else:
        where = home.place()
        shelf = surroundings.shelf(where, surroundings.rows_if_any(where))
        everything = all or not (shelf.keys or authority.is_bearer())
        rows = list(_rows(shelf, query, everything=everything))
        further = "" if everything else "; --all looks at every provider"
    if as_json:
        terminal.out(document("aikeys.models/1", models=rows))
        return
    if not rows:
        raise NotFound(
            f"no model has {terminal.printable(query) or 'a price'} in its name{further}", "aikeys providers"
        )
    _print(rows)


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


def _rows(shelf: Shelf, query: str, *, everything: bool) -> Iterator[dict[str, object]]:
    from aikeys import clock
    from aikeys.pricing import names
    from aikeys.pricing.book import bundled_providers
    from aikeys.pricing.listing import model_row

    now_us = clock.now_us()
    part = names.spelled(query)
    known = sorted({*bundled_providers(), *shelf.catalogue})
    aliases = {**names.SHIPPED, **shelf.settings.aliases}
    for provider in known:
        keys = [key.name for key in shelf.names.reaching(provider)]
        if not keys and not everything:
            continue
        own = (name.partition("/")[2] for name in shelf.settings.prices if name.partition("/")[0] == provider)
        for model in sorted({*shelf.book.models(provider), *(each for each in own if each != "*")}):
            name = f"{provider}/{model}"
            also = [alias for alias, target in aliases.items() if names.spelled(target) == names.spelled(name)]
            if part in names.spelled(name) or any(part in names.spelled(alias) for alias in also):
                found = shelf.names.price(provider, model)
                yield model_row(name, found.price if found else None, keys, also, now_us)


def _text(value: object) -> str:
    return str(value) if value is not None else "-"


def _count(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) else "-"
