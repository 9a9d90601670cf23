"""Finding the key that a name means (pure). The rules for names: aikeys/names.py."""

from __future__ import annotations

from aikeys.errors import NotFound, UsageError
from aikeys.names import shown_key
from aikeys.vault.format import Key, Rows

_EMPTY = ("a key's name is empty", "give a name such as openai or openai-work")


def exact_key(rows: Rows, name: str) -> Key:
    """Return the key with exactly this name: what changes a key never guesses. Raises NotFound, Usage without one."""
    if not name:
        raise UsageError(*_EMPTY)
    key = rows.key_named(name)
    if key is None:
        names = ", ".join(sorted(key.name for key in rows.keys))
        raise NotFound(
            f"there is no key named {shown_key(name)}", f"keys: {names}" if names else "add one: aikeys add NAME"
        )
    return key


def require_key(rows: Rows, name: str) -> Key:
    """Return the key with this name, or the default key of the provider with this name; raises NotFound."""
    default = next((key for key in rows.keys if key.provider == name and key.is_default), None)
    return rows.key_named(name) or default or exact_key(rows, name)
