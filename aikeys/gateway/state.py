"""State of a gateway's worker: made once, asked at every request, closed at the end.

The vault is read anew when its file changes; names of models are made anew then. Keys are opened with the token of the
request and the gateway's private key, and kept only sealed under the token: without the token nothing here opens them.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import time
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from aikeys import clock, sealing
from aikeys.budgets.reserver import ReserverSetup
from aikeys.budgets.sqlite_rounds import SqliteRounds
from aikeys.budgets.store import is_anybody_blocked
from aikeys.gateway.reserver import LoopReserver
from aikeys.gateway.settings import Settings
from aikeys.gateway.upstream import Upstream
from aikeys.network.proxies import without_proxies
from aikeys.pricing import snapshot
from aikeys.pricing.book import Book
from aikeys.secret import KeySecret, Secret
from aikeys.spending.io import Conditions
from aikeys.spending.names import ModelNames, Target, held_of
from aikeys.storage import ballast
from aikeys.tokens.claims import ALL_KEYS, Claims
from aikeys.vault.names import exact_key
from aikeys.vault.tokens.admission import Holder, TokenVerifier

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from aikeys.config import Config
    from aikeys.errors import AikeysError
    from aikeys.ledger.store import Ledger
    from aikeys.providers.catalogue import Provider
    from aikeys.vault.format import Key, Rows
    from aikeys.vault.opening import Place
    from aikeys.vault.tokens.revoking import Tokens

_ALLOWS_HTTP = b"h"
"""In front of a secret that is kept: its row allows plain http to a private network."""
_MOST_KEPT = 10_000


class Knowledge(NamedTuple):
    """Configuration, providers and prices. Only the prices change while a worker runs: see `take_prices`."""

    config: Config
    catalogue: dict[str, Provider]
    book: Book


def sha256(data: bytes) -> bytes:
    """Return the digest that a token's text is remembered by."""
    return hashlib.sha256(data).digest()


class WorkerState:
    """One worker's token verifier, reserver, ledger and connections. Made inside its event loop."""

    def __init__(
        self, place: Place, gateway: Secret, settings: Settings, knowledge: Knowledge, say: Callable[[str], None]
    ) -> None:
        self.place = place
        self.settings = settings
        self.knowledge = knowledge
        self.say = say
        self.ledger: Ledger = place.ledger.open()
        self._loop = loop = asyncio.get_running_loop()
        self.token_verifier = TokenVerifier(place, self.ledger, sha256, loop.call_soon)
        self.broken: asyncio.Future[None] = loop.create_future()
        """Done when the ledger's thread has failed: this process can serve no more."""
        setup = ReserverSetup(make_room=lambda: ballast.drop(place.home), say=say, ended=self._reserver_ended)
        self.reserver = LoopReserver(SqliteRounds(place.ledger_directory), loop, setup)
        self.conditions = Conditions(knowledge.book, knowledge.config.limits, settings.timeouts, settings.drain_s)
        environ = os.environ if settings.uses_proxy else without_proxies(os.environ)
        self.upstream = Upstream(settings.largest_reply_bytes, environ=environ)
        self.calls: set[asyncio.Task[object]] = set()
        self.answered: Counter[int] = Counter()  # by the first digit of the status
        self.is_stopping = False
        self.started_s = time.monotonic()
        self.prices_stamp = snapshot.stamp(place.home)
        """Of the prices in use: before anything of them is read."""
        self.register: tuple[Rows, Tokens] | None = None
        self._gateway = gateway
        self._pocket: dict[tuple[bytes, str, int], bytes] = {}
        self._is_anybody_blocked: bool | None = None
        self._rows: Rows | None = None
        self._names: ModelNames | None = None
        self._names_of: dict[tuple[str, ...], ModelNames] = {}

    def _reserver_ended(self) -> None:
        self._loop.call_soon_threadsafe(self.broken.set_result, None)

    def take_prices(self, book: Book) -> None:
        """Use another price book from the next request on; calls under way settle by the one they have."""
        self.knowledge = self.knowledge._replace(book=book)
        self.conditions = self.conditions._replace(book=book)
        self._names = None
        self._names_of.clear()

    def note_refusal(self, failure: AikeysError) -> None:
        """Hear of every request that was refused."""

    async def close(self) -> None:
        """Let go of everything; what is asked of the reserver by now is written."""
        await self.upstream.close()
        await asyncio.to_thread(self.reserver.close)
        self.token_verifier.close()
        self.ledger.close()

    def is_anybody_blocked(self) -> bool:
        """Tell whether any budget can refuse a call, as of this turn of the loop: a later request is in a later one."""
        found = self._is_anybody_blocked
        if found is None:
            with self.ledger.looking() as connection:
                found = self._is_anybody_blocked = is_anybody_blocked(connection)
            self._loop.call_soon(self._turn_ends)
        return found

    def _turn_ends(self) -> None:
        self._is_anybody_blocked = None

    def admit(self, given: str) -> Holder:
        """Return who stands behind a token; TokenRefused (401), Damaged."""
        return self.token_verifier.admit(given, clock.now_s())

    def admit_again(self, holder: Holder) -> None:
        """Check a token once more, after what may have taken a while; TokenRefused once it is over."""
        self.token_verifier.admit(holder.given.reveal().decode(), clock.now_s(), in_use=True)

    @property
    def rows(self) -> Rows:
        """Return the vault's rows as of now."""
        rows = self.token_verifier.rows
        if rows is not self._rows:
            self._rows, self._names = rows, None
            self._names_of.clear()
            self._pocket.clear()
        return rows

    @property
    def names(self) -> ModelNames:
        """Return what resolves names of models."""
        rows = self.rows
        if self._names is None:
            self._names = self._names_among(rows.keys)
        return self._names

    def names_for(self, claims: Claims) -> ModelNames:
        """Return what resolves names of models among the keys that a token is for."""
        every = self.names
        if claims.keys == ALL_KEYS:
            return every
        found = self._names_of.get(claims.keys)
        if found is None:
            found = self._names_among([key for key in self.rows.keys if claims.reaches(key.id)])
            self._names_of[claims.keys] = found
        return found

    def _names_among(self, keys: Iterable[Key]) -> ModelNames:
        known, rows = self.knowledge, self.rows
        return ModelNames([held_of(rows, key) for key in keys], known.catalogue, known.book, known.config.aliases)

    def secret_of(self, holder: Holder, target: Target) -> Secret:
        """Open a key with a token; Denied (403) where the token is not for it."""
        rows = self.rows
        key = exact_key(rows, target.key.name)
        own = sha256(b"aikeys/1/pocket" + holder.given.reveal())
        place = (sha256(own), key.name, key.version)
        context = f"{key.name}:{key.version}".encode()
        kept = self._pocket.get(place)
        if kept is not None:
            said = sealing.unseal(own, kept, context)
            return KeySecret(said[1:], allows_http=said[:1] == _ALLOWS_HTTP)
        secret = self.token_verifier.access_of(holder, self._gateway).content(key).key_secret
        if len(self._pocket) >= _MOST_KEPT:
            self._pocket.clear()
        said = (_ALLOWS_HTTP if secret.allows_http else b"-") + secret.reveal()
        self._pocket[place] = sealing.seal(own, os.urandom(sealing.NONCE_BYTES), said, context)
        return secret
