"""What the commands that spend need of a home: its keys' names, the price book, the names of models."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from aikeys.cli import home

if TYPE_CHECKING:
    from aikeys.config import Config
    from aikeys.ledger.store import Ledger
    from aikeys.pricing.book import Book
    from aikeys.providers.catalogue import Provider
    from aikeys.spending.names import Held, Names
    from aikeys.vault.format import Key, Rows
    from aikeys.vault.opening import Place


class Shelf(NamedTuple):
    """The models somebody can name, and what they cost; nothing secret, no lock is opened."""

    settings: Config
    catalogue: dict[str, Provider]
    book: Book
    names: Names
    keys: tuple[Held, ...]


def shelf(where: Place, rows: Rows | None) -> Shelf:
    """Return the models of a home; without rows of a vault nobody holds a key."""
    from aikeys import config
    from aikeys.pricing.book import Book
    from aikeys.providers import catalogue
    from aikeys.spending.names import Names

    settings = config.load(where.home)
    providers = catalogue.load(settings.providers)
    book = Book(where.home, settings.prices, settings.aliases, providers)
    keys = tuple(_held(rows, key) for key in rows.keys) if rows else ()
    return Shelf(settings, providers, book, Names(keys, providers, book, settings.aliases), keys)


def _held(rows: Rows, key: Key) -> Held:
    from aikeys.spending.names import Held

    base_url = rows.version_of(key).base_url
    return Held(key.name, key.provider, base_url, bool(key.is_default), bool(key.is_admin), key.labels, key.id.hex())


def rows_if_any(where: Place, ledger: Ledger | None = None) -> Rows | None:
    """Return the vault's rows as far as one can see them without opening it, None without a vault."""
    return home.rows(where, ledger) if where.vault.exists else None


def wanted(models: list[str] | None, settings: Config) -> list[str]:
    """Return the models named, or the default of config.toml; Usage without either."""
    from aikeys.errors import Usage

    found = list(dict.fromkeys(models or ())) or ([settings.model] if settings.model else [])
    if not found:
        raise Usage("which model?", "name it with -m provider/model, or set [defaults] model in config.toml")
    return found


def labels_of(key: Held) -> dict[str, str]:
    """Return the labels that a key was stored with."""
    return home.labels_of(key.labels)
