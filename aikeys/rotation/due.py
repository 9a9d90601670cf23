"""Keys that want attention (pure): the one definition that `list --due`, `rotate --due` and doctor go by."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aikeys.vault.format import Key, Rows

SOON_S = 14 * 86400


def due_reason(rows: Rows, key: Key, now_s: int) -> str:
    """Return why a key wants attention, empty when it doesn't."""
    version = rows.version_of(key)
    if key.expires_at and key.expires_at <= now_s:
        return "expired"
    if key.rotate_every_s and version.created_at + key.rotate_every_s <= now_s:
        return "rotation due"
    if key.expires_at and key.expires_at <= now_s + SOON_S:
        days = (key.expires_at - now_s) // 86400
        return f"expires in {days} day{'' if days == 1 else 's'}" if days else "expires today"
    return ""


def due(rows: Rows, now_s: int) -> list[Key]:
    """Return the keys that want attention, by name."""
    return sorted((key for key in rows.keys if due_reason(rows, key, now_s)), key=lambda key: key.name)
