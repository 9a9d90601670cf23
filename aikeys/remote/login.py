"""At which gateway a home is logged in, and where that gateway's token is kept.

- `login.json` of the home (0600) holds the address, and which of the system's keyrings has the token; with `--file` it
  holds the token itself. One that others can read or write is refused.
- A home has one login; a new one takes the place of the old.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from typing import NamedTuple

from aikeys.errors import BadConfiguration, Locked
from aikeys.remote.client import checked_url
from aikeys.secret import Secret
from aikeys.storage import folders

FILE = "login.json"
_LARGEST_BYTES = 1 << 16
_AGAIN = "log in again: aikeys login URL"


class Login(NamedTuple):
    """One login. `keyring`: the backend that has the token, "" where the file has it."""

    url: str
    keyring: str
    token: Secret | None


def path_in(home: str) -> str:
    """Return where a home keeps its login."""
    return os.path.join(home, FILE)


def read(home: str) -> Login | None:
    """Return a home's login, None where there is none; BadConfiguration where the file is not what was written."""
    path = path_in(home)
    data = folders.read_kept(home, FILE, _LARGEST_BYTES, private=True)
    if data is None:
        return None
    try:
        found = json.loads(data)
        url, keyring, token = (found.get(name, "") for name in ("gateway", "keyring", "token"))
        if not (isinstance(url, str) and isinstance(keyring, str) and isinstance(token, str) and (keyring or token)):
            raise ValueError(FILE)
    except (ValueError, AttributeError, RecursionError):
        raise BadConfiguration(f"{path} is not what aikeys login writes", _AGAIN) from None
    return Login(checked_url(url), keyring, Secret(token.encode()) if token else None)


def token_of(home: str, login: Login) -> Secret:
    """Return the token of a login; Locked where the keyring cannot be used, or has it no more."""
    if login.token is not None:
        return login.token
    from aikeys.vault.unlock import os_keyring

    found = os_keyring.text_of(login.keyring, _entry(home, login.url))
    if found is None:
        raise Locked(f"the system's keyring has no token for {login.url}", _AGAIN)
    return found


def keep(home: str, url: str, token: Secret, *, in_file: bool) -> str:
    """Keep a login and return where its token is now; Locked where there is no keyring that can be trusted."""
    from aikeys.vault.unlock import os_keyring

    backend = ""
    if not in_file:
        found = os_keyring.probe()
        if isinstance(found, os_keyring.Unavailable):
            raise Locked(
                f"the system's keyring cannot keep the token: {found.reason}",
                "keep it in a file that only you can read: --file; or set AIKEYS_GATEWAY and AIKEYS_TOKEN",
            )
        backend = found.backend
    folders.make(home)
    remove(home)
    if backend:
        os_keyring.keep_text(backend, _entry(home, url), token)
    kept = {"keyring": backend} if backend else {"token": token.reveal().decode()}
    folders.write_kept(home, FILE, json.dumps({"gateway": url, **kept}, indent=2).encode() + b"\n")
    return backend or path_in(home)


def remove(home: str) -> str:
    """Forget a home's login and return its address, "" where there was none. A file that is damaged goes, too."""
    try:
        login = read(home)
    except BadConfiguration:
        login = None
    if login is not None and login.keyring:
        from aikeys.vault.unlock import os_keyring

        os_keyring.delete(login.keyring, _entry(home, login.url))
    with suppress(FileNotFoundError):
        os.unlink(path_in(home))
    return login.url if login is not None else ""


def _entry(home: str, url: str) -> str:
    return f"token of {url} for {os.path.abspath(home)}"
