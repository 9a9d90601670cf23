"""`aikeys show`: one key; its secret only when asked for by name."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from aikeys import clock
from aikeys.cli import access, home, terminal
from aikeys.cli.help import epilog, new_app
from aikeys.cli.keys.fields import describe
from aikeys.errors import UsageError

if TYPE_CHECKING:
    from aikeys.vault.format import Key
    from aikeys.vault.opening import Opened, Place

app = new_app()
_EXAMPLES = (("aikeys show openai", "what is known of it"), ("aikeys show openai --reveal --raw | wc -c", "its secret"))


@app.command(epilog=epilog(_EXAMPLES, (0, 2, 10, 11, 12, 13, 14, 20, 21)))
def show(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The key.")],
    reveal: Annotated[bool, typer.Option("--reveal", help="Show the secret, too; this is recorded.")] = False,
    raw: Annotated[bool, typer.Option("--raw", help="With --reveal: the secret alone, no line break.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show what is known of a key."""
    from aikeys.cli.render.json_text import document
    from aikeys.cli.render.table import table
    from aikeys.vault.names import require_key

    if raw and (not reveal or as_json):
        raise UsageError("--raw goes with --reveal and without --json", "see aikeys show --help")
    where = home.place()
    if reveal:
        opened = home.unlock(where, check=lambda rows: require_key(rows, name)).opened
        rows, authenticated = opened.rows, True
    else:
        rows, authenticated = access.look(where)
    key = require_key(rows, name)
    if key.name != name:
        terminal.say(f"no key is named {name}: this is {key.name}, the default key of that provider")
    known = describe(rows, key, clock.now_s())
    if reveal:
        known["secret"] = _secret(where, opened, key).decode()
    if raw:
        terminal.out_raw(str(known["secret"]).encode())
    elif as_json:
        terminal.out(document("aikeys.key/1", key=known, authenticated=authenticated))
    else:
        secret = str(known.pop("secret", "")) if terminal.on_terminal(sys.stdout) else ""
        lines = [[field.replace("_", " "), _text(value)] for field, value in known.items() if value not in (None, {})]
        terminal.out_styled(table(("FIELD", "VALUE"), lines))
        if secret:  # alone on its line and whole: a copy of it must be right
            terminal.out(f"\nSECRET\n{secret}")


def _secret(where: Place, opened: Opened, key: Key) -> bytes:
    """Open one key and record that; nothing is shown when that cannot be recorded."""
    from aikeys.ledger.store import Act

    content = opened.content(key)
    where.ledger.open().event(Act("reveal", key.name))
    return content.secret


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        return " ".join(f"{name}={part}" for name, part in sorted(value.items()))
    return str(value)
