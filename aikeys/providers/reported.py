"""Numbers that a provider reports beside the counts that are priced: free ones, parts of sums, fees (pure values).

A number is named by its whole path in the reply, without the positions in lists: `usage.server_tool_use.maps_requests`.
An item of the output is named by its type: `output.web_search_call`, `content.server_tool_use.web_fetch`.

    free       costs nothing: times, scores, items that are billed by their tokens
    part_of    is contained in a number that is read
    fee        is billed: the unit that it counts

What is on no list and was not read makes an entry a lower bound. The lists stand in catalogue.toml, those of all
providers and those of each; config.toml adds to them under [reported.PROVIDER].
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from aikeys.errors import BadConfiguration

KINDS = ("free", "part_of", "fee")
_UNITS_MAY_HOLD = frozenset("abcdefghijklmnopqrstuvwxyz0123456789_")


class Reported(NamedTuple):
    """The lists of one provider: `settled` are the paths that change no cost, `fees` are (path, unit)."""

    settled: frozenset[str] = frozenset()
    fees: tuple[tuple[str, str], ...] = ()

    def plus(self, more: Reported) -> Reported:
        """Return both lists as one; where both name a fee, the unit of `more` counts."""
        return Reported(self.settled | more.settled, tuple({**dict(self.fees), **dict(more.fees)}.items()))


NONE_LISTED = Reported()


def reported_of(where: str, table: Mapping[str, object]) -> Reported:
    """Return the lists of a table; BadConfiguration names what is wrong in it."""
    for name in table:
        if name not in KINDS:
            raise BadConfiguration(f"{where} has an unknown setting {name[:40]!r}", f"known: {', '.join(KINDS)}")
    settled = frozenset(path for kind in KINDS[:2] for path in _paths(f"{where}: {kind}", table.get(kind, ())))
    return Reported(settled, tuple(_fees(f"{where}: fee", table.get("fee", {})).items()))


def _paths(where: str, value: object) -> list[str]:
    """A list of paths, or a text with blanks between them (catalogue.toml)."""
    paths = value.split() if isinstance(value, str) else value
    if not isinstance(paths, list | tuple) or not all(isinstance(each, str) and each for each in paths):
        raise BadConfiguration(f"{where} is not a list of fields", 'write for example free = ["usage.queue_time"]')
    return list(paths)


def _fees(where: str, value: object) -> dict[str, str]:
    example = 'write for example fee = { "usage.searches" = "web_searches" }'
    if not isinstance(value, Mapping):
        raise BadConfiguration(f"{where} is not a table of fields and units", example)
    for path, unit in value.items():
        if not path or not isinstance(unit, str) or not unit or not {*unit} <= _UNITS_MAY_HOLD:
            raise BadConfiguration(f"{where}: {str(path)[:60]!r} has no unit", example)
    return dict(value)
