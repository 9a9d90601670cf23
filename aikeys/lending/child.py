"""Find the program and become it, or start it: `exec`'s last step (I/O edge, hot path).

Python starts with SIGPIPE and SIGXFSZ ignored, which an exec'd program would inherit; both go back to their default.
A handler (SIGINT's) is reset by the kernel, an ignored signal stays ignored, and Python blocks no signal of its own:
so the inherited mask is left alone.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import TYPE_CHECKING, NoReturn

from aikeys.errors import CannotExecute, ProgramNotFound

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

_EXECUTABLE, _FORBIDDEN, _MISSING = 0, 1, 2
_DIRECTORY_TYPE, _REGULAR_TYPE, _TYPE_MASK = 0o040000, 0o100000, 0o170000


def find_program(command: str, path: str | None) -> str:
    """Return what to execute, found as execvp does: a name with a slash as it is, else along PATH."""
    if os.name == "nt":  # pragma: no cover (untested)
        return _find_on_windows(command, path)
    if not command:
        raise ProgramNotFound("the program's name is empty", "write the program after --")
    if "/" in command:
        candidates = [command]
    else:
        directories = (os.defpath if path is None else path).split(":")
        candidates = [os.path.join(directory, command) for directory in directories]
    forbidden = ""
    for candidate in candidates:
        state = _state(candidate)
        if state == _EXECUTABLE:
            return candidate
        if state == _FORBIDDEN:
            forbidden = forbidden or candidate
    if forbidden:
        raise _cannot(forbidden)
    if "/" in command:
        raise ProgramNotFound(f"{command} does not exist", "check the path after --")
    raise ProgramNotFound(f"{command} was not found in PATH", "check its name, or write its whole path")


def replace_process(
    program: str,
    argv: Sequence[str],
    env: Mapping[bytes, bytes],
    core_limit: tuple[int, int] | None,
) -> NoReturn:
    """Become the program, with the signals and the core limit aikeys was started with."""
    _flush()
    if os.name == "nt":  # pragma: no cover (untested)
        _run_on_windows(program, argv, env)
    undo = _restore(core_limit)
    try:
        os.execve(program, list(argv), dict(env))  # noqa: S606 (no shell is the point)
    except (OSError, ValueError) as error:
        undo()
        raise _failure(program, error) from error


def spawn_process(
    program: str,
    argv: Sequence[str],
    env: Mapping[bytes, bytes],
    core_limit: tuple[int, int] | None,
    mask: Iterable[int],
) -> int:
    """Start the program beside this process, as `replace_process` would become it, and return its number.

    It stays in this process group, so it keeps the terminal. `mask`: the signals that are blocked in it.
    """
    import resource

    _flush()
    limit = resource.getrlimit(resource.RLIMIT_CORE)
    if core_limit is not None:
        resource.setrlimit(resource.RLIMIT_CORE, (core_limit[0], limit[1]))
    try:
        return os.posix_spawn(
            program, list(argv), dict(env), setsigmask=mask, setsigdef=(signal.SIGPIPE, signal.SIGXFSZ)
        )
    except (OSError, ValueError) as error:
        raise _failure(program, error) from error
    finally:
        resource.setrlimit(resource.RLIMIT_CORE, limit)


def _state(path: str) -> int:
    try:
        kind = os.stat(path).st_mode & _TYPE_MASK
    except PermissionError:
        return _FORBIDDEN
    except (OSError, ValueError):
        return _MISSING
    return _EXECUTABLE if kind == _REGULAR_TYPE and os.access(path, os.X_OK) else _FORBIDDEN


def _cannot(path: str) -> CannotExecute:
    try:
        kind = os.stat(path).st_mode & _TYPE_MASK
    except OSError:
        return CannotExecute(f"{path} cannot be reached: permission denied", "check the directories above it")
    if kind == _DIRECTORY_TYPE:
        return CannotExecute(f"{path} is a directory, not a program", "write a program after --")
    if kind != _REGULAR_TYPE:
        return CannotExecute(f"{path} is not a regular file", "write a program after --")
    return CannotExecute(f"{path} is not executable", f"chmod +x {path}, or name its interpreter after --")


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except (OSError, ValueError):  # closed or gone: the program will find out for itself
            continue


def _restore(core_limit: tuple[int, int] | None) -> Callable[[], None]:
    """Put back what Python and aikeys changed; the result takes it away again, should execve fail."""
    import resource

    before = {number: signal.getsignal(number) for number in (signal.SIGPIPE, signal.SIGXFSZ)}
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        before[signal.SIGINT] = signal.default_int_handler
    for number in before:
        signal.signal(number, signal.SIG_DFL)
    limit = resource.getrlimit(resource.RLIMIT_CORE)
    if core_limit is not None:
        resource.setrlimit(resource.RLIMIT_CORE, (core_limit[0], limit[1]))

    def undo() -> None:
        resource.setrlimit(resource.RLIMIT_CORE, limit)
        for number, handler in before.items():
            signal.signal(number, handler)

    return undo


def _failure(program: str, error: OSError | ValueError) -> CannotExecute | ProgramNotFound:
    """Say why execve refused. Its own message would name the program where the interpreter is missing."""
    import errno

    number = error.errno if isinstance(error, OSError) else None
    if number in (errno.ENOENT, errno.ENOTDIR):
        return _not_found(program)
    if number == errno.ENOEXEC:
        return CannotExecute(
            f"{program} is not a program this system can run",
            "a script's first line must name its interpreter, such as #!/bin/sh",
        )
    if number == errno.E2BIG:
        return CannotExecute(
            f"{program} cannot be started: its arguments and environment are too long",
            "pass fewer arguments, or start from less environment with --clean-env",
        )
    if number == errno.EACCES:
        interpreter = _interpreter(program)
        if interpreter and os.access(program, os.X_OK):
            return CannotExecute(f"{program} cannot be executed: its interpreter {interpreter} refuses", "see ls -l")
        return CannotExecute(f"{program} cannot be executed: permission denied", "see its permissions and its mount's")
    reason = error.strerror if isinstance(error, OSError) else str(error)
    return CannotExecute(f"{program} cannot be executed: {reason}")


def _not_found(program: str) -> ProgramNotFound:
    if not os.path.exists(program):
        return ProgramNotFound(f"{program} does not exist", "check the path after --")
    interpreter = _interpreter(program)
    if not interpreter:
        return ProgramNotFound(f"{program} needs a loader that is not installed", "it was built for another system")
    hint = "its lines end as on Windows" if interpreter.endswith("\\r'") else "install it, or correct the first line"
    return ProgramNotFound(f"{program} needs the interpreter {interpreter}, which does not exist", hint)


def _interpreter(program: str) -> str:
    """Return the interpreter a script's first line names, or nothing."""
    try:
        with open(program, "rb") as script:
            first = script.read(256).split(b"\n", 1)[0]
    except OSError:
        return ""
    words = first[2:].strip(b" \t").replace(b"\t", b" ").split(b" ") if first.startswith(b"#!") else [b""]
    name = words[0].decode("utf-8", "backslashreplace")
    return name if name.isprintable() else repr(name)


def _find_on_windows(command: str, path: str | None) -> str:  # pragma: no cover (untested)
    from shutil import which

    found = which(command, path=path)
    if found is None:
        raise ProgramNotFound(f"{command} was not found in PATH", "check its name, or write its whole path")
    return found


def _run_on_windows(program: str, argv: Sequence[str], env: Mapping[bytes, bytes]) -> NoReturn:  # pragma: no cover
    """Windows cannot replace a process: run the program and end as it ends. Untested."""
    import subprocess

    decoded = {os.fsdecode(name): os.fsdecode(value) for name, value in env.items()}
    try:
        done = subprocess.run(list(argv), executable=program, env=decoded, check=False)
    except OSError as error:
        raise CannotExecute(f"{program} cannot be executed: {error.strerror}") from error
    sys.exit(done.returncode)
