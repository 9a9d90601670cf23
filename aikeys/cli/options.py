"""The global options of a run; they stand before or after the command."""

from __future__ import annotations


class GlobalOptions:
    """The global options of this run, as the command line gave them."""

    __slots__ = ("home", "no_input", "quiet", "verbose", "yes")

    def __init__(self) -> None:
        self.home: str | None = None
        self.quiet = False
        self.verbose = False
        self.no_input = False
        self.yes = False
