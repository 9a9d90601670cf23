"""`aikeys token revoke` and `prune`: take tokens away, without any key."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from aikeys import clock
from aikeys.cli import home, terminal
from aikeys.cli.render.counted import counted
from aikeys.errors import Cancelled, Damaged, Denied, MachineFailed, Usage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aikeys.cli.token_register import Chain, Register
    from aikeys.vault.opening import Place

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
    from aikeys.cli import authority, damaged_vault, token_register
    from aikeys.storage import ballast

    wanted = [token_register.refuse_secret(each) for each in tokens or ()]
    by_label = {name: value for name, value in (("team", team), ("user", user)) if value}
    if sum((bool(wanted), bool(by_label), everything)) != 1:
        raise Usage("say which tokens: ids, or --team and --user, or --all", "see: aikeys token list")
    gateway = authority.gateway()
    if gateway is not None:
        from aikeys.cli import remote_tokens

        remote_tokens.revoke(gateway, wanted, by_label, keep_children=keep_children)
        return
    where = home.place()
    authority.refuse_on_copy("token revoke")
    ask = partial(confirm, everything=everything, by_label=by_label)
    try:
        register = ballast.with_room(where.home, lambda: token_register.read_to_take_away(where))
    except (Damaged, MachineFailed) as trouble:
        if keep_children or authority.is_bearer():
            raise
        damaged_vault.revoke_tokens(where, wanted, by_label, trouble, ask)
        return
    forged = _forged(register, wanted, everything=everything)
    chosen = _chosen(register, [each for each in wanted if each not in forged], by_label, is_named=bool(wanted))
    if not chosen and not forged:
        return
    if not wanted:
        ask(len(chosen) + len(forged))
    if keep_children:
        _keep_children(where, register, chosen)
        register = ballast.with_room(where.home, lambda: token_register.read_to_take_away(where))
    from aikeys.vault import revoking

    done = revoking.revoke(where, [*(chain[0].id for chain in chosen), *map(bytes.fromhex, forged)])
    if chosen:
        _say(register, chosen)
    for each in forged:
        terminal.say(f"revoked token {each}, whose row was edited or forged; delete it: aikeys token prune")
    damaged_vault.say_where(done)


def _forged(register: Register, wanted: Sequence[str], *, everything: bool) -> list[str]:
    """Return the ids of tokens whose rows were edited: they open nothing, and stay so if their rows are put back."""
    if register.bearer is not None:
        return []
    wrong = [each for each in register.tokens.wrong if bytes.fromhex(each) not in register.tokens.revoked_us]
    return [each for each in wrong if everything or each in wanted]


def prune() -> None:
    """Delete tokens that are expired or revoked, and rows that were edited or forged. The ledger keeps the history."""
    from aikeys.cli import token_register
    from aikeys.vault.revoking import prune as delete

    gone = delete(token_register.place(), clock.now_s())
    terminal.say(f"deleted {counted(len(gone), 'token')}" if gone else "there is nothing to delete")


def _chosen(register: Register, wanted: Sequence[str], by_label: dict[str, str], *, is_named: bool) -> list[Chain]:
    """Return the tokens to revoke, each once, those above first; says so of those that are revoked already."""
    now_s = clock.now_s()
    if is_named:
        found = {chain[0].id: chain for chain in map(register.token, wanted)}
        for chain in found.values():
            register.require_revocable(chain)
        for chain in found.values():
            _say_if_revoked(register, chain)
    else:
        found = {
            token_id: chain
            for token_id, chain in register.chains.items()
            if by_label.items() <= dict(chain[0].labels).items() and register.may_revoke(chain)
        }
    alive = [
        chain
        for token_id, chain in found.items()
        if register.tokens.state(token_id, now_s) != "revoked" and (is_named or chain[0].expires_at > now_s)
    ]
    if not is_named and not alive:
        terminal.say("there is no such token that is active")
    return sorted(alive, key=len)


def _say_if_revoked(register: Register, chain: Chain) -> None:
    from aikeys.cli.token_register import named

    gone = next((each for each in chain if each.id in register.tokens.revoked_us), None)
    if gone is None:
        return
    at = clock.rfc3339(register.tokens.revoked_us[gone.id] / 1e6)
    because = "" if gone.id == chain[0].id else f", with {named(gone)}"
    terminal.say(f"token {named(chain[0])} was revoked already: {at}{because}")


def confirm(count: int, *, everything: bool, by_label: dict[str, str]) -> None:
    """Ask before several tokens are revoked, where somebody can answer; Cancelled for a no."""
    of = "" if everything else " of " + " and ".join(f"{name} {value}" for name, value in by_label.items())
    question = f"Revoke {counted(count, 'token')}{of}?"
    if not terminal.options.yes and terminal.can_ask() and not terminal.confirm(question):
        raise Cancelled("nothing was revoked")


def _keep_children(where: Place, register: Register, chosen: Sequence[Chain]) -> None:
    """Give the children of each token to its parent, signed by the vault."""
    from aikeys.vault import revoking

    if register.bearer is not None:
        raise Denied(
            "--keep-children needs the vault's signature, which no token can give",
            "the owner of the vault can, without AIKEYS_TOKEN",
        )
    opened = home.unlock(where).opened
    kept = [claims for chain in chosen for claims in revoking.take_over_children(where, opened, chain[0].id)]
    terminal.say(f"kept {counted(len(kept), 'token')} that they issued" if kept else "they issued no token")


def _say(register: Register, chosen: Sequence[Chain]) -> None:
    """Say what was revoked, and how many active tokens below went with it."""
    from aikeys.cli.token_register import named

    now_s = clock.now_s()
    ids = {chain[0].id for chain in chosen}
    below = {
        token_id
        for token_id, chain in register.tokens.chains.items()
        if token_id not in ids
        and any(each.id in ids for each in chain[1:])
        and register.tokens.state(token_id, now_s) == "active"
    }
    what = f"token {named(chosen[0][0])}" if len(chosen) == 1 else counted(len(chosen), "token")
    with_it = (
        f", and {counted(len(below), 'token')} issued with {'it' if len(chosen) == 1 else 'them'}" if below else ""
    )
    terminal.say(f"revoked {what}{with_it}")
    if any(chain[0].holds_raw_keys for chain in chosen):
        terminal.say("whoever used it may have kept the keys themselves: where in doubt, aikeys rotate NAME")
