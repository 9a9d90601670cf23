"""Where `aikeys` starts. Imports stand inside functions: Ctrl-C during an import is an interrupt, not a traceback."""

from __future__ import annotations

import sys


def main() -> int:
    """Run the command line this process was started with and return the exit status."""
    import gc

    gc.set_threshold(20_000)  # looking for garbage while modules load takes a tenth of a start
    try:
        return _dispatch(sys.argv[1:])
    except KeyboardInterrupt:
        return 130


def _dispatch(argv: list[str]) -> int:
    """Answer what must be fast without importing Typer; hand the rest to the command tree."""
    from aikeys.cli import boundary

    if argv == ["--version"]:
        return boundary.run(_print_version)
    from aikeys import own_memory

    own_memory.protect()
    if "exec" in argv or "__names" in argv:
        from aikeys.cli import words
        from aikeys.errors import Usage

        try:
            found = words.split(argv)
        except Usage:  # the command tree finds and shows it again
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
        from aikeys.cli import token_register

        token_register.print_ids()
        return
    from aikeys.cli.commands import list_

    list_.print_names()


if __name__ == "__main__":
    sys.exit(main())
