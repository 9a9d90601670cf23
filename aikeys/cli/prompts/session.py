"""The session of `aikeys prompt`: an open vault, a ledger, a transport, and the handling of Ctrl-C."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from aikeys.cli import terminal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from aikeys.budgets.thread_reserver import ThreadReserver
    from aikeys.cli.models import ModelIndex
    from aikeys.ledger.store import Ledger
    from aikeys.providers.transport import Transport
    from aikeys.secret import Secret
    from aikeys.spending.blocking import Tools
    from aikeys.spending.interruption import Interruption
    from aikeys.spending.names import SpendingKey
    from aikeys.vault.opening import Opened, Place
    from aikeys.vault.tokens.admission import Access, Holder


class PromptSession:
    """Makes the tools of one model after another, or of several at once."""

    def __init__(self, where: Place, ledger: Ledger, model_index: ModelIndex, opened: Opened | Access) -> None:
        self._where = where
        self._ledger = ledger
        self._model_index = model_index
        self._opened = opened
        self._reserver: ThreadReserver | None = None
        self.interruption = _interruption()

    @contextmanager
    def open(self) -> Iterator[None]:
        """Book what dead processes left and hear signals; afterwards the ledger is vouched for."""
        import signal

        from aikeys.budgets.recovery import recover
        from aikeys.budgets.reserver import ReserverSetup
        from aikeys.budgets.sqlite_rounds import SqliteRounds
        from aikeys.budgets.thread_reserver import ThreadReserver
        from aikeys.cli import authority
        from aikeys.ledger.rollups import keep_tags
        from aikeys.spending.interruption import ENDING
        from aikeys.storage import ballast

        found = recover(self._ledger)
        if authority.sees_calls():
            tell_of_the_dead(found)
        keep_tags(self._ledger, self._model_index.settings.rolled_tags)
        setup = ReserverSetup(make_room=lambda: ballast.drop(self._where.home), say=terminal.say)
        self._reserver = reserver = ThreadReserver(SqliteRounds(self._where.ledger_directory), setup)
        before = {number: signal.getsignal(number) for number in (signal.SIGINT, *ENDING)}
        heard = [number for number, handler in before.items() if handler != signal.SIG_IGN]  # nohup stays nohup
        for number in heard:
            signal.signal(number, self.interruption.on_signal)
        try:
            yield
        finally:
            with self.interruption.busy():
                reserver.close()
                _vouch(self._ledger, self._opened)
                ballast.load(self._where.home)
            for number in heard:
                signal.signal(number, before[number])

    @contextmanager
    def tools(self) -> Iterator[Tools]:
        """Yield what one model is asked with, in this thread."""
        from aikeys.providers.transport import HttpxTransport

        transport = HttpxTransport()
        try:
            yield self._tools(self._ledger, transport, self.interruption, terminal.say)
        finally:
            transport.close()

    @contextmanager
    def strand_tools(self, interruption: Interruption, say: Callable[[str], None]) -> Iterator[Tools]:
        """Yield what one of several models is asked with, in a thread of its own."""
        from aikeys.providers.transport import HttpxTransport
        from aikeys.spending.side_by_side import Leavable

        ledger, transport = self._where.ledger, HttpxTransport()
        try:
            yield self._tools(ledger.open(), Leavable(transport, interruption), interruption, say)
        finally:
            transport.close()
            ledger.close()

    def _tools(
        self, ledger: Ledger, transport: Transport, interruption: Interruption, say: Callable[[str], None]
    ) -> Tools:
        from aikeys.spending.blocking import Tools
        from aikeys.spending.io import Conditions

        if self._reserver is None:
            raise RuntimeError("the session is not open")
        conditions = Conditions(self._model_index.book, self._model_index.settings.limits)
        return Tools(self._reserver, ledger, transport, conditions, self._secret_of, interruption, say, self._revoke)

    def _revoke(self, token: bytes) -> None:
        """End the token of whoever asks, where a budget says so."""
        from aikeys.vault.tokens.revoking import revoke

        revoke(self._where, [token])

    def _secret_of(self, held: SpendingKey) -> Secret:
        """Open a key, before every attempt; a token is checked once more: it may have ended while others were made."""
        from aikeys.vault.names import exact_key

        opened = self._opened
        holder: Holder | None = getattr(opened, "holder", None)
        if holder is not None:
            opened = _access_again(self._where, holder)
        return opened.content(exact_key(opened.rows, held.name)).key_secret


def _access_again(where: Place, holder: Holder) -> Access:
    """Return the vault as the token opens it now; TokenRefused once it is over. In whatever thread this is."""
    from contextlib import closing

    from aikeys import clock
    from aikeys.vault.tokens.admission import TokenVerifier

    with closing(where.ledger) as ledger, closing(TokenVerifier(where, ledger)) as token_verifier:
        return token_verifier.access_of(token_verifier.admit(holder.given.reveal().decode(), clock.now_s()))


def _interruption() -> Interruption:
    from aikeys.spending.interruption import Interruption

    def say() -> None:
        terminal.note_in_handler("reading the reply to its end, so that its cost is known; Ctrl-C again stops it")

    return Interruption(say)


def _vouch(ledger: Ledger, opened: Opened | Access) -> None:
    """Sign the ledger up to here where the vault is open; a disk without room for that is no failure of the prompt."""
    from contextlib import suppress

    from aikeys.errors import MachineFailed

    signer = opened.signer()
    if signer is not None:
        with suppress(MachineFailed), ledger.writing() as writer:
            writer.checkpoint(signer)


def tell_of_the_dead(entries: tuple[int, ...]) -> None:
    """Warn of calls whose process ended before they did."""
    for entry in entries:
        terminal.warn(
            f"a call was under way when its process ended: entry {entry} holds its worst case "
            f"(aikeys log {entry}; correct it: aikeys ledger resolve {entry} --cost USD)"
        )
