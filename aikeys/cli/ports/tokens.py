"""Tokens: listed, issued and revoked, as `aikeys token` does it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from aikeys.cli.render.token_rows import TokenRow
    from aikeys.tokens.claims import Claims
    from aikeys.tokens.token_request import TokenRequest
    from aikeys.vault.tokens.issuing import Issued


class TokenList(NamedTuple):
    """Tokens for a list; `authenticated`: whoever tells them has checked that nobody edited them."""

    rows: list[TokenRow]
    authenticated: bool


class WantedTokens(NamedTuple):
    """Which tokens are to be revoked: these (ids, their first digits or names), or all with these labels, or all."""

    named: tuple[str, ...]
    labels: Mapping[str, str]

    @property
    def is_all(self) -> bool:
        return not self.named and not self.labels


class TokensPort(Protocol):
    """Where tokens are kept."""

    def listed(self, labels: Mapping[str, str], *, everything: bool) -> TokenList:
        """Return those with these labels that are active, or all; those that end first come first."""
        ...

    def require_whole(self) -> None:
        """Raise Damaged where somebody edited tokens or took a revocation away; after the list was shown."""
        ...

    def issue(self, token_request: TokenRequest) -> Issued:
        """Issue a token; a child of the one that asks, where a token asks."""
        ...

    def take_back(self, claims: Claims) -> None:
        """Revoke a token that was just issued and that nobody has."""
        ...

    def revoke(self, wanted: WantedTokens, ask: Callable[[int], None], *, keep_children: bool) -> None:
        """Revoke tokens and say which; `ask` is told how many were not named and may cancel."""
        ...
