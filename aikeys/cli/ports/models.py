"""Models: what they cost and which keys reach them, as `aikeys models` lists them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

from aikeys.cli.ports.choice import chosen
from aikeys.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aikeys.cli.models import ModelIndex
    from aikeys.remote.client import Gateway


class ModelList(NamedTuple):
    """Models in the fields of pricing/listing.py; `is_narrowed`: --all would look at every provider, too."""

    rows: list[dict[str, object]]
    is_narrowed: bool = False


class ModelsPort(Protocol):
    """Where models are listed."""

    def found(self, query: str, *, everything: bool) -> ModelList:
        """Return the models with a part in their name or an alias; with `everything` those no key reaches, too."""
        ...


class ModelsHere:
    """The price book, and the keys of this home's vault where it has one."""

    def found(self, query: str, *, everything: bool) -> ModelList:
        from aikeys.cli import authority, home, models

        where = home.place()
        model_index = models.model_index(where, models.rows_if_any(where))
        every = everything or not (model_index.keys or authority.is_holder())
        return ModelList(list(_rows(model_index, query, everything=every)), not every)


class ModelsThere:
    """What a gateway lets its token ask."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    def found(self, query: str, *, everything: bool) -> ModelList:
        from aikeys.remote.models import models_at

        if everything:
            raise UsageError("--all has no meaning at a gateway", "it lists what its keys reach and your token may ask")
        return ModelList(models_at(self._gateway, query))


def models() -> ModelsPort:
    """Return where models are listed now."""
    return chosen(ModelsHere, ModelsThere)


def _rows(model_index: ModelIndex, query: str, *, everything: bool) -> Iterator[dict[str, object]]:
    from aikeys import clock
    from aikeys.pricing import names
    from aikeys.pricing.book import bundled_providers
    from aikeys.pricing.listing import model_row

    now_us = clock.now_us()
    part = names.spelled(query)
    known = sorted({*bundled_providers(), *model_index.catalogue})
    aliases = {**names.SHIPPED, **model_index.settings.aliases}
    for provider in known:
        keys = [key.name for key in model_index.names.reaching(provider)]
        if not keys and not everything:
            continue
        own = (name.partition("/")[2] for name in model_index.settings.prices if name.partition("/")[0] == provider)
        for model in sorted({*model_index.book.models(provider), *(each for each in own if each != "*")}):
            name = f"{provider}/{model}"
            also = [alias for alias, target in aliases.items() if names.spelled(target) == names.spelled(name)]
            if part in names.spelled(name) or any(part in names.spelled(alias) for alias in also):
                found = model_index.names.price(provider, model)
                yield model_row(name, found.price if found else None, keys, also, now_us)
