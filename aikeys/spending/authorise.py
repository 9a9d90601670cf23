"""The choke point: whoever wants to spend passes here first, at every attempt, whichever door they came through.

A caller is whoever could open the vault, or the holder of a token: then its claims say which keys, which models, from
where, and for whom what is spent counts. Whether a token is still good was asked before (vault/tokens/admission.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from aikeys.errors import Denied
from aikeys.ledger.calls import Labels
from aikeys.names import Label
from aikeys.spending.names import Target
from aikeys.tokens import patterns
from aikeys.tokens.claims import Claims
from aikeys.tokens.sight import Sight, sight_of
from aikeys.tokens.token_request import grantor


class Caller(NamedTuple):
    """Who spends, and through which door. `claims` is None for the owner of the vault, `address` empty for a terminal.

    `above`: the tokens above the caller's, parent first; their limits count, too.
    """

    labels: Labels
    door: str
    claims: Claims | None = None
    above: tuple[Claims, ...] = ()
    address: str = ""

    @property
    def sight(self) -> Sight:
        """Return which budgets the caller may see."""
        return sight_of(self.claims, self.above)

    @property
    def token(self) -> str:
        """Return the id of the caller's token, empty for the owner."""
        return self.claims.shown_id if self.claims else ""


def authorise(caller: Caller, target: Target, scope: str = "chat:write") -> None:
    """Return when the caller may use this key for this model; Denied says why not."""
    if target.key.is_admin:
        raise Denied(
            f"{target.key.name} is an administration key: it is never used for calls",
            f"add a key for calls: aikeys add NAME --provider {target.provider.name}",
        )
    if caller.claims is not None:
        _authorise_token(caller.claims, target, scope, caller.address)


def _authorise_token(claims: Claims, target: Target, scope: str, address: str) -> None:
    who = f"token {claims.shown_id}"
    if not claims.may(scope):
        raise Denied(f"{who} lacks the scope {scope}", grantor(scope))
    if not claims.reaches(bytes.fromhex(target.key.id)):
        raise Denied(
            f"{who} is not for the key {target.key.name}",
            f"the owner of the vault can issue one that is: aikeys token issue --key {target.key.name}",
        )
    if not patterns.allows(claims.models, str(target)):
        raise Denied(
            f"{who} is not for the model {target}",
            f"it is for {', '.join(claims.models)}; the owner of the vault can issue one: aikeys token issue --model "
            f"{target}",
        )
    if address and not patterns.is_from(claims.addresses, address):
        raise Denied(f"{who} may not be used from {address}", f"it is for {', '.join(claims.addresses)}")


def bound_labels(claims: Claims, asked: Mapping[str, Label]) -> dict[str, Label]:
    """Return the labels of a token's call: its own, and what was asked where it leaves a label open.

    Denied where what was asked contradicts the token: what somebody spends cannot be put on another's account.
    """
    own = {name: Label(value) for name, value in claims.labels}  # checked when it was issued
    for name, value in asked.items():
        if value and own.get(name, value) != value:
            raise Denied(
                f"token {claims.shown_id} spends for {name} {own[name]}, not for {value}",
                f"leave {name} out, or use a token of its own",
            )
    return {**asked, **own}
