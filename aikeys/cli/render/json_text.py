"""JSON documents for programs: every one names its schema; fields are added, never removed."""

from __future__ import annotations


def document(schema: str, **fields: object) -> str:
    """Return `{"schema": "aikeys.keys/1", …}`, the fields in the order given, without a line end."""
    import json

    return json.dumps({"schema": schema, **fields}, indent=2, ensure_ascii=False, sort_keys=False)
