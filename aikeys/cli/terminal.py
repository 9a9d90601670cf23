"""The terminal and its rules. The only place of aikeys that prints, reads standard input or asks.

- Data goes to stdout. Messages, warnings, errors and progress go to stderr, one line each: `aikeys: lower case, no
  full stop`; lines to be copied stand alone.
- Questions go to /dev/tty, never to stdin or stdout, and only where somebody can answer: not under --no-input,
  AIKEYS_NO_INPUT or CI, not without a terminal. A question that may not be asked is `Cancelled`, never a guess.
- What is typed at a hidden question is never echoed, also after Ctrl-Z and `fg` (silence.py); Ctrl-C and end of file
  at a question mean no.
- Whatever is printed has its control characters escaped: a key's name cannot move the cursor or forge a line.
- Colour only on a terminal, and not under NO_COLOR.

Must not know: vaults, keys, exit statuses. Rich, termios and the like are imported where they are needed.
"""

from __future__ import annotations

import os
import sys
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, NoReturn, cast

from aikeys.cli.console.escapes import harmless
from aikeys.cli.console.escapes import printable as printable  # noqa: PLC0414  re-exported on purpose
from aikeys.cli.options import GlobalOptions as GlobalOptions  # noqa: PLC0414  re-exported on purpose
from aikeys.errors import Cancelled, MachineFailed, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from io import BufferedReader
    from typing import TextIO

SECRET_LIMIT_BYTES = _ANSWER_LIMIT_BYTES = 64 * 1024
_TTY = "/dev/tty"
STDIN_WAIT_S = 3.0
"""After so long it is said that the end of standard input is waited for."""
_PIECE_BYTES = 1 << 16
_RED = "\033[1;31m"
_YELLOW = "\033[1;33m"
_DIM = "\033[2m"
_PLAIN = "\033[0m"

options = GlobalOptions()
_masks: list[Callable[[str], str]] = []
"""The filter that every message passes before it is escaped (`console/typed.py`)."""


def take_out(mask: Callable[[str], str] | None) -> None:
    """From now on let every message pass this; None for nothing to take out."""
    _masks[:] = [mask] if mask else []


def masked(text: str) -> str:
    """Return a text without what must not be repeated."""
    for mask in _masks:
        text = mask(text)
    return text


def _safe(text: str) -> str:
    """Return a message without what must not be repeated, on one line."""
    return printable(masked(text))


def colourful(stream: TextIO | None) -> bool:
    """Whether colour may be written to the stream."""
    return on_terminal(stream) and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def on_terminal(stream: TextIO | None) -> bool:
    """Whether the stream is an open terminal."""
    try:
        return stream is not None and stream.isatty()
    except ValueError:  # closed
        return False


def out(text: str) -> None:
    """Print data on stdout, with a line end; line ends and tabs inside stand, other control characters are escaped."""
    kept = "\n".join("\t".join(printable(cell) for cell in line.split("\t")) for line in text.split("\n"))
    _write_data(kept + "\n")


def out_styled(text: str) -> None:
    """Print text that render/ already escaped and coloured."""
    _write_data(text + "\n")


def out_dim(text: str) -> None:
    """Print what is said beside the data, on stdout too; dim where colour may be."""
    if colourful(sys.stdout):
        out_styled("\n".join(f"{_DIM}{printable(line)}{_PLAIN}" for line in text.split("\n")))
    else:
        out(text)


def out_raw(data: bytes) -> None:
    """Write bytes on stdout exactly as they are: a key for a pipe (`show --reveal --raw`)."""
    with writing():
        stdout().flush()
        buffer = stdout().buffer
        buffer.write(data)
        buffer.flush()


def flush() -> None:
    """Write what waits for stdout; MachineFailed where it cannot be written."""
    if sys.stdout is not None and not sys.stdout.closed:
        with writing():
            sys.stdout.flush()


def out_piece(text: str) -> None:
    """Print a piece of a text at once, without a line end: as it is into a pipe, harmless on a terminal."""
    stream = stdout()
    if on_terminal(stream):
        with writing():
            stream.write(encodable(harmless(text), stream))
            stream.flush()
    else:
        out_raw(text.encode("utf-8", "replace"))


def aside(text: str) -> None:
    """Print a piece of something said in passing (a model's reasoning) on a terminal's stderr, dim."""
    if not options.quiet and on_terminal(sys.stderr):
        shown = harmless(text)
        _write_message(f"{_DIM}{shown}{_PLAIN}" if colourful(sys.stderr) else shown)


def note_in_handler(text: str) -> None:
    """Print a message on stderr from a signal handler, where Python's own files may be in use."""
    if not options.quiet:
        with suppress(OSError):
            os.write(2, f"\naikeys: {printable(text)}\n".encode())


