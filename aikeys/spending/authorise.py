"""The choke point: whoever wants to spend passes here first, at every attempt, whichever door they came through.

Today the only caller is whoever could open the vault; tokens with scopes, models and limits become callers of another
kind here, and nothing below has to change.
"""

from __future__ import annotations

from typing import NamedTuple

from aikeys.errors import AikeysError
from aikeys.ledger.calls import Labels
from aikeys.spending.names import Target


class Denied(AikeysError):
    """What is asked for is outside what the caller may do."""

    code = "denied"
    exit_status = 20
    http_status = 403


class Caller(NamedTuple):
    """Who spends, and through which door. `token` and `address` are empty for the owner of the vault."""

    labels: Labels
    door: str
    token: str = ""
    address: str = ""


def authorise(caller: Caller, target: Target) -> None:
    """Return when the caller may use this key for this model; Denied says why not."""
    del caller  # the owner may use every key that is for calls
    if target.key.is_admin:
        raise Denied(
            f"{target.key.name} is an administration key: it is never used for calls",
            f"add a key for calls: aikeys add NAME --provider {target.provider.name}",
        )
