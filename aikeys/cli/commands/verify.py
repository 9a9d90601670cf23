"""`aikeys verify`: ask the providers whether keys work."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Annotated

import typer

from aikeys.cli import home, screen, terminal
from aikeys.cli.help import epilog, new_app
from aikeys.errors import FindingsError, NotFound

if TYPE_CHECKING:
    from aikeys.providers.catalogue import Provider
    from aikeys.providers.transport import Transport
    from aikeys.vault.format import Key
    from aikeys.vault.opening import Opened

app = new_app()
_EXAMPLES = (("aikeys verify", "all keys"), ("aikeys verify openai --json", "one, for a script"))


@app.command(epilog=epilog(_EXAMPLES, (0, 3, 10, 11, 12, 13, 14, 20, 21, 25)))
def verify(
    names: Annotated[list[str] | None, typer.Argument(metavar="[NAME]...", help="Keys; all without a name.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Ask the providers whether keys work; costs nothing. A key that is refused or cannot be sent is a finding."""
    from aikeys.cli.render.json_text import document
    from aikeys.cli.render.table import table
    from aikeys.providers.transport import HttpxTransport
    from aikeys.vault.names import require_key

    where = home.place()
    opened = home.unlock(where, check=lambda rows: [require_key(rows, name) for name in names or ()]).opened
    keys = [require_key(opened.rows, name) for name in names or ()] or sorted(
        opened.rows.keys, key=lambda key: key.name
    )
    if not keys:
        raise NotFound("the vault has no keys", "add one: aikeys add NAME")
    catalogue = home.catalogue(where)
    results = []
    with closing(HttpxTransport()) as transport, screen.progress("verifying", len(keys)) as advance:
        for key in keys:
            state, detail = _ask(opened, key, catalogue.get(key.provider), transport)
            results.append({"name": key.name, "provider": key.provider, "state": state, "detail": detail})
            advance()
    if as_json:
        terminal.out(document("aikeys.verify/1", keys=results))
    else:
        terminal.out_styled(table(("NAME", "PROVIDER", "STATE", "DETAIL"), [list(row.values()) for row in results]))
    _raise_findings(results)


def _raise_findings(results: list[dict[str, str]]) -> None:
    """A key that no request can carry works nowhere: a finding as much as one that is refused."""
    from aikeys.providers.transport import UNSENDABLE

    refused = [row["name"] for row in results if row["state"] == "refused"]
    unusable = [row["name"] for row in results if row["detail"] == UNSENDABLE]
    found = {"refused": refused, "not to be sent": unusable}
    if refused or unusable:
        said = "; ".join(f"{word}: {', '.join(names)}" for word, names in found.items() if names)
        raise FindingsError(said, f"replace it: aikeys rotate {[*refused, *unusable][0]}")


def _ask(opened: Opened, key: Key, provider: Provider | None, transport: Transport) -> tuple[str, str]:
    from aikeys.providers.verification import verify as ask

    if provider is None:
        return "unverified", "the provider is not in the catalogue"
    version = opened.rows.version_of(key)
    verdict = ask(provider, version.base_url, opened.content(key).key_secret, transport=transport)
    return verdict.state, verdict.detail