def read_stdin(limit_bytes: int, *, is_asked_for: bool = False, instead: str = "") -> bytes:
    """Read what is piped in, nothing where stdin is closed; UsageError where it is too much.

    A terminal is read only where that `is_asked_for`. Who has to wait is told so; `instead` says how to do without.
    """
    stream = sys.stdin
    if stream is None or stream.closed or (on_terminal(stream) and not is_asked_for):
        return b""
    with _reading():
        data = _read_to_its_end(stream, limit_bytes + 1, instead)
    if len(data) > limit_bytes:
        raise UsageError(f"standard input holds more than {limit_bytes >> 20} MiB", "pipe in less")
    return data


def _read_to_its_end(stream: TextIO, most_bytes: int, instead: str) -> bytes:
    """Return what a stream holds, and say so once where its end does not come for a while."""
    pieces, left_bytes, is_said = list[bytes](), most_bytes, False
    until_s = time.monotonic() + STDIN_WAIT_S
    while left_bytes:
        if not is_said and not _is_there(stream, until_s - time.monotonic()):
            is_said = True
            key = " (Ctrl-D)" if on_terminal(stream) else ""
            say(f"waiting for the end of standard input{key}{instead and '; '}{instead}")
        piece = cast("BufferedReader", stream.buffer).read1(min(left_bytes, _PIECE_BYTES))
        if not piece:
            break
        pieces.append(piece)
        left_bytes -= len(piece)
    return b"".join(pieces)


def _is_there(stream: TextIO, wait_s: float) -> bool:
    """Wait until a stream has bytes, or ends; True also where that cannot be waited for."""
    from select import select

    try:
        return bool(select([stream], [], [], max(0.0, wait_s))[0])
    except (OSError, ValueError, TypeError):
        return True


@contextmanager
def _reading() -> Iterator[None]:
    """Say that it is standard input which cannot be read."""
    try:
        yield
    except OSError as failure:
        reason = os.strerror(failure.errno or 0).lower()
        raise UsageError(f"standard input cannot be read: {reason}", "pipe it in, or read it with <") from None


def say(text: str) -> None:
    """Print a message on stderr, unless --quiet."""
    if not options.quiet:
        _message(_safe(text))


def say_all(texts: Sequence[str]) -> None:
    """Print messages on stderr, in one go, unless --quiet."""
    if not options.quiet and texts:
        _write_message("".join(f"aikeys: {_safe(text)}\n" for text in texts))


def say_as_it_is(lines: Sequence[str]) -> None:
    """Print lines to be copied on stderr, without a word before them, unless --quiet."""
    if not options.quiet:
        _write_message("".join(f"{printable(line)}\n" for line in lines))


def detail(text: str) -> None:
    """Print a message on stderr with --verbose only."""
    if options.verbose and not options.quiet:
        _message(_safe(text))


def warn(text: str) -> None:
    _message(_label("warning: ", _YELLOW) + _safe(text))


def error(text: str) -> None:
    _message(_label("error: ", _RED) + _safe(text))


def hint(text: str) -> None:
    """Say what to do about the error before it."""
    _message("hint: " + _safe(text))


def help_text(text: str) -> None:
    """Print a command's help on stderr, where it answers a command line that lacks everything."""
    _write_message("\n".join(printable(line) for line in text.split("\n")) + "\n")


def can_ask(*, data_on_stdin: bool = False) -> bool:
    """Whether somebody is there to answer; `data_on_stdin` where stdin was read as data."""
    if options.no_input or os.environ.get("AIKEYS_NO_INPUT", "") not in ("", "0"):
        return False
    if os.environ.get("CI", "").lower() not in ("", "0", "false"):
        return False
    if not on_terminal(sys.stdin) and not (data_on_stdin and on_terminal(sys.stderr)):
        return False
    try:
        os.close(_open_tty())
    except OSError:
        return False
    return True


def ask_hidden(question: str, *, data_on_stdin: bool = False, instead: str = "") -> str:
    """Ask for a secret without showing what is typed; Cancelled where nobody can answer.

    `instead` says how to give the answer without a question, such as "pipe it in with --stdin".
    """
    return _ask(question, hidden=True, data_on_stdin=data_on_stdin, instead=instead)


def ask(question: str, default: str = "", *, data_on_stdin: bool = False, instead: str = "") -> str:
    """Ask for a line; an empty answer is the default. Cancelled where nobody can answer."""
    shown = f"{question} [{default}]" if default else question
    return _ask(shown, hidden=False, data_on_stdin=data_on_stdin, instead=instead).strip() or default


