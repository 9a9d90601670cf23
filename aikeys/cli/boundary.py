"""The edge of the program: whatever goes wrong becomes one line, a hint and an exit status here, and nowhere else.

- An AikeysError carries its own sentence, hint and status.
- No traceback and no text of an unforeseen exception is printed: it may hold a secret. AIKEYS_DEBUG=1 shows places
  in files, no values.
- What looks like a key on this command line is repeated by no message (typed.py), nor what surely is one elsewhere.
- A machine that has no memory, file descriptor or thread left is called that, wherever in the program it shows.
- Under `exec_statuses` every failure is 125, so that the child's own statuses stay unmistakable; 126 and 127 keep
  their shell meaning.

Must not know: commands. Typer is recognised by its shape and not imported, because `exec` runs without it.
"""

from __future__ import annotations

import errno
import os
import re
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from aikeys.cli import terminal
from aikeys.errors import AikeysError, Cancelled, CannotExecute, MachineFailed, ProgramNotFound, UsageError
from aikeys.secret import without_keys
from aikeys.storage import notices

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

INTERRUPTED = 130
CLOSED_PIPE = 141  # 128 + SIGPIPE, as the shell reports it of other filters
EXEC_FAILED = 125

_MACHINE = {
    errno.ENOSPC: "make room on the disk, then run it again",
    errno.EDQUOT: "make room within your quota, then run it again",
    errno.EFBIG: "raise the limit on file sizes (ulimit -f)",
    errno.EROFS: "choose a place that can be written, with --home",
    errno.EACCES: "check who owns it and its permissions",
    errno.EPERM: "check who owns it and its permissions",
    errno.EMFILE: "raise the limit on open files (ulimit -n)",
    errno.ENFILE: "the machine has no file descriptor left: end other programs",
    errno.ENOMEM: "free some memory, or raise the limit (ulimit -v)",
    errno.EBADF: "a standard stream is closed, or open the wrong way: check < and >",
}
_CANNOT_MAP = re.compile("cannot allocate memory|failed to map segment|cannot map", re.IGNORECASE)
_LEAST_MEMORY_BYTES = 32 << 20
_SHORTEST_SECRET = 11
_LONGEST_WORD = 1000
_LONGEST_MESSAGE = 8000
_KEY_LIKE = r"(?<![\w.~+/=-])(?=[\w.~+/=-]*\d)(?=[\w.~+/=-]*[A-Za-z])[\w.~+/=-]{20,}"


def run(main: Callable[[], int | None], exec_statuses: bool = False, typed: Sequence[str] = ()) -> int:
    """Call `main`, show what goes wrong, and return the exit status; no message repeats a secret that was typed."""
    notices.listen(terminal.say)
    try:
        _note(typed, is_fast=exec_statuses)
        status = _status(main)
        terminal.flush()
    except KeyboardInterrupt as stopped:
        return int(getattr(stopped, "exit_status", INTERRUPTED))
    except BrokenPipeError:
        _silence_stdout()
        return CLOSED_PIPE
    except Exception as failure:  # noqa: BLE001  the last place that can: an unforeseen text may hold a secret
        _settle_stdout()
        return _show(failure, exec_statuses=exec_statuses, typed=typed)
    return status


def _note(typed: Sequence[str], *, is_fast: bool) -> None:
    """Keep what may be a secret of this command line, or stands in a variable of ours, out of every message.

    `is_fast`: look when there is a message.
    """
    typed = [*typed, *(value for name, value in os.environ.items() if name.startswith("AIKEYS_"))]
    if not any(len(word) >= _SHORTEST_SECRET for word in typed):
        terminal.take_out(None)
    elif is_fast:
        terminal.take_out(lambda text: _masking(typed)(text))  # noqa: PLW0108  it is not made before it is needed
    else:
        terminal.take_out(_masking(typed))  # a file of that name may be made meanwhile, and would pass for no secret


def _masking(typed: Sequence[str]) -> Callable[[str], str]:
    from aikeys.cli.console.typed import masking

    return masking(typed)


def _status(main: Callable[[], int | None]) -> int:
    """Call `main`; typer.Exit and SystemExit are ways to return."""
    try:
        return main() or 0
    except SystemExit as leaving:
        return leaving.code if isinstance(leaving.code, int) else int(leaving.code is not None)
    except RuntimeError as leaving:
        if _is_typers(leaving, "Exit"):
            status: int = getattr(leaving, "exit_code", 0)
            return status
        raise


def _show(failure: Exception, *, exec_statuses: bool, typed: Sequence[str]) -> int:
    if type(failure).__name__ == "NoArgsIsHelpError" and hasattr(failure, "format_message"):
        terminal.help_text(failure.format_message())
        return UsageError.exit_status
    known = _known(failure) or _of_machine(failure) or _of_arguments(failure, typed)
    if known is None:
        terminal.error(f"internal error: {type(failure).__name__}")
        _show_places(failure)
        return EXEC_FAILED if exec_statuses else AikeysError.exit_status
    terminal.error(_bounded(without_keys(known.message)))  # a file may hold one in the wrong place, too
    if known.hint:
        terminal.hint(_bounded(without_keys(known.hint)))
    if exec_statuses and not isinstance(known, CannotExecute | ProgramNotFound):
        return EXEC_FAILED
    return known.exit_status


