"""`aikeys list`: the keys, without opening any."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Annotated

import typer

from aikeys import clock
from aikeys.cli import access, home, screen, terminal
from aikeys.cli.help import epilog, new_app
from aikeys.cli.keys.fields import describe
from aikeys.errors import AikeysError

if TYPE_CHECKING:
    from aikeys.providers.balances import Amount
    from aikeys.vault.format import Key
    from aikeys.vault.opening import Opened, Place
    from aikeys.vault.tokens.admission import Access

app = new_app()
_EXAMPLES = (
    ("aikeys list", "all keys"),
    ("aikeys list --due --json", "for a script: the keys that want a rotation"),
    ("aikeys list --balance", "what is left on the accounts"),
)
_NOTES = """
--balance opens the vault and asks each provider that tells a balance for free (DeepSeek, Moonshot, OpenRouter,
SiliconFlow), with the key itself, at its own address only. A key whose provider could not be asked is listed all the
same; the first such failure is the exit status. With a token it takes the scope env:read. The keys opened are in the
audit log.
"""
_NONE = "–"


@app.command(epilog=epilog(_EXAMPLES, (0, 3, 10, 11, 12, 13, 14, 20, 21, 30, 31, 32), _NOTES))
def list_(
    due: Annotated[
        bool, typer.Option("--due", help="Only keys that are due: for rotation, or within 14 days of their end.")
    ] = False,
    balance: Annotated[
        bool, typer.Option("--balance", help="Ask the providers what is left on the keys' accounts.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List the keys.

    The key with * is used where its provider has several and none is named. Works on a locked vault too; then the rows
    are checked against the vault's own public key only, and that is said.
    """
    from aikeys.cli.render.json_text import document

    where = home.place()
    opened = _opened(where) if balance else None
    rows, authenticated = access.look(where)
    now = clock.now_s()
    own = rows.by_key()
    shown = [(key, describe(own[key.id], key, now)) for key in sorted(rows.keys, key=lambda key: key.name)]
    shown = [(key, fields) for key, fields in shown if fields["due"] or not due]
    failures = _ask(where, opened, shown) if opened else []
    keys = [fields for _, fields in shown]
    if as_json:
        terminal.out(document("aikeys.keys/1", keys=keys, authenticated=authenticated))
    elif keys:
        _print(keys, has_balance=balance)
    else:
        terminal.say("nothing is due" if due else _why_empty())
    if not as_json:
        _say_ending(where, now)
    if failures:
        names = ", ".join(str(fields["name"]) for _, fields in shown if "error" in fields)
        raise type(failures[0])(f"the balance of {names} is not known", failures[0].hint)


def _why_empty() -> str:
    from aikeys.cli import authority

    who = authority.holder()
    return f"token {who.shown_id} is for no key" if who else "no keys yet; add one: aikeys add openai"


def _opened(where: Place) -> Opened | Access:
    """Return what opens the keys to ask with: the vault, or a token that may hold raw keys."""
    from aikeys.cli import authority

    if authority.is_holder():
        authority.require("list --balance")
    return access.open_keys(where)


def _say_ending(where: Place, now_s: int) -> None:
    """Say which tokens end soon; a token's holder is not told."""
    from aikeys.cli import authority
    from aikeys.cli.tokens import register as token_register
    from aikeys.tokens.visibility import left_text

    for claims in [] if authority.is_holder() else token_register.ending(where, now_s):
        terminal.say(f"token {token_register.named(claims)} expires {left_text(claims.expires_at, now_s)}")


def _print(keys: list[dict[str, object]], *, has_balance: bool) -> None:
    from aikeys.cli.render.table import table

    headers = ["NAME", "PROVIDER", "REGION", "LABELS", "ADDED", "ROTATE BY"] + ["BALANCE"] * has_balance
    lines = [
        [
            str(key["name"]) + (" *" if key["default"] else ""),
            str(key["provider"]),
            str(key["region"] or ""),
            " ".join(f"{name}={value}" for name, value in sorted(dict(key["labels"]).items())),  # type: ignore[call-overload]
            str(key["created_at"])[:10],
            str(key["due"] or ""),
            *([_balance_text(key)] if has_balance else []),
        ]
        for key in keys
    ]
    terminal.out_styled(table(headers, lines))
    if any(key["default"] for key in keys) and len({key["provider"] for key in keys}) < len(keys):
        terminal.say("* is used where its provider has several keys and none is named")
    if has_balance and any(line[-1] == _NONE for line in lines):
        terminal.say(f"{_NONE} the provider tells no balance, or not at this address")


def _balance_text(key: dict[str, object]) -> str:
    if "error" in key:
        return "unknown"
    balances: list[dict[str, str | None]] = key.get("balances", [])  # type: ignore[assignment]
    return " + ".join(f"{one['amount']} {one['currency'] or '(currency unknown)'}" for one in balances) or _NONE


def _ask(where: Place, opened: Opened | Access, shown: list[tuple[Key, dict[str, object]]]) -> list[AikeysError]:
    """Put what is left into the fields of each key, or why it is not known; return what went wrong."""
    from aikeys.providers.balances import balance, can_tell
    from aikeys.providers.transport import HttpxTransport

    catalogue = home.catalogue(where)
    asked = []
    for key, fields in shown:
        provider, base_url = catalogue.get(key.provider), opened.rows.version_of(key).base_url
        if provider is not None and can_tell(provider, base_url):
            asked.append((key, fields, provider, base_url))
    if asked:
        _record(where, opened, [key.name for key, *_ in asked])
    failures = []
    with closing(HttpxTransport()) as transport, screen.progress("asking for balances", len(asked)) as advance:
        for key, fields, provider, base_url in asked:
            try:
                found = balance(provider, base_url, opened.content(key).key_secret, transport)
                fields["balances"] = [_amount(one) for one in found]
                fields["balance"] = _amount(found[0])
            except AikeysError as failure:
                fields["error"] = failure.message
                terminal.warn(f"{key.name}: {failure.message}")
                failures.append(failure)
            advance()
    return failures


def _record(where: Place, opened: Opened | Access, names: list[str]) -> None:
    """Write down which keys are opened before they are; a single-use token is used up in the same transaction."""
    from aikeys.cli import authority
    from aikeys.ledger.store import Act
    from aikeys.ledger.token_acts import use_up

    holder = getattr(opened, "holder", None)
    with closing(authority.ledger_of_copy(where, where.ledger)) as ledger, ledger.writing() as writer:
        if holder is not None and holder.claims.is_once:
            use_up(writer, holder.shown_id)
        writer.act(Act("balance", ",".join(names), f"token={holder.shown_id}" if holder else ""))


def _amount(one: Amount) -> dict[str, str | None]:
    return {"amount": one.amount, "currency": one.currency or None}


def print_names() -> None:
    """Print the keys' names for a shell's completion; silent where there is nothing to read."""
    from aikeys.cli import authority

    try:
        rows = home.place().vault.read()
    except AikeysError:
        return
    if authority.is_holder():
        who = authority.admitted_quietly()
        rows = rows._replace(keys=tuple(key for key in rows.keys if who and who.claims.reaches(key.id)))
    for key in sorted(rows.keys, key=lambda key: key.name):
        terminal.out(key.name)
