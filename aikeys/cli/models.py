"""The model index of a home: its keys' names, the price book, the names of models."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from aikeys.cli import access, home
from aikeys.errors import AikeysError, Denied

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aikeys.config import Config
    from aikeys.ledger.store import Ledger
    from aikeys.names import Label
    from aikeys.pricing.book import Book
    from aikeys.providers.catalogue import Provider
    from aikeys.spending.names import ModelNames, SpendingKey, Target
    from aikeys.vault.format import Rows
    from aikeys.vault.opening import Place
    from aikeys.vault.tokens.admission import Holder


class ModelIndex(NamedTuple):
    """The models somebody can name, and what they cost; nothing secret, no lock is opened."""

    settings: Config
    catalogue: dict[str, Provider]
    book: Book
    names: ModelNames
    keys: tuple[SpendingKey, ...]


def model_index(where: Place, rows: Rows | None) -> ModelIndex:
    """Return the models of a home; without rows of a vault nobody holds a key."""
    from aikeys import config
    from aikeys.pricing.book import Book
    from aikeys.providers import catalogue
    from aikeys.spending.names import ModelNames, held_of

    settings = config.load(where.home)
    providers = catalogue.load(settings.providers, settings.reported)
    book = Book(where.home, settings.prices, settings.aliases, providers)
    keys = tuple(held_of(rows, key) for key in rows.keys) if rows else ()
    return ModelIndex(settings, providers, book, ModelNames(keys, providers, book, settings.aliases), keys)


def rows_if_any(where: Place, ledger: Ledger | None = None) -> Rows | None:
    """Return the vault's rows as far as one can see them without opening it, None without a vault.

    With a token they are those of the keys it is for.
    """
    from aikeys.cli import authority

    if not where.vault.exists:
        return None
    return authority.rows_reached() if authority.is_holder() else access.rows(where, ledger)


def targets(model_index: ModelIndex, text: str, where: Place) -> list[Target]:
    """Return the model that a text names and its stand-ins; Denied where only the token is not for its key."""
    from aikeys.cli import authority
    from aikeys.spending.targets import stand_ins, targets_of

    who = authority.holder()
    if who is None:
        return targets_of(model_index.names, text, model_index.settings.fallbacks)
    try:
        first = model_index.names.resolve(text)
    except AikeysError:
        _refuse_out_of_scope(_every_name(model_index, where), text, who)
        raise
    return [first, *stand_ins(model_index.names, first, text, model_index.settings.fallbacks, lenient=True)]


def _every_name(model_index: ModelIndex, where: Place) -> ModelNames:
    """Return the names among all keys of the vault, whatever a token is for."""
    from aikeys.spending.names import ModelNames, held_of

    rows = access.rows(where)
    return ModelNames(
        [held_of(rows, key) for key in rows.keys], model_index.catalogue, model_index.book, model_index.settings.aliases
    )


def _refuse_out_of_scope(every: ModelNames, text: str, who: Holder) -> None:
    """Raise Denied where the name is right, and only the token is not for the key."""
    try:
        target = every.resolve(text)
    except AikeysError:
        return
    if not who.claims.reaches(bytes.fromhex(target.key.id)):
        raise Denied(
            f"token {who.shown_id} is not for the key {target.key.name}",
            f"the owner of the vault can issue one that is: aikeys token issue --key {target.key.name}",
        )


def wanted(models: Iterable[str], settings: Config) -> list[str]:
    """Return the models named, or the default of config.toml; UsageError without either."""
    from aikeys.errors import UsageError

    found = list(dict.fromkeys(models)) or ([settings.model] if settings.model else [])
    if not found:
        raise UsageError("which model?", "name it with -m provider/model, or set [defaults] model in config.toml")
    return found


def labels_of(key: SpendingKey) -> dict[str, Label]:
    """Return the labels that a key was stored with."""
    return home.labels_of(key.labels)
