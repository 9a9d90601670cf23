"""Names of keys (pure): which there may be, what fits a shell and a file name unquoted; and whose key a name means."""

from __future__ import annotations

from aikeys.errors import NotFound, Usage
from aikeys.vault.format import Key, Rows

LONGEST = 64
_FIRST = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
_REST = _FIRST + "._-"


def shown(name: str) -> str:
    """Return a name as a message may repeat it: what looks like a key pasted by mistake is not repeated."""
    if len(name) >= 20 and any(character in "0123456789" for character in name):
        return "… (it looks like a key itself)"
    return (
        name if name.isprintable() and all(letter in _REST for letter in name[:1]) and name[0] != "-" else ascii(name)
    )


def check_name(name: str) -> str:
    """Return the name; raises Usage where it is none."""
    if not name:
        raise Usage("a key's name is empty", "give it a name such as openai or openai-work")
    if len(name) > LONGEST:
        raise Usage(f"a key's name has {len(name)} characters, {LONGEST} are allowed", "choose a shorter name")
    if name.startswith(("sk-", "AIza", "gsk_", "xai-", "hf_", "pplx-")) or _has_random_run(name):
        raise Usage(
            "the name looks like a key itself", "give the key at the question or with --stdin, never as an argument"
        )
    if name[0] not in _FIRST or any(character not in _REST for character in name):
        raise Usage(
            f"{shown(name)} cannot be a key's name",
            "use letters, digits, dot, dash and underscore; start with a letter",
        )
    return name


def _has_random_run(name: str) -> bool:
    """Tell whether 20 letters and digits stand together, both among them: no word is like that, most keys are."""
    runs = name.replace("_", "-").replace(".", "-").split("-")
    return any(len(run) >= 20 and not run.isalpha() and not run.isdigit() for run in runs)


def exact_key(rows: Rows, name: str) -> Key:
    """Return the key with exactly this name: what changes a key never guesses. Raises NotFound."""
    key = rows.key_named(name)
    if key is None:
        names = ", ".join(sorted(key.name for key in rows.keys)) or "none yet"
        raise NotFound(f"there is no key named {shown(name)}", f"keys: {names}")
    return key


def require_key(rows: Rows, name: str) -> Key:
    """Return the key with this name, or the default key of the provider with this name; raises NotFound."""
    default = next((key for key in rows.keys if key.provider == name and key.is_default), None)
    return rows.key_named(name) or default or exact_key(rows, name)
