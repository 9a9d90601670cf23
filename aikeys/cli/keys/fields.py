"""Fields of a key in `aikeys list` and `aikeys show`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aikeys import clock
from aikeys.cli import home

if TYPE_CHECKING:
    from aikeys.vault.format import Key, Rows


def describe(rows: Rows, key: Key, now_s: int) -> dict[str, object]:
    """Return what is known of a key without opening it."""
    from aikeys.rotation.due import due_reason

    version = rows.version_of(key)
    grace = [row.grace_until for row in rows.versions if row.key_id == key.id and row.grace_until > now_s]
    return {
        "name": key.name,
        "provider": key.provider,
        "region": key.region or None,
        "base_url": version.base_url or None,
        "labels": home.labels_of(key.labels),
        "default": bool(key.is_default),
        "admin": bool(key.is_admin),
        "version": key.version,
        "created_at": clock.rfc3339(version.created_at),
        "rotate_every_s": key.rotate_every_s or None,
        "expires_at": clock.rfc3339(key.expires_at) if key.expires_at else None,
        "grace_until": clock.rfc3339(max(grace)) if grace else None,
        "due": due_reason(rows, key, now_s) or None,
    }
