"""`aikeys list`: the keys, without opening any."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from aikeys import clock
from aikeys.cli import home, terminal
from aikeys.cli.help import epilog, new_app
from aikeys.errors import AikeysError

if TYPE_CHECKING:
    from aikeys.vault.format import Key, Rows

app = new_app()
_EXAMPLES = (("aikeys list", "all keys"), ("aikeys list --due --json", "for a script: the keys that want a rotation"))


@app.command(epilog=epilog(_EXAMPLES, (0, 10, 12, 13, 14, 21)))
def list_(
    due: Annotated[
        bool, typer.Option("--due", help="Only keys that are due: for rotation, or within 14 days of their end.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List the keys.

    Works on a locked vault too; then the rows are checked against the vault's own public key only, and that is said.
    """
    from aikeys.cli.render.json_text import document
    from aikeys.cli.render.table import table

    rows, authenticated = home.look(home.place())
    now = clock.now_s()
    keys = [describe(rows, key, now) for key in sorted(rows.keys, key=lambda key: key.name)]
    if due:
        keys = [key for key in keys if key["due"]]
    if as_json:
        terminal.out(document("aikeys.keys/1", keys=keys, authenticated=authenticated))
        return
    if not keys:
        terminal.say("nothing is due" if due else "no keys yet; add one: aikeys add openai")
        return
    lines = [
        [
            str(key["name"]) + (" *" if key["default"] else ""),
            str(key["provider"]),
            str(key["region"] or ""),
            " ".join(f"{name}={value}" for name, value in sorted(dict(key["labels"]).items())),  # type: ignore[call-overload]
            str(key["created_at"])[:10],
            str(key["due"] or ""),
        ]
        for key in keys
    ]
    terminal.out_styled(table(("NAME", "PROVIDER", "REGION", "LABELS", "SECRET SINCE", "DUE"), lines))


def describe(rows: Rows, key: Key, now_s: int) -> dict[str, object]:
    """Return what is known of a key without opening it."""
    from aikeys.rotation.due import due_reason

    version = rows.version_of(key)
    grace = [row.grace_until for row in rows.versions if row.key_id == key.id and row.grace_until > now_s]
    return {
        "name": key.name,
        "provider": key.provider,
        "region": key.region or None,
        "base_url": version.base_url or None,
        "labels": home.labels_of(key.labels),
        "default": bool(key.is_default),
        "admin": bool(key.is_admin),
        "version": key.version,
        "created_at": clock.rfc3339(version.created_at),
        "rotate_every_s": key.rotate_every_s or None,
        "expires_at": clock.rfc3339(key.expires_at) if key.expires_at else None,
        "grace_until": clock.rfc3339(max(grace)) if grace else None,
        "due": due_reason(rows, key, now_s) or None,
    }


def print_names() -> None:
    """Print the keys' names for a shell's completion; silent where there is nothing to read."""
    try:
        rows = home.place().vault.read()
    except AikeysError:
        return
    for key in sorted(rows.keys, key=lambda key: key.name):
        terminal.out(key.name)
