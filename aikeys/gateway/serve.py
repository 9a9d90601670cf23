"""Run a gateway: one socket, workers that share it, and a graceful stop.

- A worker is a process of its own with an event loop; all of them write to the same vault and ledger.
- SIGTERM and SIGINT: no new connections, what is under way comes to its end for at most `stop_s`, everything is
  settled. A second signal cuts off what is under way and settles that, in a few seconds. A third ends at once; what
  was reserved is booked at its worst case by whoever comes next.
- A worker that dies is started anew, at most once a second; one whose ledger's thread failed ends with status 1, and
  so does a single one. Workers stop when the one who started them is gone.
"""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from aiohttp import web

from aikeys.errors import BadConfiguration, MachineFailed
from aikeys.gateway import background
from aikeys.gateway.app import access_line, make_app
from aikeys.gateway.http.access_log import AccessLog, Write
from aikeys.gateway.http.connections import Runner, Unforeseen, more_files
from aikeys.gateway.settings import Settings
from aikeys.gateway.state import Knowledge, WorkerState

if TYPE_CHECKING:
    import ssl

    from aikeys.ledger.store import Signer
    from aikeys.secret import Secret
    from aikeys.vault.opening import Place

_BACKLOG = 1024
_RESTART_PAUSE_S = 1.0
_GARBAGE_AFTER = 20_000
_TURN_S = 0.001
_CUT_S = 5
_REFUSED_S = 1.0
"""So long a call that the failed ledger refused has to tell its client."""
_INTERRUPTED = 130
_LAST_WORD = 2
"""The signal on which what is under way is cut off; whoever sends another does not want to wait for that either."""
Say = Callable[[str], None]


class WorkerSetup:
    """What every worker needs: where, the gateway's private key, what it knows, and how it talks to the operator."""

    def __init__(
        self,
        place: Place,
        gateway: Secret,
        settings: Settings,
        knowledge: Knowledge,
        signer: Signer | None = None,
        open_keys: background.OpenKeys | None = None,
    ) -> None:
        self.place = place
        self.gateway = gateway
        self.settings = settings
        self.knowledge = knowledge
        self.signer = signer
        self.open_keys = open_keys
        self.say_all: Write | None = None
        """Writes many lines at once; without it each is said on its own."""


def listening_socket(settings: Settings) -> socket.socket:
    """Return a socket bound to the address; MachineFailed where it is taken, BadConfiguration where it is none.

    UsageError where it would take tokens in the clear from elsewhere: no way of starting a gateway goes around this.
    """
    settings.check()
    try:
        family, kind, proto, _, address = socket.getaddrinfo(
            settings.host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except (OSError, UnicodeError):
        raise BadConfiguration(f"{settings.host} is not an address of this machine", "give --host 127.0.0.1") from None
    found = socket.socket(family, kind, proto)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        found.bind(address)
        found.listen(_BACKLOG)
    except OSError as error:
        found.close()
        words = os.strerror(error.errno or 0).lower()
        raise MachineFailed(
            f"cannot listen on {settings.host} port {settings.port}: {words}", "choose another: --port N"
        ) from None
    found.setblocking(False)
    found.set_inheritable(True)
    return found


def run(means: WorkerSetup, sock: socket.socket, say: Say, ready: Callable[[], None]) -> int:
    """Serve until a signal says stop; return the exit status, 1 where the ledger's thread failed."""
    more_files()
    if means.settings.workers == 1:
        return asyncio.run(_work(means, sock, say, ready, is_first=True))
    return _Foreman(means, sock, say, ready).run()


async def _work(
    means: WorkerSetup,
    sock: socket.socket,
    say: Say,
    ready: Callable[[], None],
    *,
    is_first: bool,
    alive: int | None = None,
) -> int:
    """One worker, until it is told to stop or `alive`, a pipe from its foreman, ends."""
    loop = asyncio.get_running_loop()
    stop, hurry = asyncio.Event(), asyncio.Event()
    state = WorkerState(means.place, means.gateway, means.settings, means.knowledge, say)

    def on_signal() -> None:
        if hurry.is_set():
            os._exit(_INTERRUPTED)
        (hurry if stop.is_set() else stop).set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal)
    loop.set_exception_handler(Unforeseen(say))
    state.broken.add_done_callback(lambda _: stop.set())
    state.broken.add_done_callback(lambda _: hurry.set())  # nothing can be settled: there is nothing to wait for
    if alive is not None:
        loop.add_reader(alive, _orphaned, loop, alive, stop)
    lines = AccessLog(loop, means.say_all or _one_by_one(say))
    app = make_app(state, lambda request, status, took_s: lines.note(access_line(request, status, took_s)))
    runner = Runner(app, means.settings, say)
    await runner.setup()
    site = web.SockSite(runner, sock, ssl_context=_tls(means.settings), backlog=_BACKLOG)
    await site.start()
    chores = background.start(state, means.signer, means.open_keys, is_first=is_first)
    ready()
    _settle_in()
    await stop.wait()
    await wind_up(state, site, runner, hurry)
    lines.flush()
    await background.stop(chores)
    await state.close()
    return 1 if state.broken.done() else _INTERRUPTED if hurry.is_set() else 0


