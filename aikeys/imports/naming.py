"""Decides which found keys are new and what each is called. Pure: no disk, no vault, no secret revealed.

Rules: one secret of one provider is one entry however often it was found; the first gets the provider's name, a name
that is taken gets the folder's name, then a number. A secret the vault already holds for that provider is not added.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import count
from pathlib import PurePath
from typing import Literal, NamedTuple

from aikeys.imports.sources import Candidate
from aikeys.secret import Secret

_LONGEST_FOLDER = 40


class Planned(NamedTuple):
    """One entry: `add` under a new name, or `have` under an existing one; `also` are its other places."""

    candidate: Candidate
    name: str
    action: Literal["add", "have"]
    also: tuple[Candidate, ...]

    def variables(self, own: Sequence[str]) -> tuple[str, ...]:
        """Return the variables that the programs read the key from, `own` ones of its provider first and together.

        Names that no environment has by custom (`api_key` in a YAML file) are none.
        """
        read = [each.variable for each in (self.candidate, *self.also) if _is_variable(each.variable)]
        first = own if not read or any(variable in own for variable in read) else ()
        return tuple(dict.fromkeys((*first, *read)))


def _is_variable(name: str) -> bool:
    return name.isascii() and name == name.upper() and any(map(str.isalpha, name))


def plan(
    candidates: Iterable[Candidate],
    existing: Mapping[str, str],
    same_secret: Callable[[str, Secret], bool],
) -> list[Planned]:
    """Plan the import; `existing` maps each key's name to its provider, `same_secret` compares inside the vault."""
    taken = set(existing)
    planned: list[Planned] = []
    for first, *also in _grouped(candidates):
        held = _held(first, existing, same_secret)
        name = held or _free_name(first, taken)
        taken.add(name)
        planned.append(Planned(first, name, "have" if held else "add", tuple(also)))
    return planned


def _grouped(candidates: Iterable[Candidate]) -> list[list[Candidate]]:
    """Gather the places of each secret, in the order found; compared one by one, as a secret has no hash."""
    groups: list[list[Candidate]] = []
    for candidate in candidates:
        for group in groups:
            if group[0].provider == candidate.provider and group[0].secret == candidate.secret:
                group.append(candidate)
                break
        else:
            groups.append([candidate])
    return groups


def _held(candidate: Candidate, existing: Mapping[str, str], same_secret: Callable[[str, Secret], bool]) -> str:
    for name, provider in existing.items():
        if provider == candidate.provider and same_secret(name, candidate.secret):
            return name
    return ""


def _free_name(candidate: Candidate, taken: set[str]) -> str:
    if candidate.provider not in taken:
        return candidate.provider
    folder = _slug(PurePath(candidate.file).parent.name)
    stem = f"{candidate.provider}-{folder}" if folder else candidate.provider
    if stem not in taken:
        return stem
    return next(name for number in count(2) if (name := f"{stem}-{number}") not in taken)


def _slug(folder: str) -> str:
    return re.sub(r"[^a-z0-9._-]+", "-", folder.lower())[:_LONGEST_FOLDER].strip("-._")
