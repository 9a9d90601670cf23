"""Labels of a call, from names and values and back (pure)."""

from __future__ import annotations

from collections.abc import Mapping

from aikeys.ledger.calls import Labels
from aikeys.names import Label

_OWN = ("team", "project", "environment", "user")


def labels_of(pairs: Mapping[str, Label]) -> Labels:
    """Return labels from names and values; names that are no label of ours are tags."""
    own = {name: pairs.get(name, "") for name in _OWN}
    tags = tuple(sorted((name, value) for name, value in pairs.items() if name not in own and value))
    return Labels(**own, tags=tags)


def pairs_of(labels: Labels) -> dict[str, Label]:
    """Return names and values of labels, the other way round."""
    own = {name: getattr(labels, name) for name in _OWN}
    return {name: Label(value) for name, value in (*own.items(), *labels.tags) if value}
