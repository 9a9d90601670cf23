"""The credential of a sealed gateway: its private key in a file of one line, and what that opens.

Alone it opens nothing: every grant is sealed to a token first. `aik-gateway_` + vault fingerprint and key in hex.
"""

from __future__ import annotations

import os

from aikeys import sealing
from aikeys.errors import BadConfiguration, ExistsAlready, MachineFailed
from aikeys.secret import Secret
from aikeys.storage import files
from aikeys.tokens import text
from aikeys.vault.format import Header

PREFIX = "aik-gateway_"
NAME = "aikeys-gateway"
"""Of the credential under systemd: $CREDENTIALS_DIRECTORY/aikeys-gateway."""
_LONGEST = 1024


def written(header: Header, private: Secret) -> str:
    """Return the line."""
    return PREFIX + (text.fingerprint(header.signing_public) + private.reveal()).hex()


def write(path: str, header: Header, private: Secret) -> None:
    """Write it to a new file that only its owner reads; ExistsAlready, MachineFailed."""
    try:
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    except FileExistsError:
        raise ExistsAlready(f"{path} exists", "name a new file") from None
    except OSError as error:
        raise MachineFailed(f"cannot write {path}: {error.strerror}", "name another file") from None
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(written(header, private) + "\n")


def read(path: str, header: Header) -> Secret:
    """Return the private key; BadConfiguration where the file is none, or another vault's."""
    hint = "make one where the vault opens: aikeys gateway --write-credential FILE"
    data = files.read(path, _LONGEST)
    if data is None:
        raise BadConfiguration(f"there is no credential of a gateway at {path}", hint)
    line = data.decode("ascii", "replace").strip()
    try:
        raw = bytes.fromhex(line.removeprefix(PREFIX)) if line.startswith(PREFIX) else b""
    except ValueError:
        raw = b""
    if len(raw) != text.FINGERPRINT_BYTES + sealing.KEY_BYTES:
        raise BadConfiguration(f"{path} is not a credential of a gateway", hint)
    private = raw[text.FINGERPRINT_BYTES :]
    is_ours = raw[: text.FINGERPRINT_BYTES] == text.fingerprint(header.signing_public)
    if not is_ours or sealing.public_half(private) != header.gateway_public:
        raise BadConfiguration(f"{path} is the credential of another vault, or from before it was compromised", hint)
    return Secret(private)


def path_of(given: str, environ: dict[str, str]) -> str:
    """Return where it is: as given, else where systemd puts it; BadConfiguration without either."""
    folder = environ.get("CREDENTIALS_DIRECTORY", "")
    if given or folder:
        return given or os.path.join(folder, NAME)
    raise BadConfiguration(
        "a sealed gateway needs its credential",
        "give --credential FILE; make it: aikeys gateway --write-credential FILE",
    )
