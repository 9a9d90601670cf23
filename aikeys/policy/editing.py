"""Edits aliases and prices in the text of config.toml (pure): comments and order of what stays are kept."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from aikeys.errors import BadConfiguration

if TYPE_CHECKING:
    from collections.abc import MutableMapping


def edited(text: str, aliases: Mapping[str, str] | None, prices: Mapping[str, Mapping[str, object]] | None) -> str:
    """Return the text of config.toml with these aliases and prices, None for those that stay; or BadConfiguration."""
    import tomlkit

    before = tomllib.loads(text, parse_float=Decimal)
    wanted, document = dict(before), tomlkit.parse(text)
    if aliases is not None and aliases != before.get("aliases", {}):
        wanted["aliases"] = dict(aliases)
        _sync(_table(document, "aliases"), before.get("aliases", {}), aliases)
    if prices is not None and prices != before.get("prices", {}):
        wanted["prices"] = {name: dict(table) for name, table in prices.items()}
        _sync_tables(_table(document, "prices", is_parent=True), before.get("prices", {}), prices)
    made = document.as_string()
    if _without_empty(tomllib.loads(made, parse_float=Decimal)) != _without_empty(wanted):
        raise BadConfiguration(
            "config.toml is written in a way that cannot be changed without losing comments",
            'write each alias on a line of [aliases], each price as a table [prices."provider/model"]',
        )
    return made


def _table(within: MutableMapping[str, Any], name: str, *, is_parent: bool = False) -> MutableMapping[str, Any]:
    """Return a table of a document, made at its end where there is none."""
    import tomlkit

    if name not in within:
        within[name] = tomlkit.table(is_super_table=is_parent)
    found: MutableMapping[str, Any] = within[name]
    return found


def _sync_tables(
    table: MutableMapping[str, Any], before: Mapping[str, Any], after: Mapping[str, Mapping[str, object]]
) -> None:
    import tomlkit

    for name in [each for each in before if each not in after]:
        del table[name]
    for name, values in after.items():
        if before.get(name) != values:
            made = _table(table, name)
            _sync(made, before.get(name, {}), values)
            if name not in before and isinstance(made, tomlkit.items.Table):
                made.add(tomlkit.nl())  # an empty line before what follows


def _sync(table: MutableMapping[str, Any], before: Mapping[str, object], after: Mapping[str, object]) -> None:
    """Change a table's values in place, remove and add."""
    for name in [each for each in before if each not in after]:
        del table[name]
    for name, value in after.items():
        if name not in before or before[name] != value:
            table[name] = _item(value)


def _item(value: object) -> Any:
    """Return a value as an item on one line; tomlkit knows no Decimal, so it reads what tomli_w writes."""
    import tomli_w
    import tomlkit

    if isinstance(value, list | tuple):
        return tomlkit.value(f"[{', '.join(_item(each).as_string() for each in value)}]")
    return tomlkit.value(tomli_w.dumps({"x": value}).removeprefix("x = ").strip())


def _without_empty(document: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in document.items() if value != {}}
