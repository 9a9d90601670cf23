"""Notices: what the stores tell a person while they work, of which the door decides how it is shown.

Nothing is told until somebody listens. A notice is a sentence in lower case without a full stop, and never a question.
"""

from __future__ import annotations

from collections.abc import Callable

_listeners: list[Callable[[str], None]] = []


def listen(show: Callable[[str], None] | None) -> None:
    """From now on let this show every notice, and nothing else; None for nobody."""
    _listeners[:] = [show] if show else []


def tell(text: str) -> None:
    """Tell whoever listens."""
    for show in _listeners:
        show(text)
