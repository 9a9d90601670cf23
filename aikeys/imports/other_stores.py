"""Secrets in other stores (I/O edge): pass, by its own command, and the system's keyring, by service and user.

Only what is named is read; without a name those entries of pass whose name has a provider's. Of an entry of pass the
first line counts, as its users keep it.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Collection, Sequence

from aikeys.errors import MachineFailed, NotFound, UsageError

_WAIT_S = 120


def from_pass(names: Sequence[str], providers: Collection[str]) -> dict[str, str]:
    """Return entries of pass and their first lines; NotFound, MachineFailed."""
    wanted = list(names) or _entries(providers)
    return {name: _shown(name) for name in wanted}


def _entries(providers: Collection[str]) -> list[str]:
    store = os.environ.get("PASSWORD_STORE_DIR") or os.path.expanduser("~/.password-store")
    if not os.path.isdir(store):
        raise NotFound(f"there is no password store in {store}", "set PASSWORD_STORE_DIR, or name the entries")
    found: list[str] = []
    for folder, folders, files in os.walk(store):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        paths = [os.path.join(folder, file) for file in sorted(files) if file.endswith(".gpg")]
        found += [os.path.relpath(path, store).removesuffix(".gpg") for path in paths]
    return [name for name in found if set(parts(name)) & set(providers)]


def _shown(name: str) -> str:
    if name.startswith("-"):
        raise UsageError(f"{name!r} is not the name of an entry", "write it as pass ls shows it")
    try:
        done = subprocess.run(
            ["pass", "show", name], stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=_WAIT_S
        )
    except FileNotFoundError:
        raise MachineFailed(
            "pass is not installed here", "install it, or pipe its output in: aikeys import -"
        ) from None
    except subprocess.TimeoutExpired:
        raise MachineFailed(
            f"pass did not show {name} in two minutes", "unlock its key first: pass show NAME"
        ) from None
    if done.returncode:
        raise NotFound(f"pass does not show {name!r}", "check the name: pass ls")
    return done.stdout.decode("utf-8", "surrogateescape").partition("\n")[0]


def from_keyring(names: Sequence[str]) -> dict[str, str]:
    """Return the passwords of SERVICE/USER in the system's keyring; NotFound, UsageError, MachineFailed."""
    if not names:
        raise UsageError("no entry of the keyring was named", "aikeys import --from keyring SERVICE/USER")
    import keyring
    from keyring.errors import KeyringError

    found = {}
    for name in names:
        service, stroke, user = name.rpartition("/")
        if not stroke or not service or not user:
            raise UsageError(f"{name!r} is not of the form SERVICE/USER", "such as openai/me")
        try:
            value = keyring.get_password(service, user)
        except KeyringError as error:
            raise MachineFailed(f"the system's keyring cannot be read: {error}", "unlock it and try again") from None
        if value is None:
            raise NotFound(f"the keyring has no password of {user!r} for {service!r}", "check service and user")
        found[name] = value
    return found


def parts(name: str) -> list[str]:
    """Return the words of an entry's name."""
    return re.split(r"[^a-z0-9]+", name.lower())
