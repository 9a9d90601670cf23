"""`aikeys token list` and `revoke` at a gateway, which says which tokens may be seen and revoked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from aikeys import clock
from aikeys.cli import terminal
from aikeys.cli.render.counted import counted
from aikeys.errors import Denied, Usage
from aikeys.remote import tokens

if TYPE_CHECKING:
    from aikeys.cli.render.token_rows import Row
    from aikeys.remote.client import Gateway
    from aikeys.remote.tokens import Lent
    from aikeys.tokens.wishes import Wish
    from aikeys.vault.issuing import Issued


def issued(gateway: Gateway, wish: Wish) -> Issued:
    """Issue a token: a child of the one that asks."""
    from aikeys.vault.issuing import Issued

    made, text = tokens.issue(gateway, wish)
    return Issued(text, made.claims, made.key_names)


def rows(gateway: Gateway, *, everything: bool, labels: dict[str, str]) -> list[Row]:
    """Return the tokens for the list. What is left of their budgets is not told."""
    found = tokens.lent(gateway, clock.now_s())
    return [_row(one) for one in found if (everything or one.state == "active") and _has(one, labels)]


def revoke(gateway: Gateway, wanted: Sequence[str], labels: dict[str, str], *, keep_children: bool) -> None:
    """Revoke tokens by id or name, or all with these labels, or all."""
    from aikeys.cli.commands import token_revoke
    from aikeys.cli.token_register import named

    if keep_children:
        raise Usage("--keep-children cannot be done through a gateway", "run it where the gateway's vault is")
    now_s = clock.now_s()
    known = tokens.lent(gateway, now_s)
    if wanted:
        chosen = list({one.claims.id: one for one in (tokens.find(known, each, now_s) for each in wanted)}.values())
    else:
        chosen = [one for one in known if one.state == "active" and _has(one, labels)]
        if not chosen:
            terminal.say("there is no such token that is active")
            return
        token_revoke.confirm(len(chosen), everything=not labels, by_label=labels)
    for one in chosen:
        if one.state == "revoked":
            terminal.say(f"token {named(one.claims)} was revoked already")
    gone = _revoked(gateway, [one for one in chosen if one.state != "revoked"], is_each_named=bool(wanted))
    if gone:
        what = f"token {named(gone[0].claims)}" if len(gone) == 1 else counted(len(gone), "token")
        terminal.say(f"revoked {what}, and whatever was issued with {'it' if len(gone) == 1 else 'them'}")


def _revoked(gateway: Gateway, chosen: list[Lent], *, is_each_named: bool) -> list[Lent]:
    """Revoke, the token that asks last; of those that were not named one that may not be revoked is passed over."""
    gone = []
    for one in sorted(chosen, key=lambda one: one.claims.shown_id == gateway.token_id):
        try:
            tokens.revoke(gateway, one)
        except Denied:
            if is_each_named:
                raise
            continue
        gone.append(one)
    return gone


def _has(one: Lent, labels: dict[str, str]) -> bool:
    return labels.items() <= dict(one.claims.labels).items()


def _row(one: Lent) -> Row:
    from aikeys.cli.render.token_rows import Row

    return Row(one.claims, one.key_names, one.state, last_call=one.last_call)
