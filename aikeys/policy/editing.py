"""Change aliases and prices in the text of config.toml (pure), line by line: comments written by hand stay.

What cannot be done that way (inline tables, dotted names, values over several lines) is refused and left to the user.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from aikeys.errors import BadConfiguration

_HEADER = re.compile(r"\s*\[")
_KEY = re.compile(r"""\s*("(?:[^"\\]|\\.)*"|'[^']*'|[A-Za-z0-9_-]+)\s*=""")


def edited(text: str, aliases: Mapping[str, str] | None, prices: Mapping[str, Mapping[str, object]] | None) -> str:
    """Return the text of config.toml with these aliases and prices, None for those that stay; or BadConfiguration."""
    before = tomllib.loads(text, parse_float=Decimal)
    wanted = dict(before)
    blocks = _blocks(text)
    if aliases is not None and aliases != before.get("aliases", {}):
        wanted["aliases"] = dict(aliases)
        blocks = _aliases(blocks, aliases)
    if prices is not None and prices != before.get("prices", {}):
        wanted["prices"] = {name: dict(table) for name, table in prices.items()}
        blocks = _prices(blocks, before.get("prices", {}), prices)
    made = "".join(line for block in blocks for line in block)
    try:
        is_right = _without_empty(tomllib.loads(made, parse_float=Decimal)) == _without_empty(wanted)
    except tomllib.TOMLDecodeError:
        is_right = False
    if not is_right:
        raise BadConfiguration(
            "config.toml is written in a way that cannot be changed without losing comments",
            'write each alias on a line of [aliases], each price as a table [prices."provider/model"]',
        )
    return made


def _blocks(text: str) -> list[list[str]]:
    """Split at the headers of tables: each block begins with its header but the first."""
    blocks: list[list[str]] = [[]]
    for line in text.splitlines(keepends=True):
        if _HEADER.match(line):
            blocks.append([])
        blocks[-1].append(line)
    if blocks[-1] and not blocks[-1][-1].endswith("\n"):
        blocks[-1][-1] += "\n"
    return blocks


def _aliases(blocks: list[list[str]], after: Mapping[str, str]) -> list[list[str]]:
    found = next((block for block in blocks if block and _path(block[0]) == ["aliases"]), None)
    if found is None:
        return [*blocks, ["\n", "[aliases]\n", *_lines(after)]]
    return [_with_keys(block, after) if block is found else block for block in blocks]


def _prices(
    blocks: list[list[str]], before: Mapping[str, Any], after: Mapping[str, Mapping[str, object]]
) -> list[list[str]]:
    kept, seen = [], set()
    for block in blocks:
        path = _path(block[0]) if block else []
        if len(path) == 2 and path[0] == "prices":
            seen.add(path[1])
            if path[1] in after:
                kept.append(block if before.get(path[1]) == after[path[1]] else _with_keys(block, after[path[1]]))
        else:
            kept.append(block)
    fresh = [["\n", f"[prices.{_quoted(name)}]\n", *_lines(table)] for name, table in after.items() if name not in seen]
    return [*kept, *fresh]


def _with_keys(block: list[str], values: Mapping[str, object]) -> list[str]:
    """Return a table's lines with these values: changed in place, removed, or added behind the last one."""
    lines, last, seen = [block[0]], 1, set()
    for line in block[1:]:
        match = _KEY.match(line)
        name = _name(match[1]) if match else ""
        if match and name not in values:
            continue
        if match:
            seen.add(name)
            same = tomllib.loads(line, parse_float=Decimal) == {name: values[name]} if _is_whole(line) else False
            lines.append(line if same else _line(name, values[name]))
            last = len(lines)
        else:
            lines.append(line)
    return [*lines[:last], *_lines({name: one for name, one in values.items() if name not in seen}), *lines[last:]]


def _is_whole(line: str) -> bool:
    try:
        tomllib.loads(line)
    except tomllib.TOMLDecodeError:
        return False
    return True


def _lines(values: Mapping[str, object]) -> list[str]:
    return [_line(name, value) for name, value in values.items()]


def _line(name: str, value: object) -> str:
    import tomli_w

    # one value a line: an array of a tier's numbers, too
    if isinstance(value, list | tuple):
        inner = ", ".join(tomli_w.dumps({"x": one}).removeprefix("x = ").strip() for one in value)
        return f"{_quoted(name)} = [{inner}]\n"
    return f"{_quoted(name)} = {tomli_w.dumps({'x': value}).removeprefix('x = ')}"


def _path(line: str) -> list[str]:
    """Return the names in a table's header; empty for anything else."""
    try:
        document: Any = tomllib.loads(line)
    except tomllib.TOMLDecodeError:
        return []
    names = []
    while isinstance(document, dict) and document:
        ((name, document),) = document.items()
        names.append(name)
    return names if isinstance(document, dict) else []


def _name(text: str) -> str:
    return next(iter(tomllib.loads(f"{text} = 0")))


def _quoted(name: str) -> str:
    import tomli_w

    return tomli_w.dumps({name: 0}).rpartition(" = ")[0]


def _without_empty(document: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in document.items() if value != {}}
