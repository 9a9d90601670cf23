"""Run a program with the message as JSON on its standard input.

No shell, a process group of its own, a time limit: what hangs is terminated and then killed, with all it started.
The program gets no secret of aikeys from the environment; what it prints goes nowhere.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Mapping
from contextlib import suppress

from aikeys.alerts.channels import CommandChannel
from aikeys.alerts.sending import NotTaken, OutgoingAlert, document

GRACE_S = 2.0
_KEPT = ("AIKEYS_HOME", "AIKEYS_LEDGER", "AIKEYS_NO_INPUT")


def send(
    settings: CommandChannel, outgoing: OutgoingAlert, environ: Mapping[str, str], grace_s: float = GRACE_S
) -> None:
    """Run the program to its end; raises NotTaken where it cannot be run, fails or takes too long."""
    program = program_name(settings)
    try:
        process = subprocess.Popen(
            settings.argv,
            env=environment(environ),
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "its arguments hold a NUL byte"
        raise NotTaken(f"{program} cannot be run: {reason}") from None
    try:
        process.communicate(document(outgoing) + b"\n", settings.time_limit_s)
    except subprocess.TimeoutExpired:
        raise NotTaken(f"{program} took over {settings.time_limit_s} seconds and was stopped") from None
    finally:
        if process.returncode is None:  # Ctrl-C, too
            _stop(process, grace_s)
    if process.returncode < 0:
        raise NotTaken(f"{program} was ended by signal {-process.returncode}")
    if process.returncode:
        raise NotTaken(f"{program} ended with status {process.returncode}")


def program_name(settings: CommandChannel) -> str:
    """Return the program's name without its directory, which may tell a person's name (pure)."""
    return os.path.basename(settings.argv[0])


def environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the program's environment: everything but tokens and passphrases of aikeys (pure)."""
    return {name: value for name, value in environ.items() if not name.startswith("AIKEYS_") or name in _KEPT}


def _stop(process: subprocess.Popen[bytes], grace_s: float) -> None:
    """Terminate the process group, kill what is left of it, and reap the program."""
    _signal(process, signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        process.wait(grace_s)
    _signal(process, signal.SIGKILL if os.name == "posix" else signal.SIGTERM)
    process.kill()  # nothing that was reaped: Popen knows
    process.wait()
    if process.stdin is not None:
        with suppress(OSError):
            process.stdin.close()


def _signal(process: subprocess.Popen[bytes], number: int) -> None:
    with suppress(OSError):
        if os.name == "posix":
            os.killpg(process.pid, number)  # its group's id is its own, because it began a session
        else:  # pragma: no cover (untested)
            process.terminate()
