"""Checks of `aikeys doctor` for a token's holder: that token, its keys and this machine, nothing of anybody else.

A refused token shows that alone. A home whose own ledger is not here is a copy: that is no finding.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from aikeys import clock
from aikeys.cli import authority
from aikeys.cli.checks.check import Check
from aikeys.cli.checks.files import file_checks
from aikeys.cli.checks.ledger import ledger_checks
from aikeys.cli.checks.surroundings import environment_checks
from aikeys.cli.render.counted import counted
from aikeys.errors import AikeysError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aikeys.vault.format import Rows
    from aikeys.vault.opening import Place
    from aikeys.vault.tokens.admission import Holder


def checks(where: Place) -> Iterator[Check]:
    """Yield what was found, the token first."""
    from aikeys.cli.tokens.register import named
    from aikeys.tokens.visibility import ends_soon, left_text

    try:
        who = authority.admitted_now()
        rows, is_copy = authority.rows_in_scope(), authority.token_verifier().is_copy
    except AikeysError as error:
        yield Check("token", error.message, error.hint or f"unset {authority.VARIABLE}")
        yield from file_checks(where)
        return
    now_s = clock.now_s()
    ends = f"{named(who.claims)} is valid, expires {left_text(who.claims.expires_at, now_s)}"
    yield Check("token", ends, "issue another: aikeys token issue" if ends_soon(who.claims, now_s) else "")
    yield from _opening(who, rows)
    epoch = authority.token_verifier().rows.manifest.epoch
    what = "this copy does not know about later changes; copy vault.db again" if is_copy else "the vault itself"
    yield Check("vault", f"{what}, epoch {epoch}")
    yield from file_checks(where)
    if who.may("audit:read") and os.path.exists(where.ledger.path):
        yield from ledger_checks(where, authority.token_verifier().rows)
    yield from environment_checks(where, rows)


def _opening(who: Holder, rows: Rows) -> Iterator[Check]:
    """Yield which keys the token opens, and why it opens one no more."""
    if not who.claims.is_granted_keys:
        yield Check("opens", "no key: its scopes need none")
        return
    if not who.claims.holds_raw_keys:
        yield Check("opens", f"{counted(len(rows.keys), 'key')}, through a gateway only")
        return
    access = authority.access()
    names = []
    for key in sorted(rows.keys, key=lambda key: key.name):
        if key.is_admin:
            continue
        try:
            access.content(key)
            names.append(key.name)
        except AikeysError as error:
            yield Check(f"key {key.name}", error.message, error.hint or "issue another: aikeys token issue")
    without = "" if names else "issue one that is for a key: aikeys token issue --key NAME"
    yield Check("opens", ", ".join(names) or "no key", without)
