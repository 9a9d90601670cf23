"""Revoking in a vault that is damaged or gone: what the revoke commands do where nothing can be checked.

What cannot be checked opens nothing, so the damage is a warning here and no reason to stop.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aikeys import clock
from aikeys.cli import terminal
from aikeys.cli.render.counted import counted
from aikeys.errors import AikeysError, Cancelled, Damaged, NotFound

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from aikeys.vault.damaged import Named
    from aikeys.vault.opening import Place
    from aikeys.vault.tokens.revoking import Revoked

_BY_ID = "name it by all 16 digits of its id, or revoke every token: aikeys token revoke --all"


def revoke_tokens(
    where: Place, wanted: Sequence[str], labels: dict[str, str], trouble: AikeysError, ask: Callable[[int], None]
) -> None:
    """Revoke tokens by id, name or label, without any all of them, as far as rows can be read; `ask` may cancel."""
    from aikeys.vault.damaged import named_tokens
    from aikeys.vault.tokens import revoking

    named = named_tokens(where)
    terminal.warn(trouble.message)
    if wanted:
        ids = sorted({_meant(named, each, trouble) for each in wanted})
    else:
        ids = sorted(_labelled(named, labels) if labels else named.ids - named.revoked_us.keys())
    if not ids:
        terminal.say("there is no such token that can be read")
        return
    if not wanted:
        ask(len(ids))
    done = revoking.revoke(where, ids)
    terminal.say(f"revoked {f'token {ids[0].hex()}' if len(ids) == 1 else counted(len(ids), 'token')}")
    say_where(done)


def say_where(done: Revoked) -> None:
    """Warn where a revocation stands in one place only."""
    if not done.in_vault:
        terminal.warn("the vault cannot be written: the ledger alone says that they are revoked, and it counts")
    elif not done.in_ledger:
        terminal.warn("the ledger cannot be written now; the entry is queued in the vault")


def _meant(named: Named, wanted: str, trouble: AikeysError) -> bytes:
    """Return the id that is named: a whole one as it stands, whether or not its row can be found."""
    from aikeys.tokens.finding import find_token
    from aikeys.vault.token_rows import is_id

    try:
        token_id = bytes.fromhex(wanted)
    except ValueError:
        token_id = b""
    if is_id(token_id):
        return token_id
    now_s = clock.now_s()
    known = {each: (line[0], _state(named, each, now_s)) for each, line in named.chains.items()}
    try:
        return find_token(known, wanted, now_s).id
    except NotFound:
        raise type(trouble)(trouble.message, _BY_ID) from None


def _state(named: Named, token_id: bytes, now_s: int) -> str:
    if token_id in named.revoked_us:
        return "revoked"
    return "active" if named.chains[token_id][0].expires_at > now_s else "expired"


def _labelled(named: Named, labels: dict[str, str]) -> set[bytes]:
    """Return the tokens with these labels; of rows that cannot be read nobody knows whose they are."""
    unreadable = len(named.ids - named.chains.keys() - named.revoked_us.keys())
    if unreadable:
        terminal.warn(f"whose {counted(unreadable, 'token')} cannot be read: {_BY_ID}")
    return {
        token_id
        for token_id, line in named.chains.items()
        if token_id not in named.revoked_us and labels.items() <= dict(line[0].labels).items()
    }


def revoke_key(where: Place, name: str, damage: Damaged) -> None:
    """Destroy the secrets of a key where no manifest can be signed; the vault stays damaged."""
    from aikeys.storage import ballast
    from aikeys.vault.damaged import destroy_key
    from aikeys.vault.tokens import revoking

    terminal.warn(damage.message)
    question = f"Remove {terminal.printable(name)}? Its secret is destroyed."
    if not terminal.options.yes and terminal.can_ask() and not terminal.confirm(question):
        raise Cancelled(f"{terminal.printable(name)} was not removed")
    item = ballast.with_room(where.home, lambda: destroy_key(where, name))
    if item is None:
        raise damage
    terminal.say(
        f"{name} removed from the vault, which stays damaged and opens nothing until a backup is restored. STILL VALID "
        "at the provider until you delete it there"
    )
    if not revoking.tell(where, [item]):
        terminal.warn("the ledger cannot be written now; the entry is queued in the vault")
