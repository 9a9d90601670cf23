"""The stage of `aikeys demo`: a folder, an environment of its own, and each command shown as it is run.

- A line is written as in a shell and run without one: `NAME=VALUE` before the program, `$NAME` of earlier lines.
- Nothing of the surroundings comes in: no variable of aikeys, of a proxy, of CI or of a provider.
- A command's data goes to a pseudo-terminal where there are any, so that tables fit; its messages come after it.
- What must not be printed (keys, tokens) is looked for in everything before it is shown.
- Who enters the stage leaves it with every process ended, also after Ctrl-C, SIGTERM and a lost terminal.
"""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from string import Template
from types import FrameType

from aikeys.cli import terminal
from aikeys.errors import MachineFailed

WIDTH = 80
_STEP_S = 120.0
_STOP_S = 30.0
_POLL_S = 0.02
_HINT = "look for what this machine lacks: aikeys doctor"
_GIVEN = re.compile(r"[A-Z][A-Z_]*=")
_STRANGERS = re.compile(
    r"AIKEYS_|OPENAI_|NOTIFY_SOCKET$|GITHUB_|CI$|CI_|BITBUCKET_|BUILD_|COLUMNS$|LINES$|NO_COLOR$|(?i:\w+_proxy$)"
)
_ENDING = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


class Stage:
    """Runs lines in a folder. `variables` are what lines can name, `unspoken` what may stand in no output."""

    def __init__(self, folder: str, environ: Mapping[str, str]) -> None:
        self.folder = folder
        self.variables: dict[str, str] = {}
        self.unspoken: list[str] = []
        self.width = min(_screen_width(), WIDTH)
        self.is_colourful = terminal.colourful(sys.stdout)
        self._environment = _environment(environ, os.path.join(folder, "home"), self.width, self.is_colourful)
        self._behind: list[subprocess.Popen[bytes]] = []
        self._number = 0

    def title(self, text: str) -> None:
        """Say what comes next."""
        self._number += 1
        self.say(f"# {self._number}. {text}")

    def say(self, text: str) -> None:
        """Print a paragraph of the demo's own."""
        terminal.out("\n" + "\n".join(_folded(text, self.width)))
        sys.stdout.flush()

    def run(self, line: str, *, given: str = "", status: int = 0, says: str = "") -> str:
        """Show a line, run it, show and return what it said; MachineFailed where it ends or speaks otherwise."""
        self._show_line(f"printf %s KEY | {line}" if given else line)
        ended, data, messages = self._captured(line, given, on_terminal=True)
        self._show_output(line, data + messages)
        if status:
            terminal.out_dim(f"(exit status {ended})")
        self._require(line, ended, status)
        if says not in data + messages:
            raise self.failure(line, f"did not say “{says}”")
        return data + messages

    def keep(self, name: str, line: str) -> None:
        """Run a line whose data goes into a variable and nowhere else."""
        self._show_line(f"{name}=$({line})")
        ended, data, messages = self._captured(line, "", on_terminal=False)
        self.variables[name] = data.strip()
        if data.strip():
            self.unspoken.append(data.strip())
        self._show_output(line, messages)
        self._require(line, ended, 0)

    def start(self, line: str, log: str, says: str) -> str:
        """Start a line in the background, wait until its log has the pattern; return what that found."""
        self._show_line(f"{line} 2> {log} &")
        words, environment = self._words(line)
        path = os.path.join(self.folder, log)
        with open(path, "wb") as file:
            process = subprocess.Popen(
                words,
                env=environment,
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=file,
                start_new_session=True,  # Ctrl-C is for the demo, which ends it
            )
        self._behind.append(process)
        found = self._awaited(process, path, says)
        self._show_output(line, _text(path))
        if found is None:
            raise self.failure(line, "did not start")
        return found[1]

    def _awaited(self, process: subprocess.Popen[bytes], path: str, says: str) -> re.Match[str] | None:
        """Return what the pattern finds in a log, None where its process ended or took too long."""
        until_s = time.monotonic() + _STEP_S
        while time.monotonic() < until_s:
            is_over = process.poll() is not None
            found = re.search(says, _text(path))
            if found is not None or is_over:
                return found
            time.sleep(_POLL_S)
        return None

    def stop(self) -> None:
        """End what was started last, and wait for it."""
        self._show_line("kill %1; wait")
        process = self._behind.pop()
        self._require("kill", _ended(process), 0)

    def leave(self) -> None:
        """End everything that is still there."""
        while self._behind:
            _ended(self._behind.pop())

    def _words(self, line: str) -> tuple[list[str], dict[str, str]]:
        """Return the program to run and its environment."""
        words = [Template(word).substitute(self.variables) for word in shlex.split(line)]
        own = {}
        while _GIVEN.match(words[0]):
            name, _, value = words.pop(0).partition("=")
            own[name] = value
        words = [sys.executable if word == "python" else word for word in words]
        if words[0] == "aikeys":
            words[:1] = [sys.executable, "-m", "aikeys"]
        return words, self._environment | own

    def _captured(self, line: str, given: str, *, on_terminal: bool) -> tuple[int, str, str]:
        words, environment = self._words(line)
        with _outlet(on_terminal) as (descriptor, read):
            process = subprocess.Popen(
                words,
                env=environment,
                cwd=self.folder,
                stdin=subprocess.PIPE,
                stdout=descriptor,
                stderr=subprocess.PIPE,
            )
            try:
                _, messages = process.communicate(given.encode(), timeout=_STEP_S)
            except subprocess.TimeoutExpired:
                raise self.failure(line, f"took longer than {_STEP_S:.0f} seconds") from None
            finally:
                if process.poll() is None:
                    process.kill()
                    process.wait()
            data = read()
        return process.returncode, data.replace("\r\n", "\n"), messages.decode("utf-8", "replace")

    def _require(self, line: str, ended: int, status: int) -> None:
        if ended != status:
            raise self.failure(line, f"ended with status {ended}, not {status}")

    def failure(self, line: str, what: str) -> MachineFailed:
        """Return the error that names the step."""
        return MachineFailed(f"step {self._number} of the demo failed: `{line}` {what}", _HINT)

    def _show_line(self, line: str) -> None:
        parts = _folded(line, self.width - 6)
        terminal.out_dim("$ " + " \\\n    ".join(parts))
        sys.stdout.flush()

    def _show_output(self, line: str, text: str) -> None:
        if any(each in text for each in self.unspoken):
            raise self.failure(line, "printed a key or a token")
        for each in text.splitlines():
            self._show(each)
        sys.stdout.flush()

    def _show(self, line: str) -> None:
        if "\033[" in line and self.is_colourful:
            terminal.out_styled(line)  # of our own commands, which escaped and fitted it
        else:
            terminal.out("\n  ".join(_folded(line, self.width - 2)) if len(line) > self.width else line)


