"""The choice between this machine and a gateway, for every noun."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    from aikeys.cli.ports.asker import AskerPort
    from aikeys.cli.ports.tokens import TokensPort
    from aikeys.remote.client import Gateway

_Here = TypeVar("_Here")
_There = TypeVar("_There")


def chosen(here: Callable[[], _Here], there: Callable[[Gateway], _There]) -> _Here | _There:
    """Return what is to be asked; TokenRefused (21) where a gateway is named and there is no token for it."""
    from aikeys.cli import authority

    gateway = authority.gateway()
    return here() if gateway is None else there(gateway)


def asker() -> AskerPort:
    """Return who asks models now."""

    def here() -> AskerPort:
        from aikeys.cli.ports.asker_here import AskerHere

        return AskerHere()

    def there(gateway: Gateway) -> AskerPort:
        from aikeys.cli.ports.asker_there import AskerThere

        return AskerThere(gateway)

    return chosen(here, there)


def tokens() -> TokensPort:
    """Return where tokens are kept now."""

    def here() -> TokensPort:
        from aikeys.cli.ports.tokens_here import TokensHere

        return TokensHere()

    def there(gateway: Gateway) -> TokensPort:
        from aikeys.cli.ports.tokens_there import TokensThere

        return TokensThere(gateway)

    return chosen(here, there)
