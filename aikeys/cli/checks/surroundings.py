"""Checks of the variables of this shell."""

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
