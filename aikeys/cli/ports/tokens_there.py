"""The tokens of a gateway, which says which of them may be seen and revoked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aikeys import clock
from aikeys.cli import terminal
from aikeys.cli.ports.tokens import TokenList
from aikeys.cli.render.counted import counted
from aikeys.cli.tokens.register import named
from aikeys.errors import Denied, UsageError
from aikeys.remote import tokens

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from aikeys.cli.ports.tokens import WantedTokens
    from aikeys.cli.render.token_rows import TokenRow
    from aikeys.remote.client import Gateway
    from aikeys.remote.tokens import RemoteToken
    from aikeys.tokens.claims import Claims
    from aikeys.tokens.token_request import TokenRequest
    from aikeys.vault.tokens.issuing import Issued


class TokensThere:
    """As far as the token that asks may see and change them."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    def listed(self, labels: Mapping[str, str], *, everything: bool) -> TokenList:
        """Return the tokens; what is left of their budgets is not told."""
        found = tokens.lent(self._gateway, clock.now_s())
        rows = [_row(one) for one in found if (everything or one.state == "active") and _has(one, labels)]
        return TokenList(rows, authenticated=True)

    def require_whole(self) -> None:
        """Do nothing: a vault's damage is its owner's matter, and no gateway tells it."""

    def issue(self, token_request: TokenRequest) -> Issued:
        from aikeys.vault.tokens.issuing import Issued

        made, text = tokens.issue(self._gateway, token_request)
        return Issued(text, made.claims, made.key_names)

    def take_back(self, claims: Claims) -> None:
        tokens.revoke(self._gateway, claims.shown_id)

    def revoke(self, wanted: WantedTokens, ask: Callable[[int], None], *, keep_children: bool) -> None:
        if keep_children:
            raise UsageError("--keep-children cannot be done through a gateway", "run it where the gateway's vault is")
        now_s = clock.now_s()
        known = tokens.lent(self._gateway, now_s)
        if wanted.named:
            found = [tokens.find(known, each, now_s) for each in wanted.named]
            chosen = list({one.claims.id: one for one in found}.values())
        else:
            chosen = [one for one in known if one.state == "active" and _has(one, wanted.labels)]
            if not chosen:
                terminal.say("there is no such token that is active")
                return
            ask(len(chosen))
        for one in chosen:
            if one.state == "revoked":
                terminal.say(f"token {named(one.claims)} was revoked already")
        alive = [one for one in chosen if one.state != "revoked"]
        gone = _revoked(self._gateway, alive, is_each_named=bool(wanted.named))
        if gone:
            what = f"token {named(gone[0].claims)}" if len(gone) == 1 else counted(len(gone), "token")
            terminal.say(f"revoked {what}, and whatever was issued with {'it' if len(gone) == 1 else 'them'}")


def _revoked(gateway: Gateway, chosen: list[RemoteToken], *, is_each_named: bool) -> list[RemoteToken]:
    """Revoke, the token that asks last; of those that were not named one that may not be revoked is passed over."""
    gone = []
    for one in sorted(chosen, key=lambda one: one.claims.shown_id == gateway.token_id):
        try:
            tokens.revoke(gateway, one.claims.shown_id)
        except Denied:
            if is_each_named:
                raise
            continue
        gone.append(one)
    return gone


def _has(one: RemoteToken, labels: Mapping[str, str]) -> bool:
    return labels.items() <= dict(one.claims.labels).items()


def _row(one: RemoteToken) -> TokenRow:
    from aikeys.cli.render.token_rows import TokenRow

    return TokenRow(one.claims, one.key_names, one.state, last_call=one.last_call)
