"""A process that has aikeys imported and forks a run from itself: a tenth of the time of a start (a test helper).

- Every run is a process of its own: arguments, environment, standard streams, session, signals and exit status are as
  `python -m aikeys` has them; nothing that a run does is seen by the next one.
- Only imports are shared. `can_run` is false where the environment says how Python itself starts: then, and where the
  imports, the arguments of the process or its memory are what is tested, start a process the usual way.
- The forking process has one thread. It ends when the process that started it does.

One request: file descriptors of what is asked (JSON), of the three streams and of where the status is told. Told are
two lines: the process, and how it ended, as `os.waitstatus_to_exitcode` says it.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import json
import os
import pkgutil
import resource
import select
import signal
import socket
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, NoReturn, TextIO

_STARTS = ("PYTHON", "LD_", "LC_", "LANG", "MALLOC_", "OPENSSL_", "SSL_")
_PASSED = 5
_COULD_NOT_FLUSH, _STDERR = 120, 2
_IMPORTED_LATE = (
    "aikeys.__main__", "cryptography.hazmat.primitives.ciphers.aead", "cryptography.hazmat.primitives.kdf.hkdf",
    "cryptography.hazmat.primitives.asymmetric.ed25519", "cryptography.hazmat.backends.openssl.backend", "typer.main", "typer.core",
)  # fmt: skip
"""What commands import when they use it, beside the modules of aikeys."""


def _how_python_starts(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if name.startswith(_STARTS)}


def _limits() -> dict[int, tuple[int, int]]:
    """Return the limits of this process: what it starts inherits them."""
    every = {value for name, value in vars(resource).items() if name.startswith("RLIMIT_")}
    return {number: resource.getrlimit(number) for number in every}


class Run:
    """A forked run, with what `subprocess.Popen` has."""

    def __init__(self, args: list[str], status: int) -> None:
        self.args = [sys.executable, "-m", "aikeys", *args]
        self.stderr: TextIO | None = None
        self.returncode: int | None = None
        self._status = status
        self._told = b""
        self._lock = threading.Lock()
        while b"\n" not in self._told:
            self._read()
        self.pid = int(self._told.partition(b"\n")[0] or -1)

    def poll(self) -> int | None:
        """Return how it ended, None while it runs."""
        with self._lock:
            while self.returncode is None and select.select([self._status], [], [], 0)[0]:
                self._read()
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end; subprocess.TimeoutExpired."""
        until_s = None if timeout is None else time.monotonic() + timeout
        while self.poll() is None:
            left_s = None if until_s is None else until_s - time.monotonic()
            if left_s is not None and left_s <= 0:
                raise subprocess.TimeoutExpired(self.args, timeout or 0)
            select.select([self._status], [], [], left_s)
        assert self.returncode is not None
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send it a signal while it runs."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """Ask it to end."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it at once."""
        self.send_signal(signal.SIGKILL)

    def _read(self) -> None:
        piece = os.read(self._status, 100)
        self._told += piece
        lines = self._told.split(b"\n")
        if len(lines) > 2 or not piece:
            self.returncode = int(lines[1]) if len(lines) > 2 else -signal.SIGKILL
            os.close(self._status)


