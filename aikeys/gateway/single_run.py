"""A gateway for one program (`exec --metered`): in this process, on a port of its own, for a token that only it knows.

- It serves exactly one token, which is in no vault: whatever else is sent is refused, other tokens of the vault too.
- What that token is for is opened with the vault that is open here, or with the token of who started the program: then
  that one is checked at every request, and its end is the end of this one.
- It runs in a thread beside the main one, which has the signals.
"""

from __future__ import annotations

import asyncio
import hmac
import os
import signal
import socket
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from aiohttp import web

from aikeys import clock
from aikeys.budgets.refusals import BudgetExceeded
from aikeys.errors import AikeysError, TokenRefused
from aikeys.gateway import background
from aikeys.gateway.app import make_app
from aikeys.gateway.http.connections import Runner
from aikeys.gateway.serve import wind_up
from aikeys.gateway.settings import Settings
from aikeys.gateway.state import Knowledge, WorkerState
from aikeys.ledger import token_acts
from aikeys.secret import Secret
from aikeys.tokens.claims import Claims
from aikeys.vault.names import exact_key
from aikeys.vault.tokens.admission import Holder

if TYPE_CHECKING:
    from aikeys.spending.names import Target
    from aikeys.vault.opening import Opened, Place
    from aikeys.vault.tokens.admission import Access

_NO_KEY = Secret(b"")
"""The gateway's private key is not needed: no grant is opened with it."""


class SingleRunToken(NamedTuple):
    """The token of one program: its text, what it may do, and the tokens above it, parent first."""

    text: Secret
    claims: Claims
    above: tuple[Claims, ...] = ()


class SingleRunSetup(NamedTuple):
    """What such a gateway works with: the vault as it is open here, and the one token that it serves."""

    place: Place
    opened: Opened | Access
    token: SingleRunToken
    knowledge: Knowledge
    settings: Settings
    say: Callable[[str], None]


class RefusalCounts:
    """What a program was refused: how often by code, and the last refusal of a budget."""

    def __init__(self) -> None:
        self.codes: Counter[str] = Counter()
        self.budget: BudgetExceeded | None = None


class SingleRunState(WorkerState):
    """A worker's state that admits one token, and opens its keys with what is open here."""

    def __init__(self, means: SingleRunSetup) -> None:
        super().__init__(means.place, _NO_KEY, means.settings, means.knowledge, means.say)
        self._own = means.token
        self._opened = means.opened
        self.refusals = RefusalCounts()

    def note_refusal(self, failure: AikeysError) -> None:
        """Count it, for what is said when the program has ended."""
        self.refusals.codes[failure.code] += 1
        if isinstance(failure, BudgetExceeded):
            self.refusals.budget = failure

    def admit(self, given: str) -> Holder:
        """Return the holder of the one token; TokenRefused (401) for every other text."""
        raw, own = given.strip().encode("utf-8", "replace"), self._own
        if not hmac.compare_digest(raw, own.text.reveal()):
            raise TokenRefused(
                "only the token that aikeys exec --metered gave its program is served here",
                "start the program again, or use a gateway: aikeys gateway",
            )
        if own.claims.expires_at <= clock.now_s():
            raise TokenRefused(
                f"token {own.claims.shown_id} of this run expired {clock.rfc3339(own.claims.expires_at)}",
                "start the program again; --ttl says how long it may spend",
            )
        with self.ledger.looking() as connection:
            is_over = token_acts.revoked(connection, [own.claims.shown_id])
        if is_over:
            raise TokenRefused(f"token {own.claims.shown_id} of this run was revoked", "start the program again")
        self._vault_as_of_now()
        return Holder(own.claims, own.above, own.text)

    def admit_again(self, holder: Holder) -> None:
        """Check the one token and, where another one lent the keys, that one."""
        self.admit(holder.given.reveal().decode())

    def secret_of(self, _holder: Holder, target: Target) -> Secret:
        """Open a key in its present version; Damaged where the vault got another key meanwhile."""
        opened = self._vault_as_of_now()
        return opened.content(exact_key(opened.rows, target.key.name)).key_secret

    def _vault_as_of_now(self) -> Opened | Access:
        """Return the vault with its present rows; TokenRefused where it is another one, or the parent token is over."""
        opened, rows = self._opened, self.rows
        if rows.header.signing_public != opened.rows.header.signing_public:
            raise TokenRefused("the vault was replaced, or compromised, while this program ran", "start it again")
        parent: Holder | None = getattr(opened, "holder", None)
        if parent is None:
            return opened._replace(rows=rows)
        return self.token_verifier.access_of(self.token_verifier.admit(parent.given.reveal().decode(), clock.now_s()))


class SingleRunGateway:
    """The gateway's thread. `start`, then `stop` once the program has ended, until `is_over`."""

    def __init__(self, means: SingleRunSetup) -> None:
        self._means = means
        self._sock = _loopback()
        self.url = f"http://127.0.0.1:{self._sock.getsockname()[1]}"
        self._thread = threading.Thread(target=self._run, name="aikeys-gateway")
        self._is_ready = threading.Event()
        self._is_over = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._state: SingleRunState | None = None
        self.failure: Exception | None = None

    @property
    def refusals(self) -> RefusalCounts:
        """Return what was refused so far."""
        return self._state.refusals if self._state is not None else RefusalCounts()

    def start(self) -> None:
        """Serve; raises what opening the ledger raises. Signals are to be blocked before."""
        self._thread.start()
        self._is_ready.wait()
        if self.failure is not None:
            self._thread.join()
            raise self.failure

    def stop(self) -> None:
        """Let what is under way come to its end; the process gets SIGCHLD when that is so."""
        if self._stop is not None:
            self._in_loop(self._stop.set)

    def hurry(self) -> None:
        """Cut off what is under way: it is settled with what is known of it."""
        self._in_loop(self._cut)

    def is_over(self) -> bool:
        """Tell whether everything is settled and let go."""
        return self._is_over.is_set()

    def wait(self) -> None:
        """Wait for its end, whatever comes."""
        self._thread.join()

    def _cut(self) -> None:
        for call in list(self._state.calls) if self._state else ():
            call.cancel()

    def _in_loop(self, work: Callable[[], object]) -> None:
        if self._loop is not None:
            with suppress(RuntimeError):  # it is over
                self._loop.call_soon_threadsafe(work)

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except Exception as failure:  # noqa: BLE001  it is the main thread's to tell
            self.failure = failure
        finally:
            self._sock.close()
            self._is_ready.set()
            self._is_over.set()
            os.kill(os.getpid(), signal.SIGCHLD)  # wakes the main thread, which waits for signals

    async def _serve(self) -> None:
        means = self._means
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        state = self._state = SingleRunState(means)
        chores: list[asyncio.Task[None]] = []
        try:
            runner = Runner(make_app(state, lambda *_: None), means.settings, means.say)
            await runner.setup()
            site = web.SockSite(runner, self._sock)
            await site.start()
            chores = background.start(state, None, None, is_first=False)
            signer = means.opened.signer()
            if signer is not None:
                chores.append(asyncio.create_task(background.vouch(state, signer)))
            self._is_ready.set()
            await self._stop.wait()
            await wind_up(state, site, runner)
        finally:
            with suppress(AikeysError):
                await background.stop(chores)
            await state.close()


def _loopback() -> socket.socket:
    """Return a socket on a free port of this machine alone, which no program inherits."""
    found = socket.create_server(("127.0.0.1", 0), backlog=128)
    found.setblocking(False)
    return found
