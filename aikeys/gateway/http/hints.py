"""Hints of errors for a client over HTTP (pure): fields of its request in the place of options of the command line.

What follows `aikeys COMMAND` is a whole command, for the owner of the vault at a terminal: it stays as it is.
"""

import re

_COMMAND = re.compile(r"\baikeys [a-z]")
_OPTION = re.compile(r"(?<![\w-])--([a-z][a-z-]*[a-z])")


def for_client(hint: str) -> str:
    """Return a hint that tells nobody to type an option: `give --max-tokens` becomes `give max_tokens`."""
    return "; ".join(map(_clause, hint.split("; ")))


def _clause(text: str) -> str:
    found = _COMMAND.search(text)
    end = found.start() if found else len(text)
    return _OPTION.sub(lambda option: option[1].replace("-", "_"), text[:end]) + text[end:]
