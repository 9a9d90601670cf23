"""One thing that `aikeys doctor` looked at."""

from __future__ import annotations

from typing import NamedTuple


class Check(NamedTuple):
    """One thing looked at; `hint` is empty when it is well."""

    name: str
    finding: str
    hint: str = ""