def confirm(question: str, default: bool = False, *, data_on_stdin: bool = False) -> bool:
    """Ask yes or no; --yes answers for the user. Cancelled where nobody can answer."""
    if options.yes:
        return True
    shown = f"{question} [{'Y/n' if default else 'y/N'}]"
    while True:
        answer = _ask(shown, hidden=False, data_on_stdin=data_on_stdin, instead="answer it with --yes").strip().lower()
        if answer in ("", "y", "yes", "n", "no"):
            return answer[0] == "y" if answer else default


def read_stdin_secret() -> bytes:
    """Read a secret of at most 64 KiB from stdin, without the line end after it; UsageError where there is none."""
    stream = sys.stdin
    if stream is None or stream.closed:
        raise UsageError("standard input is closed", "pipe the key in, or leave --stdin out to be asked")
    with _reading():
        data = stream.buffer.read(SECRET_LIMIT_BYTES + 1)
    if len(data) > SECRET_LIMIT_BYTES:
        raise UsageError("standard input holds more than 64 KiB", "pipe in the key alone")
    secret = data.removesuffix(b"\n").removesuffix(b"\r")
    if not secret:
        raise UsageError("standard input is empty", "pipe the key in, or leave --stdin out to be asked")
    return secret


def debug(text: str) -> None:
    """Print where an internal error came from (AIKEYS_DEBUG=1): places in files, never values."""
    _message("debug: " + printable(text))


def _ask(question: str, *, hidden: bool, data_on_stdin: bool, instead: str) -> str:
    if not can_ask(data_on_stdin=data_on_stdin):
        raise Cancelled(
            f"“{question}”: input is needed, but this is not interactive",
            f"{instead}, or run it on a terminal" if instead else "run it on a terminal",
        )
    descriptor = _open_tty()
    try:
        line = _read_hidden(descriptor, question) if hidden else _read_shown(descriptor, question)
    except KeyboardInterrupt:
        with suppress(OSError):
            os.write(descriptor, b"\n")
        _cancel()
    finally:
        os.close(descriptor)
    try:
        return line.decode()
    except UnicodeDecodeError:
        raise UsageError("the answer is not UTF-8", "pipe it in, or set the terminal to UTF-8") from None


def _cancel() -> NoReturn:
    raise Cancelled("cancelled") from None


def _open_tty() -> int:
    return os.open(_TTY, os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)


def _read_hidden(descriptor: int, question: str) -> bytes:
    from aikeys.cli.console.silence import silent

    with silent(descriptor, lambda: _put(descriptor, question)):
        _put(descriptor, question)
        line = _read_line(descriptor)
    os.write(descriptor, b"\n")
    return line


def _read_shown(descriptor: int, question: str) -> bytes:
    _put(descriptor, question)
    return _read_line(descriptor)


def _put(descriptor: int, question: str) -> None:
    os.write(descriptor, (printable(question) + ": ").encode("utf-8", "backslashreplace"))


def _read_line(descriptor: int) -> bytes:
    """Read up to the line end, unbuffered: bytes of the next answer stay in the terminal."""
    line = b""
    while not line.endswith(b"\n") and len(line) < _ANSWER_LIMIT_BYTES:
        chunk = os.read(descriptor, 4096)
        if not chunk:  # Ctrl-D
            os.write(descriptor, b"\n")
            _cancel()
        line += chunk
    return line.rstrip(b"\r\n")


def _label(word: str, colour: str) -> str:
    return f"{colour}{word}{_PLAIN}" if colourful(sys.stderr) else word


def _message(text: str) -> None:
    _write_message(f"aikeys: {text}\n")


def _write_message(text: str) -> None:
    """A message nobody can receive is no reason to fail."""
    if sys.stderr is None:
        return
    with suppress(OSError, ValueError):
        sys.stderr.write(encodable(text, sys.stderr))
        sys.stderr.flush()


def stdout() -> TextIO:
    """Return standard output; MachineFailed where it is closed."""
    if sys.stdout is None or sys.stdout.closed:
        raise MachineFailed("standard output is closed", "send it to a file, a pipe or a terminal")
    return sys.stdout


def _write_data(text: str) -> None:
    stream = stdout()
    with writing():
        stream.write(encodable(text, stream))


@contextmanager
def writing() -> Iterator[None]:
    """Say that it is standard output which cannot be written; a closed pipe is no failure of ours (boundary.py)."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as failure:
        raise MachineFailed(
            f"standard output cannot be written: {os.strerror(failure.errno or 0).lower()}",
            "send it to a file with room, a pipe or a terminal",
        ) from None


def encodable(text: str, stream: TextIO) -> str:
    """Return a text in which what a stream cannot write is escaped."""
    encoding = stream.encoding or "utf-8"
    return text.encode(encoding, "backslashreplace").decode(encoding)
