"""Checks of the keys: which are due to be rotated."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from aikeys import clock
from aikeys.cli.checks.check import Check

if TYPE_CHECKING:
    from aikeys.vault.format import Rows


def key_checks(rows: Rows) -> Iterator[Check]:
    """Yield the keys that are due."""
    from aikeys.rotation.due import due_reason

    for key in sorted(rows.keys, key=lambda key: key.name):
        reason = due_reason(rows, key, clock.now_s())
        if reason:
            yield Check(f"key {key.name}", reason, f"aikeys rotate {key.name}")
