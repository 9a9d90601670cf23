"""Names of keys (pure): which there may be, what fits a shell and a file name unquoted; and whose key a name means."""

from __future__ import annotations

from aikeys.errors import NotFound, Usage
from aikeys.vault.format import Key, Rows

LONGEST = 64
_FIRST = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
_REST = _FIRST + "._-"

_EMPTY = ("a key's name is empty", "give a name such as openai or openai-work")


def shown(name: str) -> str:
    """Return a name as a message may repeat it: what looks like a key pasted by mistake is not repeated."""
    if len(name) >= 20 and any(character in "0123456789" for character in name):
        return "… (it looks like a key itself)"
    plain = name.isprintable() and name[:1] in _REST and not name.startswith("-")
    return name if name and plain else repr(name)


def check_name(name: str) -> str:
    """Return the name; raises Usage where it is none."""
    if not name:
        raise Usage(*_EMPTY)
    if len(name) > LONGEST:
        raise Usage(f"a key's name has {len(name)} characters, {LONGEST} are allowed", "choose a shorter name")
    if name.startswith(("sk-", "AIza", "gsk_", "xai-", "hf_", "pplx-")) or _has_random_run(name):
        raise Usage(
            "the name looks like a key itself",
            "give the key at the question or with --stdin; if it was one, it is in the shell's history now: replace it",
        )
    if name[0] not in _FIRST or any(character not in _REST for character in name):
        raise Usage(
            f"{shown(name)} cannot be a key's name",
            "use a to z, digits, dot, dash and underscore; begin with a letter or a digit",
        )
    return name


def _has_random_run(name: str) -> bool:
    """Tell whether 20 letters and digits stand together, both among them: no word is like that, most keys are."""
    runs = name.replace("_", "-").replace(".", "-").split("-")
    return any(len(run) >= 20 and not run.isalpha() and not run.isdigit() for run in runs)


def exact_key(rows: Rows, name: str) -> Key:
    """Return the key with exactly this name: what changes a key never guesses. Raises NotFound, Usage without one."""
    if not name:
        raise Usage(*_EMPTY)
    key = rows.key_named(name)
    if key is None:
        names = ", ".join(sorted(key.name for key in rows.keys))
        raise NotFound(
            f"there is no key named {shown(name)}", f"keys: {names}" if names else "add one: aikeys add NAME"
        )
    return key


def require_key(rows: Rows, name: str) -> Key:
    """Return the key with this name, or the default key of the provider with this name; raises NotFound."""
    default = next((key for key in rows.keys if key.provider == name and key.is_default), None)
    return rows.key_named(name) or default or exact_key(rows, name)
