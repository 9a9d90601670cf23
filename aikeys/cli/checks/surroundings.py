"""Checks of what is around a command: where its files are, the variables of its shell, the .env file beside it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

from aikeys.cli import home
from aikeys.cli.checks.check import Check
from aikeys.errors import AikeysError

if TYPE_CHECKING:
    from aikeys.vault.format import Rows
    from aikeys.vault.opening import Place


def environment_checks(where: Place, rows: Rows) -> Iterator[Check]:
    """Yield the variables of this shell that stand in the way of exec."""
    try:
        catalogue = home.catalogue(where)
    except AikeysError as error:
        yield Check("config.toml", error.message, error.hint)
        return
    for key in sorted(rows.keys, key=lambda key: key.name):
        provider = catalogue.get(key.provider)
        for variable in (*provider.env, *provider.base_url_env) if provider else ():
            if os.environ.get(variable):
                yield Check("environment", f"{variable} is set in this shell", f"unset {variable}; use aikeys exec")


def place_checks(where: Place) -> Iterator[Check]:
    """Yield where home, ledger and settings are."""
    from aikeys.config import CONFIG_FILE

    settings = os.path.join(where.home, CONFIG_FILE)
    yield Check("home", where.home)
    yield Check("ledger file", where.ledger.path)
    yield Check("settings", settings if os.path.exists(settings) else f"none ({settings})")


def file_beside_checks(where: Place) -> Iterator[Check]:
    """Yield whether the .env file of this folder holds keys."""
    from aikeys.cli.render.counted import counted
    from aikeys.imports.places import of_file
    from aikeys.imports.scanning import Scanner

    try:
        path = os.path.join(os.getcwd(), ".env")
        scanner = Scanner(home.catalogue(where), {})
    except (OSError, AikeysError):
        return
    found = sum(len(scanner.findings(part.data)) for part in of_file(path))
    if found:
        yield Check("files", f"{path} holds {counted(found, 'key')}", "aikeys import --remove")
