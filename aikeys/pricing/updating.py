"""The update of the prices in a home: what a book offers, its keeping, and its acceptance.

By itself a book only adds and raises (taking.py): it is kept beside what counts. Accepting puts it in the place of an
earlier accepted one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import NamedTuple

from aikeys.errors import BadConfiguration, NotFound
from aikeys.pricing import names, snapshot
from aikeys.pricing.book import Book
from aikeys.pricing.fetched import FetchedBook, accepted, with_held
from aikeys.pricing.taking import fallen, taken
from aikeys.pricing.values import Price
from aikeys.providers.catalogue import Provider

_GONE = ("is gone",)
_Catalogue = Mapping[str, Provider]


class Fallen(NamedTuple):
    """A model that a book would make cheaper or take away, and what of it."""

    model: str
    what: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.model}: {', '.join(self.what)}"


class Offer(NamedTuple):
    """What a book would change: how many models it adds and raises, and what it would lower."""

    data: bytes
    kept: snapshot.Snapshot
    models: int
    added: int
    raised: int
    falls: tuple[Fallen, ...]

    @property
    def sha256(self) -> str:
        """Return the digest of what was fetched."""
        return hashlib.sha256(self.data).hexdigest()


def offer(home: str, catalogue: _Catalogue, data: bytes, where: str, now_us: int) -> Offer:
    """Return what a book would change; BadConfiguration or Damaged where it is none."""
    kept, models = snapshot.check(data, where)
    now, then = Book(home, {}, {}, catalogue), FetchedBook(kept)
    added = raised = 0
    falls: list[Fallen] = []
    for provider in sorted(kept.lines):
        known = set(now.names(provider))
        added += sum(names.spelled(each) not in known for table in then.tables_of(provider) for each in table.ids())
        seen: dict[tuple[int, int], tuple[Price, Price | None]] = {}  # by ids, of what lives as long as it stands here
        for name in sorted(known):
            found = now.find(provider, name, is_reply=True)
            after = next(iter(then.prices(provider, name)), None)
            if found is None or (id(found.price), id(after)) in seen:
                continue
            seen[id(found.price), id(after)] = found.price, after
            if what := _falls(found.price, after, now_us):
                falls.append(Fallen(f"{provider}/{name}", what))
            raised += after is not None and taken(found.price, after, now_us) is not found.price
    falls.sort(key=lambda fall: fall.what == _GONE)  # what still has an earlier price behind it comes last
    return Offer(data, kept, models, added, raised, tuple(falls))


def keep(home: str, catalogue: _Catalogue, offered: Offer, source: str, now_us: int) -> None:
    """Keep a book for what it adds and raises."""
    after = Book(home, {}, {}, catalogue, FetchedBook(offered.kept))
    earlier = Book(home, {}, {}, catalogue).fetched

    def counts(provider: str, model: str) -> Price | None:
        found = after.find(provider, model, is_reply=True)
        return found.price if found is not None else None

    lines = with_held(offered.kept.lines, earlier, counts, now_us)
    _store(home, snapshot.packed(offered.kept.date, lines, source), snapshot.FETCHED)


def accept(home: str, offered: Offer) -> None:
    """Let a book count as it is, also where it lowers something."""
    _store(home, snapshot.packed(offered.kept.date, accepted(offered.kept.lines.values())), snapshot.FILE)
    snapshot.forget_fetched(home)


def waiting(home: str) -> tuple[bytes, str]:
    """Return the book that was fetched and not accepted, and its source; NotFound where there is none."""
    kept = snapshot.load(home, snapshot.FETCHED)
    if kept is None:
        raise NotFound("no fetched prices wait to be accepted", "fetch them: aikeys prices update")
    lines = accepted(kept.lines.values())
    return snapshot.packed(kept.date, lines, kept.source), kept.source


def _falls(before: Price, after: Price | None, now_us: int) -> tuple[str, ...]:
    if after is None:
        return _GONE
    return tuple(str(fall) for fall in fallen(before, after, now_us))


def _store(home: str, data: bytes, file: str) -> None:
    if len(data) > snapshot.LARGEST_BYTES:
        raise BadConfiguration("the price book is larger than 16 MiB", "the prices so far stay")
    snapshot.store(home, data, file)
