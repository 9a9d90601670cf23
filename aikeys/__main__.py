"""Entry point of `aikeys`. Imports stand inside functions: Ctrl-C during an import is an interrupt, not a traceback."""

from __future__ import annotations

import sys


def main() -> int:
    """Run the command line this process was started with and return the exit status."""
    import gc

    gc.set_threshold(20_000)  # looking for garbage while modules load takes a tenth of a start
    _keep_standard_streams()
    sys.unraisablehook = _say_nothing
    try:
        return _dispatch(sys.argv[1:])
    except KeyboardInterrupt:
        return 130
    except (OSError, ImportError, MemoryError) as failure:  # not even the program's own modules can be read
        import os

        reason = (
            failure.strerror.lower()
            if isinstance(failure, OSError) and failure.strerror
            else "the machine is out of something"
        )
        os.write(2, f"aikeys: error: cannot start: {reason}\naikeys: hint: see ulimit -a\n".encode())
        return 125 if "exec" in sys.argv[1:] else 1


def _say_nothing(_: object) -> None:
    """What fails while an object goes away is no failure of the command, and its text may hold a secret."""


def _keep_standard_streams() -> None:
    """Let no file of ours become a standard stream that is closed: a message would be written into it.

    What is opened here is not inherited: a program that is started finds the stream closed as it was.
    """
    import os

    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)


def _dispatch(argv: list[str]) -> int:
    """Answer what must be fast without importing Typer; hand the rest to the command tree."""
    from aikeys.cli import boundary

    if argv == ["--version"]:
        return boundary.run(_print_version)
    from aikeys import own_memory

    own_memory.protect()
    if "exec" in argv or "__names" in argv:
        from aikeys.cli import words
        from aikeys.errors import UsageError

        try:
            found = words.split(argv)
        except UsageError:  # the command tree finds and shows it again
            return _tree(argv)
        if found.command == "exec" and "--version" not in found.global_options:
            words.apply(found.global_options)
            return boundary.run(lambda: _exec(found.rest), exec_statuses=True, typed=words.own(found))
        if found.command == "__names":
            words.apply(found.global_options)
            return boundary.run(lambda: _print_names(found.rest), typed=argv)
    return _tree(argv)


def _tree(argv: list[str]) -> int:
    from aikeys.cli import app

    return app.main(argv)


def _print_version() -> None:
    from aikeys import __version__
    from aikeys.cli import terminal

    terminal.out(f"aikeys {__version__}")


def _exec(argv: list[str]) -> int:
    from aikeys.cli.commands import exec_

    return exec_.run(argv)


def _print_names(of: list[str]) -> None:
    """Print the names of keys, or the ids of tokens, for a shell's completion."""
    if of == ["tokens"]:
        from aikeys.cli.tokens import register as token_register

        token_register.print_ids()
        return
    from aikeys.cli.commands import list_

    list_.print_names()


if __name__ == "__main__":
    sys.exit(main())