class ForkingProcess:
    """The process, as whoever started it sees it. Any thread may ask for a run."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._starts = _how_python_starts(environment)
        self._asks, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with far:
            argv = [sys.executable, "-m", "tests.forking", str(far.fileno())]
            self._process = subprocess.Popen(argv, env=environment, stdin=subprocess.DEVNULL, pass_fds=[far.fileno()])

    @property
    def pid(self) -> int:
        """Its process."""
        return self._process.pid

    @property
    def has_ended(self) -> bool:
        """Tell whether another one has to be started."""
        return self._process.poll() is not None

    def can_run(self, environment: Mapping[str, str]) -> bool:
        """Tell whether a run with this environment would be as one that is started the usual way."""
        return not self.has_ended and _how_python_starts(environment) == self._starts

    def start(self, args: list[str], environment: Mapping[str, str], folder: str, streams: tuple[int, int, int]) -> Run:
        """Run `aikeys ARGS` in a session of its own."""
        told, status = os.pipe()
        asked = os.memfd_create("asked")
        try:
            with open(asked, "w", encoding="ascii", closefd=False) as file:
                what = {"args": args, "environment": dict(environment), "folder": folder, "limits": _limits()}
                json.dump(what, file)
            socket.send_fds(self._asks, [b"."], [asked, *streams, status])
        finally:
            os.close(asked)
            os.close(status)
        return Run(args, told)

    def close(self) -> None:
        """End it."""
        self._asks.close()
        self._process.wait(30)


_of_this_process: list[ForkingProcess] = []


def forking_process(environment: Mapping[str, str]) -> ForkingProcess | None:
    """Return the forking process of this worker, started by the first who asks; None where it cannot run this."""
    if not _of_this_process or _of_this_process[0].has_ended:
        _of_this_process[:] = [ForkingProcess(environment)]
    found = _of_this_process[0]
    return found if found.can_run(environment) else None


def end_forking() -> None:
    """End the forking process of this worker."""
    while _of_this_process:
        _of_this_process.pop().close()


def start_and_read_errors(forking: ForkingProcess, args: list[str], environment: Mapping[str, str], folder: str) -> Run:
    """Start `aikeys ARGS` with nothing to read, and with what it says on stderr in a pipe."""
    null = os.open(os.devnull, os.O_RDWR)
    read_end, write_end = os.pipe()
    try:
        started = forking.start(args, environment, folder, (null, null, write_end))
    finally:
        os.close(null)
        os.close(write_end)
    started.stderr = open(read_end, encoding="utf-8", errors="replace")  # noqa: SIM115  whoever stops it closes it
    return started


def run(
    forking: ForkingProcess,
    args: list[str],
    environment: Mapping[str, str],
    folder: str,
    input_text: str | None,
    timeout_s: float,
) -> subprocess.CompletedProcess[str]:
    """Run `aikeys ARGS` to its end, as subprocess.run does with what is said captured."""
    pipes = [os.pipe(), os.pipe()]
    read_input, write_input = (os.open(os.devnull, os.O_RDONLY), -1) if input_text is None else os.pipe()
    try:
        started = forking.start(args, environment, folder, (read_input, pipes[0][1], pipes[1][1]))
    finally:
        for end in (read_input, pipes[0][1], pipes[1][1]):
            os.close(end)
    said = [b"", b""]

    def read(which: int) -> None:
        with open(pipes[which][0], "rb", buffering=0) as stream:
            said[which] = stream.readall() or b""

    def feed() -> None:
        with suppress(BrokenPipeError), open(write_input, "wb", buffering=0) as stream:
            left = (input_text or "").encode("utf-8", "surrogateescape")
            while left:
                left = left[stream.write(left) or 0 :]

    threads = [threading.Thread(target=read, args=(which,), daemon=True) for which in (0, 1)]
    threads += [threading.Thread(target=feed, daemon=True)] if input_text is not None else []
    for thread in threads:
        thread.start()
    until_s = time.monotonic() + timeout_s
    try:
        for thread in threads:
            thread.join(max(0.0, until_s - time.monotonic()))
        if any(thread.is_alive() for thread in threads):
            raise subprocess.TimeoutExpired(args, timeout_s)
        started.wait(max(0.01, until_s - time.monotonic()))
    finally:
        started.kill()
    out, err = (text.decode().replace("\r\n", "\n").replace("\r", "\n") for text in said)
    return subprocess.CompletedProcess(args, started.returncode or 0, out, err)


# From here on in the forking process.


def main(number: int) -> None:
    """Fork until nobody can ask any more."""
    asks = socket.socket(fileno=number)
    _import_everything()
    gc.collect()
    gc.freeze()
    woken, wakes = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wakes, warn_on_full_buffer=False)
    running: dict[int, int] = {}
    while True:
        ready, _, _ = select.select([asks, woken], [], [])
        if woken in ready:
            with suppress(BlockingIOError):
                os.read(woken, 1000)
            _tell_the_ended(running)
        if asks in ready:
            message, passed, _, _ = socket.recv_fds(asks, 10, _PASSED)
            if not message:
                os._exit(0)
            asked, *streams, status = passed
            child = os.fork()
            if not child:
                signal.set_wakeup_fd(-1)
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                for one in (asks.detach(), woken, wakes, status, *running.values()):
                    os.close(one)
                _become(asked, streams)
                return
            running[child] = status
            os.write(status, b"%d\n" % child)
            for one in (asked, *streams):
                os.close(one)


def _import_everything() -> None:
    import aikeys

    for module in pkgutil.walk_packages(aikeys.__path__, "aikeys."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    for name in _IMPORTED_LATE:
        importlib.import_module(name)


def _tell_the_ended(running: dict[int, int]) -> None:
    with suppress(ChildProcessError):
        while True:
            child, status = os.waitpid(-1, os.WNOHANG)
            if not child:
                return
            told = running.pop(child, None)
            if told is not None:
                os.write(told, b"%d\n" % os.waitstatus_to_exitcode(status))
                os.close(told)


def _become(asked: int, streams: list[int]) -> None:
    """Become what `python -m aikeys` is after its start, in this forked process."""
    os.setsid()
    with open(asked, "rb") as file:
        file.seek(0)
        what: dict[str, Any] = json.load(file)
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
    for stream in streams:
        os.close(stream)
    for number, limits in what["limits"].items():
        resource.setrlimit(int(number), limits)
    os.chdir(what["folder"])
    os.environ.clear()
    os.environ.update(what["environment"])
    time.tzset()
    sys.argv = ["aikeys/__main__.py", *what["args"]]
    sys.stdin = sys.__stdin__ = _standard(0, "r", sys.stdin.errors)
    sys.stdout = sys.__stdout__ = _standard(1, "w", sys.stdout.errors)
    sys.stderr = sys.__stderr__ = _standard(_STDERR, "w", "backslashreplace")


def _standard(number: int, mode: str, errors: str | None) -> Any:
    buffering = 1 if number == _STDERR else -1
    return open(number, mode, buffering, encoding="utf-8", errors=errors, closefd=False)


def _end(run_it: Callable[[], int]) -> NoReturn:
    """Run and end as Python does, without the time that it takes to forget every module."""
    status: object = 1
    try:
        status = run_it()
    except SystemExit as failure:
        status = failure.code
    except BaseException:  # noqa: BLE001  # as the interpreter does
        traceback.print_exc()
    if not isinstance(status, int):
        status = 0 if status is None else 1
    with suppress(BaseException):
        threading._shutdown()
        atexit._run_exitfuncs()
    gc.collect()  # what nobody closed, as a ledger in a cycle of references
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            status = _COULD_NOT_FLUSH
    os._exit(status & 0xFF)


if __name__ == "__main__":
    main(int(sys.argv[1]))
    from aikeys.__main__ import main as run_aikeys

    _end(run_aikeys)
