"""From a token's claims up to the vault's signing key: every link signed, every child inside its parent."""

from collections.abc import Mapping, Sequence

from aikeys import sealing
from aikeys.errors import Damaged
from aikeys.tokens.claims import Claims, decode, message, wider
from aikeys.tokens.link import Link

DEEPEST = 8
"""Generations below a token of the vault's own."""
_HINT = "restore a backup: aikeys restore FILE; or issue the token again"


def checked(links: Sequence[Link], vault_id: bytes, signing_public: bytes) -> tuple[Claims, ...]:
    """Return the claims of a token and of all above it (links in that order).

    Damaged where one was edited, exchanged or forged. The vault signs roots, and children that it took over when their
    parent was revoked; a parent signs its own.
    """
    if not links or len(links) > DEEPEST + 1:
        raise Damaged("a token has no, or too many, tokens above it", _HINT)
    found: list[Claims] = []
    for link in reversed(links):
        found.append(_checked(link, found[-1] if found else None, vault_id, signing_public))
    return tuple(reversed(found))


def checked_all(links: Mapping[bytes, Link], vault_id: bytes, signing_public: bytes) -> dict[bytes, tuple[Claims, ...]]:
    """Return the same for every token of a vault whose chain is right, each link checked once; others are left out.

    From the roots down: what hangs below a token, or in a circle, cannot take it along.
    """
    below: dict[bytes, list[Link]] = {}
    for link in links.values():
        try:
            below.setdefault(decode(link.claims).parent, []).append(link)
        except Damaged:
            continue
    found: dict[bytes, tuple[Claims, ...]] = {}
    waiting: list[tuple[Link, tuple[Claims, ...]]] = [(link, ()) for link in below.get(b"", ())]
    while waiting:
        link, above = waiting.pop()
        try:
            claims = _checked(link, above[0] if above else None, vault_id, signing_public)
        except Damaged:
            continue
        found[link.id] = (claims, *above)
        if len(above) < DEEPEST:
            waiting += [(child, found[link.id]) for child in below.get(link.id, ())]
    return found


def _checked(link: Link, parent: Claims | None, vault_id: bytes, signing_public: bytes) -> Claims:
    claims = decode(link.claims)
    if claims.id != link.id or claims.vault_id != vault_id or claims.parent != (parent.id if parent else b""):
        raise Damaged(f"the claims of token {link.id.hex()} are another token's", _HINT)
    signed = message(link.claims)
    by_parent = parent is not None and sealing.is_signed(parent.child_public, link.signature, signed)
    if not by_parent and not sealing.is_signed(signing_public, link.signature, signed):
        raise Damaged(f"the claims of token {claims.shown_id} are not signed by its issuer", _HINT)
    if by_parent and parent is not None and "keys:write" not in parent.scopes:
        raise Damaged(f"token {claims.shown_id} was issued by one that may not issue tokens", _HINT)
    if parent is not None and (more := wider(claims, parent)):
        raise Damaged(f"token {claims.shown_id} is wider than its parent: {', '.join(more)}", _HINT)
    return claims
