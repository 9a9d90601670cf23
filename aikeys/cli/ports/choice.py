"""The choice between this machine and a gateway, for every noun."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    from aikeys.remote.client import Gateway

_Here = TypeVar("_Here")
_There = TypeVar("_There")


def chosen(here: Callable[[], _Here], there: Callable[[Gateway], _There]) -> _Here | _There:
    """Return what is to be asked; TokenRefused (21) where a gateway is named and there is no token for it."""
    from aikeys.cli import authority

    gateway = authority.gateway()
    return here() if gateway is None else there(gateway)
