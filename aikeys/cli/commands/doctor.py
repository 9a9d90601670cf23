"""`aikeys doctor`: look for what is wrong or unsafe."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from aikeys.cli import home, terminal
from aikeys.cli.checks.check import Check
from aikeys.cli.help import epilog, new_app
from aikeys.cli.render.counted import counted
from aikeys.errors import AikeysError, FindingsError

if TYPE_CHECKING:
    from aikeys.vault.opening import Place

app = new_app()
_EXAMPLES = (("aikeys doctor", "once after setting up, and when something is odd"),)


@app.command(epilog=epilog(_EXAMPLES, (0, 25)))
def doctor(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Look for what is wrong or unsafe: files, chain, unlock methods, keys and tokens that are due, stray variables.

    With AIKEYS_TOKEN: whether that token is valid and which keys it opens, and nothing of others.
    """
    from aikeys.cli.render.json_text import document
    from aikeys.cli.render.table import table

    checks = [
        check._replace(finding=terminal.masked(check.finding), hint=terminal.masked(check.hint))
        for check in _checks(home.place())
    ]
    found = [check for check in checks if check.hint]
    if as_json:
        rows = [{**check._asdict(), "ok": not check.hint} for check in checks]
        terminal.out(document("aikeys.doctor/1", checks=rows))
    else:
        lines = [["!" if check.hint else "ok", check.name, check.finding, check.hint] for check in checks]
        terminal.out_styled(table(("", "CHECK", "FOUND", "WHAT TO DO"), lines))
    if found:
        raise FindingsError(f"{len(found)} of {len(checks)} checks found something", found[0].hint)


def _checks(where: Place) -> Iterator[Check]:
    from aikeys.cli import authority
    from aikeys.cli.checks.files import file_checks
    from aikeys.cli.checks.keys import key_checks, secret_checks
    from aikeys.cli.checks.ledger import ledger_checks
    from aikeys.cli.checks.surroundings import environment_checks, file_beside_checks, place_checks
    from aikeys.cli.checks.tokens import token_checks
    from aikeys.cli.checks.unlocking import opened_quietly, unlock_checks
    from aikeys.vault.opening import picture

    if authority.is_holder() and where.vault.exists:
        from aikeys.cli.checks import of_a_token

        yield from of_a_token.checks(where)
        return
    try:
        rows = picture(where)
    except AikeysError as error:
        yield Check("vault", error.message, error.hint or "see aikeys-vault(5)")
        yield from file_checks(where)
        return
    yield Check("vault", f"{counted(len(rows.keys), 'key')}, epoch {rows.manifest.epoch}")
    yield from place_checks(where)
    yield from file_checks(where)
    yield from ledger_checks(where, rows)
    opened = opened_quietly(rows)
    yield from unlock_checks(rows, opened)
    yield from key_checks(rows)
    if opened is not None and not isinstance(opened, AikeysError):
        yield from secret_checks(where, opened)
    yield from token_checks(where)
    yield from environment_checks(where, rows)
    yield from file_beside_checks(where)
