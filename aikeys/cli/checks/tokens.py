"""Checks of the tokens of a vault: forged rows, lost revocations, tokens that end soon."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import TYPE_CHECKING

from aikeys import clock
from aikeys.cli.checks.check import Check
from aikeys.errors import AikeysError

if TYPE_CHECKING:
    from aikeys.vault.opening import Place


def token_checks(where: Place) -> Iterator[Check]:
    """Yield how many tokens there are, and what is odd about them."""
    from aikeys.cli.tokens.register import ending, named
    from aikeys.tokens.visibility import left_text
    from aikeys.vault.tokens.revoking import missing_revocations, moved_untold, read_tokens

    try:
        tokens = read_tokens(where)
        with closing(where.ledger) as ledger:
            lost = missing_revocations(where, ledger.open())
            untold = moved_untold(tokens, ledger)
    except AikeysError as error:
        yield Check("tokens", error.message, error.hint or "see aikeys-vault(5)")
        return
    now_s = clock.now_s()
    count = sum(tokens.state(token_id, now_s) == "active" for token_id in tokens.chains)
    if tokens.chains:
        yield Check("tokens", f"{count} active of {len(tokens.chains)}")
    for token_id in tokens.wrong:
        finding = "its row was edited or forged; it opens nothing"
        yield Check(f"token {token_id}", finding, "find out who could write vault.db, then: aikeys token prune")
    for token_id in lost:
        finding = "its revocation was removed from the vault; it stays revoked, the ledger has it"
        yield Check(f"token {token_id}", finding, "find out who could write vault.db, then: aikeys token prune")
    for moved_id, before in untold.items():
        finding = f"the vault took it over, and the ledger still counts it for {before.hex()}: a command was killed"
        yield Check(f"token {moved_id.hex()}", finding, f"aikeys token revoke {before.hex()} --keep-children")
    for claims in ending(where, now_s):
        hint = "issue another: aikeys token issue, or revoke it"
        yield Check(f"token {named(claims)}", f"expires {left_text(claims.expires_at, now_s)}", hint)