@contextmanager
def interruptible() -> Iterator[None]:
    """Within it SIGTERM and a lost terminal are what Ctrl-C is."""
    with _handled(_ENDING, _interrupt):
        yield


@contextmanager
def calm() -> Iterator[None]:
    """Within it no signal interrupts: what is left is cleaned up."""
    with _handled((signal.SIGINT, *_ENDING), signal.SIG_IGN):
        yield


@contextmanager
def _handled(
    numbers: Sequence[signal.Signals], handler: Callable[[int, FrameType | None], object] | signal.Handlers
) -> Iterator[None]:
    before = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield
    finally:
        for number, earlier in before.items():
            signal.signal(number, earlier)


def _interrupt(_number: int, _frame: object) -> None:
    raise KeyboardInterrupt


def _ended(process: subprocess.Popen[bytes]) -> int:
    """End a process, hard where it does not listen; return its status."""
    with suppress(ProcessLookupError):
        process.terminate()
    try:
        return process.wait(_STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


def _text(path: str) -> str:
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.read()


def _screen_width() -> int:
    from aikeys.cli.render.grid import screen_width

    return max(screen_width() or WIDTH, 40)


def _folded(text: str, width: int) -> list[str]:
    from aikeys.cli.render.grid import folded

    return folded(text, width)


def _environment(environ: Mapping[str, str], home: str, width: int, is_colourful: bool) -> dict[str, str]:
    """Return what every command of the demo gets."""
    own = {name: value for name, value in environ.items() if not _STRANGERS.match(name)}
    own |= {"AIKEYS_HOME": home, "AIKEYS_NO_INPUT": "1", "COLUMNS": str(width), "NO_PROXY": "*"}
    if not is_colourful:
        own |= {"NO_COLOR": "1", "TERM": "dumb"}
    root = os.path.dirname(_PACKAGE)
    if os.path.basename(root) not in ("site-packages", "dist-packages"):  # a checkout, found by its folder alone
        own["PYTHONPATH"] = os.pathsep.join(part for part in (root, own.get("PYTHONPATH", "")) if part)
    return own


@contextmanager
def _outlet(on_terminal: bool) -> Iterator[tuple[int, PipeReader]]:
    """Yield a descriptor to write to and a function that closes it and returns all that was written."""
    try:
        if not on_terminal:
            raise OSError
        import pty

        source, sink = pty.openpty()
    except (ImportError, OSError):
        source, sink = os.pipe()
    reader = PipeReader(source, sink)
    try:
        yield sink, reader
    finally:
        reader()


class PipeReader:
    """Reads a descriptor to its end in a thread of its own."""

    def __init__(self, source: int, sink: int) -> None:
        self._source = source
        self._sink = sink
        self._pieces: list[bytes] = []
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def __call__(self) -> str:
        """Close our end of the sink, wait for the rest, and return the text; again and again the same."""
        if self._sink >= 0:
            os.close(self._sink)
            self._sink = -1
            self._thread.join(_STOP_S)
        return b"".join(self._pieces).decode("utf-8", "replace")

    def _read(self) -> None:
        with suppress(OSError):  # EIO: the terminal's other end is closed
            while piece := os.read(self._source, 1 << 16):
                self._pieces.append(piece)
        os.close(self._source)
