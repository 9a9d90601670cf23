"""Notifies a service manager that the gateway serves: one datagram (sd_notify(3)), nothing where nobody asked."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from contextlib import suppress

READY = b"READY=1"


def tell(environ: Mapping[str, str], words: bytes = READY) -> None:
    """Send it to $NOTIFY_SOCKET; `@` is a name outside the file system. Who does not listen is no failure."""
    address = environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return
    if address.startswith("@"):
        address = "\0" + address[1:]
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as found:
        found.setblocking(False)
        found.sendto(words, address)
