"""`aikeys token revoke` and `prune`: take tokens away, without any key."""

from __future__ import annotations

from functools import partial
from typing import Annotated

import typer

from aikeys import clock
from aikeys.cli import terminal
from aikeys.cli.render.counted import counted
from aikeys.errors import Cancelled, UsageError

REVOKE = (
    ("aikeys token revoke 28aac159d3ccdbb4", "it and everything that was issued with it"),
    ("aikeys token revoke build --keep-children", "by its name; what it issued stays"),
    ("aikeys token revoke --team support", "all of a team"),
)
PRUNE = (("aikeys token prune", "tidy up, from cron for example"),)


def revoke(
    tokens: Annotated[
        list[str] | None,
        typer.Argument(metavar="[ID]...", help="The tokens: id, its first digits, or name; never a token itself."),
    ] = None,
    team: Annotated[str, typer.Option("--team", metavar="T", help="All of this team.")] = "",
    user: Annotated[str, typer.Option("--user", metavar="U", help="All of this user.")] = "",
    everything: Annotated[bool, typer.Option("--all", help="All tokens.")] = False,
    keep_children: Annotated[
        bool, typer.Option("--keep-children", help="What it issued stays, taken over by its parent or the vault.")
    ] = False,
) -> None:
    """Revoke tokens, and with each all that were issued with it. Takes effect at the next use.

    It needs no unlocking (but for --keep-children), and works with a full disk, in a damaged vault and without a
    ledger: the entry is then written later. A copy of vault.db learns of it when it is replaced; whoever had a token
    with env:read may have kept the keys themselves, so rotate those. On a terminal --team, --user and --all ask first,
    unless --yes.
    """
    from aikeys.cli.ports.choice import tokens as port
    from aikeys.cli.ports.tokens import WantedTokens
    from aikeys.cli.tokens import register as token_register

    wanted = [token_register.refuse_secret(each) for each in tokens or ()]
    by_label = {name: value for name, value in (("team", team), ("user", user)) if value}
    if sum((bool(wanted), bool(by_label), everything)) != 1:
        raise UsageError("say which tokens: ids, or --team and --user, or --all", "see: aikeys token list")
    ask = partial(_confirm, everything=everything, by_label=by_label)
    port().revoke(WantedTokens(tuple(wanted), by_label), ask, keep_children=keep_children)


def prune() -> None:
    """Delete tokens that are expired or revoked, and rows that were edited or forged. The ledger keeps the history."""
    from aikeys.cli.tokens import register as token_register
    from aikeys.vault.tokens.revoking import prune as delete

    gone = delete(token_register.place(), clock.now_s())
    terminal.say(f"deleted {counted(len(gone), 'token')}" if gone else "there is nothing to delete")


def _confirm(count: int, *, everything: bool, by_label: dict[str, str]) -> None:
    """Ask before several tokens are revoked, where somebody can answer; Cancelled for a no."""
    of = "" if everything else " of " + " and ".join(f"{name} {value}" for name, value in by_label.items())
    question = f"Revoke {counted(count, 'token')}{of}?"
    if not terminal.options.yes and terminal.can_ask() and not terminal.confirm(question):
        raise Cancelled("nothing was revoked")
