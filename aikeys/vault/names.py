"""Which names a key may have (pure): what fits a shell, a file name and a report without quoting."""

from __future__ import annotations

import string

from aikeys.errors import Usage

LONGEST = 64
_FIRST = string.ascii_letters + string.digits
_REST = _FIRST + "._-"


def check_name(name: str) -> str:
    """Return the name; raises Usage where it is none."""
    if not name:
        raise Usage("a key's name is empty", "give it a name such as openai or openai-work")
    if len(name) > LONGEST:
        raise Usage(f"a key's name has {len(name)} characters, {LONGEST} are allowed", "choose a shorter name")
    if name[0] not in _FIRST or any(character not in _REST for character in name):
        raise Usage(
            f"{name!a} cannot be a key's name", "use letters, digits, dot, dash and underscore; start with a letter"
        )
    return name
