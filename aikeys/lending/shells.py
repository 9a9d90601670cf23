"""Assignments in the words of a shell (pure): what `eval` takes, with every value quoted whole.

- bash, zsh and other POSIX shells: single quotes; a quote in the value ends them, stands escaped, and begins them again
  (POSIX.1-2024, 2.2.2).
- fish: single quotes, in which a backslash and a quote are escaped (fishshell.com/docs, "Quotes").
- PowerShell: single quotes, in which a quote is doubled, the typographic ones too (about_Quoting_Rules). Not run here.
- A line break is written as it is, inside the quotes: every one of them takes it. NUL cannot be in a variable.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from aikeys.errors import UsageError

SHELLS = ("bash", "zsh", "fish", "powershell")
_PLAIN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z", re.ASCII)
_POWERSHELL_QUOTES = re.compile("(['\u2018\u2019\u201a\u201b])")


def script(shell: str, values: Mapping[str, str], absent: Sequence[str]) -> str:
    """Return lines that set `values` and unset `absent`; UsageError for a name that a shell cannot set."""
    for name in (*values, *absent):
        if not _PLAIN_NAME.match(name):
            raise UsageError(f"no shell can set the variable {name!r}", "take another variable: aikeys edit NAME --var")
    match shell:
        case "fish":
            lines = [f"set -e {name}" for name in absent]
            lines += [f"set -gx {name} {_fish(value)}" for name, value in values.items()]
        case "powershell":
            lines = [f"Remove-Item Env:{name} -ErrorAction SilentlyContinue" for name in absent]
            lines += [f"$env:{name} = {_powershell(value)}" for name, value in values.items()]
        case _:
            lines = [f"unset {name}" for name in absent]
            lines += [f"export {name}={_posix(value)}" for name, value in values.items()]
    return "".join(f"{line}\n" for line in lines)


def shell_of(path: str) -> str:
    """Return the shell that a program such as /usr/bin/fish is, bash for one that is not known."""
    name = path.rpartition("/")[2]
    return name if name in SHELLS else "powershell" if name == "pwsh" else "bash"


def _posix(value: str) -> str:
    return "'" + value.replace("'", "'\\''") + "'"


def _fish(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _powershell(value: str) -> str:
    return "'" + _POWERSHELL_QUOTES.sub(r"\1\1", value) + "'"
