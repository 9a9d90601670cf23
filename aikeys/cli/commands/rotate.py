"""`aikeys rotate`: replace a key by a new one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from aikeys import clock
from aikeys.cli import access, home, terminal
from aikeys.cli.help import epilog, new_app
from aikeys.errors import Cancelled, UsageError

if TYPE_CHECKING:
    from aikeys.vault.format import Key, Rows
    from aikeys.vault.opening import Opened, Place

app = new_app()
_EXAMPLES = (
    ("aikeys rotate openai", "show where to make a new key, ask for it, try it, switch"),
    ("aikeys rotate openai --undo", "back to the one before, within its grace"),
    ("aikeys rotate --due", "one after the other, all that are due"),
)
_NOTES = """\
\b
From cron, where nothing can be asked, a mail when something is due:
  0 9 * * 1  aikeys rotate --due --no-input || echo "keys are due"
"""


@app.command(epilog=epilog(_EXAMPLES, (0, 2, 3, 10, 11, 12, 13, 14, 20, 21, 30), _NOTES))
def rotate(
    name: Annotated[str, typer.Argument(metavar="[NAME]", help="The key.")] = "",
    due: Annotated[
        bool, typer.Option("--due", help="Walk through every key that is due, as aikeys list --due shows them.")
    ] = False,
    undo: Annotated[bool, typer.Option("--undo", help="Go back to the secret before.")] = False,
    stdin: Annotated[bool, typer.Option("--stdin", help="Read the new key from standard input.")] = False,
    grace: Annotated[str, typer.Option(metavar="24h", help="How long the old secret is kept for --undo.")] = "24h",
    no_verify: Annotated[bool, typer.Option("--no-verify", help="Don't try the new key at the provider.")] = False,
) -> None:
    """Replace a key by a new one.

    The new key is tried before the old one goes: refused, and nothing changes. Programs started before keep the old
    key until you delete it at the provider.
    """
    from aikeys.names import shown_key

    if due and (stdin or undo):
        raise UsageError(
            f"--due and {'--stdin' if stdin else '--undo'} exclude each other", "name one key, without --due"
        )
    if due and name:
        raise UsageError("--due and a key's name exclude each other", f"aikeys rotate {shown_key(name)}")
    if not due and not name:
        raise UsageError("name a key to rotate", "aikeys rotate NAME, or aikeys rotate --due")
    grace_s = home.duration_s(grace)
    where = home.place()
    if due:
        _walk(where, grace_s, verify=not no_verify)
        return
    from aikeys.cli.keys.renewal import renewing
    from aikeys.providers.recognition import is_admin
    from aikeys.rotation.rotate import undo as go_back
    from aikeys.vault.names import exact_key

    opened = home.unlock(where, data_on_stdin=stdin, check=lambda rows: exact_key(rows, name)).opened
    key = exact_key(opened.rows, name)
    if undo:
        provider = home.catalogue(where).get(key.provider)

        def admin_key(secret: bytes) -> bool:
            return provider is not None and is_admin(provider, secret.decode())

        with renewing() as advance:
            now = go_back(where, opened, key, admin_key, advance=advance)
        _say_which(key, now.rows)
        return
    _replace(where, opened, key, grace_s, stdin=stdin, verify=not no_verify)


def _say_which(before: Key, rows: Rows) -> None:
    """Undoing twice is doing it again: say which secret is the current one."""
    key = next(row for row in rows.keys if row.id == before.id)
    other = rows.previous_of(key)
    kept = clock.rfc3339(other.grace_until) if other else ""
    if key.version < before.version:
        terminal.say(f"{key.name} is back at its earlier secret; the newer one is kept until {kept}: --undo again")
    else:
        terminal.say(f"{key.name} has its newer secret again, the undo is undone; the earlier one is kept until {kept}")


def _replace(where: Place, opened: Opened, key: Key, grace_s: int, *, stdin: bool, verify: bool) -> Opened:
    from aikeys.cli.keys.new_keys import check_format, verify_or_refuse
    from aikeys.cli.keys.renewal import renewing
    from aikeys.providers.catalogue import find
    from aikeys.providers.recognition import is_admin
    from aikeys.rotation.rotate import NewSecret, replace

    provider = find(home.catalogue(where), key.provider)
    if provider.key_page:
        terminal.say(f"make a new key at {provider.key_page}")
    secret = home.read_secret(f"New key for {key.name}", from_stdin=stdin)
    if secret.reveal() == opened.content(key).secret:
        raise UsageError(
            "this is the key the vault has already", f"make a new one at {provider.key_page or provider.title}"
        )
    check_format(provider, secret)
    if verify:
        way_on = f"{key.name} was not changed; to take it anyway: --no-verify"
        verify_or_refuse(provider, opened.rows.version_of(key).base_url, secret, way_on)
    admin = is_admin(provider, secret.reveal().decode())
    with renewing() as advance:
        opened = replace(where, opened, key, NewSecret(secret, admin, grace_s), advance=advance)
    until = f"; the old one is kept until {clock.rfc3339(clock.now_s() + grace_s)}" if grace_s else ""
    terminal.say(f"rotated {key.name}{until}. Delete the old one at {provider.key_page or provider.title}")
    if key.expires_at:
        end = clock.rfc3339(key.expires_at)[:10]
        terminal.say(f"{key.name} keeps its recorded end, {end}; the new one's: aikeys edit {key.name} --expires DATE")
    return opened


def _walk(where: Place, grace_s: int, *, verify: bool) -> None:
    from aikeys.rotation.due import due as due_keys

    rows, _ = access.look(where)
    keys = due_keys(rows, clock.now_s())
    if not keys:
        terminal.say("nothing is due")
        return
    names = ", ".join(key.name for key in keys)
    if not terminal.can_ask():
        raise Cancelled(f"due: {names}; new keys are needed, and this is not interactive", "run it on a terminal")
    terminal.say(f"due: {names}")
    opened = home.unlock(where).opened
    for key in keys:
        opened = _replace(where, opened, key, grace_s, stdin=False, verify=verify)
