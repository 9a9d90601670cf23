"""Responsible for which Host a request may name (pure but for the certificate): a page in a browser can make any name
point to this machine, and is told from a client of ours by the name that it asks for.

- There is exactly one Host, spelled as RFC 9112 §3.2 and RFC 3986 §3.2.2 say; anything else is 400.
- It is a name of this gateway, else 421: this machine's loopback names, the address it listens on, the address that
  the connection came to, the names of its certificate, and `[gateway] hosts`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from aikeys.network.addresses import address_in

_LONGEST_PORT = 65535
_NAME = r"(?:[A-Za-z0-9._~!$&'()*+,;=-]|%[0-9A-Fa-f]{2})*"
_HOST = re.compile(rf"(?:\[(?P<literal>[0-9A-Fa-f:.]+)\]|(?P<name>{_NAME}))(?::(?P<port>[0-9]*))?", re.ASCII)


def host_in(fields: Sequence[str]) -> str | None:
    """Return the host that the Host headers of a request name, in lower case; None where they are not one, or wrong."""
    if len(fields) != 1:
        return None
    found = _HOST.fullmatch(fields[0])
    if found is None or int((found["port"] or "0")[:9]) > _LONGEST_PORT:
        return None
    literal = found["literal"]
    if literal is not None:
        return literal.lower() if ":" in literal and address_in(literal) is not None else None
    return found["name"].lower()


def is_ours(host: str, names: Iterable[str]) -> bool:
    """Tell whether a host is one of these names; an address may be spelled otherwise, `*.` stands for one label."""
    address = address_in(host) if host else None
    for name in names:
        if address is not None:
            if address_in(name) == address:
                return True
        elif host == name.lower() or (name.startswith("*.") and host.partition(".")[2] == name[2:].lower() != ""):
            return True
    return False


def names_of_certificate(path: str) -> tuple[str, ...]:
    """Return the names and addresses that a certificate is for; none where it cannot be read: who serves it says so."""
    from cryptography import x509

    try:
        with open(path, "rb") as file:
            found = x509.load_pem_x509_certificate(file.read(1 << 20))
        names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (OSError, ValueError, x509.ExtensionNotFound):
        return ()
    addresses = names.get_values_for_type(x509.IPAddress)
    return (*names.get_values_for_type(x509.DNSName), *(str(each) for each in addresses))