def _bounded(text: str) -> str:
    """Return the text without the middle of what is endless in it: an argument of 100 kB, repeated, hides the rest."""
    text = re.sub(rf"\S{{{_LONGEST_WORD},}}", lambda found: _middle_cut(found[0], 60), text)
    return _middle_cut(text, _LONGEST_MESSAGE // 2) if len(text) > _LONGEST_MESSAGE else text


def _middle_cut(text: str, kept: int) -> str:
    return f"{text[:kept]} … {text[-kept:]}"


def _known(failure: Exception) -> AikeysError | None:
    """Return the failure in our own words, or None where it is unforeseen."""
    if isinstance(failure, AikeysError):
        return failure
    if hasattr(failure, "exit_code") and hasattr(failure, "format_message"):
        return _usage(failure)
    if isinstance(failure, EOFError) or _is_typers(failure, "Abort"):
        return Cancelled("cancelled")
    return None


def _of_machine(failure: Exception) -> AikeysError | None:
    """Return what the machine lacked, None where it lacked nothing.

    What ran out shows in many ways: a module that cannot be imported, a thread that cannot be started. So it is asked.
    """
    if isinstance(failure, OSError) and failure.errno is not None and failure.errno in errno.errorcode:
        reason = os.strerror(failure.errno).lower()
        place = failure.filename if isinstance(failure.filename, str) else ""
        hint = _MACHINE.get(failure.errno, "check what it names, and run it again")
        return MachineFailed(f"{place}: {reason}" if place else reason, hint)
    if isinstance(failure, MemoryError) or _caused_by_memory(failure):
        return MachineFailed("there is not enough memory", "free some, or raise the limit (ulimit -v)")
    try:
        os.close(os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC))
        bytearray(_LEAST_MEMORY_BYTES)
    except (OSError, MemoryError) as lacking:
        return _of_machine(lacking)
    if isinstance(failure, RuntimeError) and "start new thread" in str(failure):
        return MachineFailed(
            "no thread can be started", "end other programs, or raise the limit (ulimit -u, ulimit -v)"
        )
    return None


def _caused_by_memory(failure: BaseException) -> bool:
    """Tell whether memory ran out on the way to a failure, or is out now: a library that cannot be mapped says less."""
    seen: BaseException | None = failure
    while seen is not None:
        if isinstance(seen, MemoryError) or (isinstance(seen, ImportError) and _CANNOT_MAP.search(str(seen))):
            return True
        seen = seen.__cause__ or seen.__context__
    return False


def _of_arguments(failure: Exception, typed: Sequence[str]) -> AikeysError | None:
    """Return that a word is not UTF-8, where that is what could not be written somewhere."""
    if not isinstance(failure, UnicodeError):
        return None
    wrong = next((word for word in typed if any("\ud800" <= sign <= "\udfff" for sign in word)), None)
    if wrong is None:
        return None
    return UsageError(f"{terminal.printable(wrong)[:80]} is not text in UTF-8", "write it in UTF-8")


def _is_typers(failure: Exception, name: str) -> bool:
    return type(failure).__name__ == name and type(failure).__module__.startswith("typer.")


def _usage(failure: Any) -> UsageError:
    text = " ".join(str(failure.format_message()).split())
    text, _, suggestion = text.partition(". Did you mean ")
    advice = ""
    if text.startswith("Got unexpected extra argument"):  # what follows may be a key typed in the wrong place
        extra = text.partition("(")[2]
        if re.search(_KEY_LIKE, extra) or _has_secret(extra):
            advice = (
                "a key there is in the shell's history now: nothing was stored; make a new one, give it when asked; "
            )
        text = "Unexpected extra argument"
    text = _in_our_words(re.sub(_KEY_LIKE, "…", text.rstrip(".")))
    context = getattr(failure, "ctx", None)
    path = context.command_path if context is not None else "aikeys"
    advice += f"see {path} --help"
    if suggestion:
        advice = f"did you mean {suggestion.rstrip('?')}? {advice}"
    return UsageError(text[:1].lower() + text[1:], advice)


def _has_secret(text: str) -> bool:
    from aikeys.secret import hidden

    return hidden(text) != text


def _in_our_words(text: str) -> str:
    """Say what the parser says of numbers as a person would."""
    text = re.sub(r"is not a valid int(eger)?( range)?$", "is not a whole number", text)
    return re.sub(r"is not in the range x>=(-?\d+)$", r"is less than \1", text)


def _show_places(failure: Exception) -> None:
    if os.environ.get("AIKEYS_DEBUG") != "1":
        terminal.hint("AIKEYS_DEBUG=1 shows where in the program it happened")
        return
    frame = failure.__traceback__
    while frame is not None:
        code = frame.tb_frame.f_code
        terminal.debug(f"{code.co_filename}:{frame.tb_lineno} {code.co_name}")
        frame = frame.tb_next


def _settle_stdout() -> None:
    """Data printed before the failure comes out before the message about it."""
    if sys.stdout is None:
        return
    try:
        sys.stdout.flush()
    except (OSError, ValueError):
        _silence_stdout()


def _silence_stdout() -> None:
    """Keep the interpreter from failing once more when it flushes at exit."""
    with suppress(OSError, ValueError, AttributeError):
        devnull = os.open(os.devnull, os.O_WRONLY)
        os.dup2(devnull, sys.stdout.fileno())
        os.close(devnull)
