"""Acts as JSON lines (pure): what `ledger export` writes of them; an import passes them over."""

from __future__ import annotations

from aikeys.ledger.entries import Entry
from aikeys.ledger.interchange import time_text
from aikeys.ledger.store import ActNames

ACT_FIELDS = (
    "kind",
    "number",
    "at",
    "phase",
    "act",
    "subject",
    "person",
    "actor",
    "detail",
    "facts",
    "status",
    "intent",
    "epoch",
)


def act_row(entry: Entry, names: ActNames) -> dict[str, object]:
    """Return an act as one line says it."""
    row: dict[str, object] = {
        "kind": "act",
        "number": entry.id,
        "at": time_text(entry.at_us),
        "phase": entry.phase,
        "act": entry.act,
        "subject": entry.subject,
        "person": names.person,
        "actor": names.actor,
        "detail": entry.said,
        "facts": dict(entry.pairs) if entry.facts else "",
        "status": entry.status,
        "intent": entry.intent,
        "epoch": entry.epoch,
    }
    return {name: value for name, value in row.items() if value not in ("", None)}