def _settle_in() -> None:
    """Tell Python what kind of program this is: what is loaded stays, requests leave hardly any circles behind.

    The ledger's thread gets its turn after 1 ms at most, where the loop is busy.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_GARBAGE_AFTER)
    gc.enable()
    sys.setswitchinterval(_TURN_S)


def _one_by_one(say: Say) -> Write:
    def say_all(lines: Sequence[str]) -> None:
        for line in lines:
            say(line)

    return say_all


def _orphaned(loop: asyncio.AbstractEventLoop, alive: int, stop: asyncio.Event) -> None:
    loop.remove_reader(alive)
    stop.set()


async def wind_up(
    state: WorkerState, site: web.BaseSite, runner: web.AppRunner, hurry: asyncio.Event | None = None
) -> None:
    """Take no new connections, and let what is under way come to its end for at most `stop_s`, or until `hurry`.

    What has not come to its end by then is cut off and settled.
    """
    state.is_stopping = True
    await site.stop()
    if state.calls:
        count = len(state.calls)
        said = "1 call comes to its end" if count == 1 else f"{count} calls come to their end"
        way = f"; a second signal cuts {'it' if count == 1 else 'them'} off" if hurry else ""
        state.say(f"stopping: {said}{way}")
        refused_s = _REFUSED_S if state.broken.done() else 0.0
        await _until(hurry, asyncio.wait(list(state.calls), timeout=state.settings.stop_s), refused_s)
    for call in list(state.calls):
        call.cancel()
    if state.calls:
        await asyncio.wait(list(state.calls), timeout=_CUT_S)
    await _until(hurry, runner.cleanup(), _CUT_S)


async def _until(hurry: asyncio.Event | None, work: Coroutine[object, object, object], more_s: float) -> None:
    """Do some work; give it up `more_s` seconds after there is a hurry."""
    if hurry is None:
        await work
        return
    doing, waiting = asyncio.ensure_future(work), asyncio.ensure_future(hurry.wait())
    await asyncio.wait({doing, waiting}, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    if not doing.done():
        await asyncio.wait({doing}, timeout=more_s)
    if doing.done():
        doing.result()
    else:
        doing.cancel()
        await asyncio.wait({doing}, timeout=_CUT_S)


def _tls(settings: Settings) -> ssl.SSLContext | None:
    if not settings.tls_cert:
        return None
    import ssl

    from aikeys.network.certificates import server_context

    context = server_context()
    try:
        context.load_cert_chain(settings.tls_cert, settings.tls_key or None)
    except (OSError, ssl.SSLError):
        raise BadConfiguration(
            f"{settings.tls_cert} and {settings.tls_key} are not a certificate with its key", "give both in PEM form"
        ) from None
    return context


class _Foreman:
    """Starts workers, starts them again when they die, and passes signals on."""

    def __init__(self, means: WorkerSetup, sock: socket.socket, say: Say, ready: Callable[[], None]) -> None:
        self._means = means
        self._sock = sock
        self._say = say
        self._ready = ready
        self._workers: dict[int, bool] = {}
        self._signals = 0
        self._alive, self._held = os.pipe()  # its end tells a worker that the foreman is gone

    def run(self) -> int:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)
        for which in range(self._means.settings.workers):
            self._start(is_first=which == 0)
        self._ready()
        while self._workers:
            try:
                pid, status = os.wait()
            except InterruptedError:
                continue
            except ChildProcessError:
                break
            was_first = self._workers.pop(pid, False)
            if not self._signals:
                self._say(f"a worker ended ({os.waitstatus_to_exitcode(status)}); starting another")
                time.sleep(_RESTART_PAUSE_S)
                if not self._signals:
                    self._start(is_first=was_first)
        return 0 if self._signals < _LAST_WORD else _INTERRUPTED

    def _start(self, *, is_first: bool) -> None:
        pid = os.fork()
        if pid:
            self._workers[pid] = is_first
            return
        status = 1
        try:
            os.close(self._held)
            os.setpgid(0, 0)  # Ctrl-C reaches the foreman, who passes it on once
            work = _work(self._means, self._sock, self._say, lambda: None, is_first=is_first, alive=self._alive)
            status = asyncio.run(work)
        except BaseException as failure:  # noqa: BLE001  a child must never run its parent's code
            self._say(f"a worker failed: {type(failure).__name__}")
        finally:
            with suppress(OSError, ValueError):
                sys.stderr.flush()
            os._exit(status)

    def _on_signal(self, number: int, _frame: object) -> None:
        self._signals += 1
        for pid in self._workers:
            with suppress(ProcessLookupError):
                os.kill(pid, number if self._signals <= _LAST_WORD else signal.SIGKILL)
