"""The operating system's credential store, which keeps one 32-byte unlock key for a vault, or a gateway's token.

Rules: only stores on the allow-list (never plaintext, null or an unknown plug-in), checked before the import;
every call has a time limit, for a hidden prompt can wait for ever; any exception of a store becomes one of ours;
`probe` decides once, at `init`, and its answer is kept: nothing else looks for a store.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeVar

from aikeys.errors import AikeysError, Damaged, Locked, MachineFailed
from aikeys.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Callable

_T = TypeVar("_T")

KEY_BYTES = 32
ANSWER_LIMIT_S = 20.0  # a desktop may ask its user for a password meanwhile
_SERVICE = "aikeys"
_ON_DBUS = frozenset(
    {
        "keyring.backends.SecretService.Keyring",
        "keyring.backends.libsecret.Keyring",
        "keyring.backends.kwallet.DBusKeyring",
        "keyring.backends.kwallet.DBusKeyringKWallet4",
    }
)
ALLOWED = _ON_DBUS | {"keyring.backends.macOS.Keyring", "keyring.backends.Windows.WinVaultKeyring"}
_REASON_LIMIT = 120
_HINT = "unlock the system's keyring and try again, or unlock the vault with its passphrase"


class WorkingStore(NamedTuple):
    """A store that took, gave back and deleted a trial entry."""

    backend: str


class Unavailable(NamedTuple):
    """No store can be used, and why."""

    reason: str


class _Store(Protocol):
    def get_password(self, service: str, username: str, /) -> str | None: ...
    def set_password(self, service: str, username: str, password: str, /) -> None: ...
    def delete_password(self, service: str, username: str, /) -> None: ...


class _Failed(Exception):
    """A store failed or was silent; the text is fit for a message."""


def probe(timeout_s: float = 5.0) -> WorkingStore | Unavailable:
    """Look for a store that can be trusted and works. Never raises, never waits longer than the limit."""
    if _no_bus():
        return Unavailable("no D-Bus session bus")
    try:
        return _limited(_try_out, timeout_s)
    except (_Failed, AikeysError) as error:
        return Unavailable(str(error))


def store(backend: str, vault_id_hex: str, key: bytes, timeout_s: float = ANSWER_LIMIT_S) -> None:
    """Keep a vault's unlock key in the store, and make sure that the store gives it back."""
    if len(key) != KEY_BYTES:
        raise ValueError("an unlock key has 32 bytes")

    def write(opened: _Store) -> bool:
        opened.set_password(_SERVICE, vault_id_hex, key.hex())
        return opened.get_password(_SERVICE, vault_id_hex) == key.hex()

    if not _ask(backend, write, timeout_s):
        raise MachineFailed(
            "the system's keyring took the unlock key but does not give it back", "use a key file or a passphrase"
        )


def load(backend: str, vault_id_hex: str, timeout_s: float = ANSWER_LIMIT_S) -> Secret | None:
    """Return a vault's unlock key, or None where the store has no entry for the vault."""
    value = _ask(backend, lambda opened: opened.get_password(_SERVICE, vault_id_hex), timeout_s)
    if value is None:
        return None
    if len(value) != 2 * KEY_BYTES or not set(value) <= set("0123456789abcdef"):
        raise _damaged_entry()
    return Secret(bytes.fromhex(value))


def delete(backend: str, vault_id_hex: str, timeout_s: float = ANSWER_LIMIT_S) -> None:
    """Remove a vault's unlock key from the store; no entry is no error."""

    def remove(opened: _Store) -> None:
        if opened.get_password(_SERVICE, vault_id_hex) is not None:
            opened.delete_password(_SERVICE, vault_id_hex)

    _ask(backend, remove, timeout_s)


def keep_text(backend: str, entry: str, text: Secret, timeout_s: float = ANSWER_LIMIT_S) -> None:
    """Keep a secret text (the token of a gateway) under a name, and make sure that the store gives it back."""
    value = text.reveal().decode()

    def write(opened: _Store) -> bool:
        opened.set_password(_SERVICE, entry, value)
        return opened.get_password(_SERVICE, entry) == value

    if not _ask(backend, write, timeout_s):
        raise MachineFailed("the system's keyring took the token but does not give it back", "keep it in a file")


def text_of(backend: str, entry: str, timeout_s: float = ANSWER_LIMIT_S) -> Secret | None:
    """Return a text that was kept under a name, None where the store has no such entry."""
    value = _ask(backend, lambda opened: opened.get_password(_SERVICE, entry), timeout_s)
    return None if value is None else Secret(value.encode())


def _ask(backend: str, question: Callable[[_Store], _T], timeout_s: float) -> _T:
    if backend not in ALLOWED:
        raise Damaged(f"the vault names an unknown keyring: {backend[:_REASON_LIMIT]!r}", "restore the vault's backup")
    if backend in _ON_DBUS and _no_bus():
        raise Locked("the system's keyring cannot be used: no D-Bus session bus", _HINT)
    try:
        return _limited(lambda: question(_backend(backend)), timeout_s)
    except _Failed as error:
        raise Locked(f"the system's keyring cannot be used: {error}", _HINT) from None


def _backend(name: str) -> _Store:
    """Open a store by its class's name. Tests replace this function."""
    from importlib import import_module

    module, _, kind = name.rpartition(".")
    opened: _Store = getattr(import_module(module), kind)()
    return opened


def _preferred() -> object:
    """Return what the keyring library would use. Tests replace this function."""
    import keyring

    return keyring.get_keyring()


def _try_out() -> WorkingStore | Unavailable:
    preferred = _preferred()
    chained = getattr(preferred, "backends", None)  # the library's chainer: look inside
    names = [_name(candidate) for candidate in chained or [preferred]]
    trusted = [name for name in names if name in ALLOWED]
    if not trusted:
        return Unavailable(f"no keyring that can be trusted (found {', '.join(names)})"[:_REASON_LIMIT])
    if not _gives_back(_backend(trusted[0])):
        return Unavailable(f"{trusted[0]} does not give back what it was given")
    return WorkingStore(trusted[0])


def _gives_back(opened: _Store) -> bool:
    entry, value = f"probe-{os.urandom(8).hex()}", os.urandom(KEY_BYTES).hex()
    opened.set_password(_SERVICE, entry, value)
    try:
        same = opened.get_password(_SERVICE, entry) == value
    finally:
        opened.delete_password(_SERVICE, entry)
    return same and opened.get_password(_SERVICE, entry) is None


def _name(opened: object) -> str:
    return f"{type(opened).__module__}.{type(opened).__qualname__}"


def _no_bus() -> bool:
    """Say so without the library's import (100 ms) where no store can be reached."""
    if sys.platform != "linux" or os.environ.get("DBUS_SESSION_BUS_ADDRESS"):
        return False
    return not os.path.exists(f"/run/user/{os.getuid()}/bus")


def _limited(work: Callable[[], _T], timeout_s: float) -> _T:
    """Do some work in a thread that can be left behind. Stores raise anything: all but our own become _Failed."""
    from threading import Thread

    done: list[_T] = []
    failed: list[Exception] = []

    def run() -> None:
        try:
            done.append(work())
        except Exception as error:  # noqa: BLE001 (jeepney's and dbus's errors are not keyring's)
            failed.append(error)

    thread = Thread(target=run, name="aikeys-keyring", daemon=True)
    thread.start()
    thread.join(timeout_s)
    if done:
        return done[0]
    if not failed:
        raise _Failed(f"no answer in {timeout_s:g} s (a hidden prompt?)")
    if isinstance(failed[0], AikeysError):
        raise failed[0]
    if isinstance(failed[0], UnicodeError):
        raise _damaged_entry()
    text = " ".join(f"{type(failed[0]).__name__}: {failed[0]}".split()).rstrip(".: ")
    raise _Failed(text[:_REASON_LIMIT])


def _damaged_entry() -> Damaged:
    return Damaged(
        "the entry in the system's keyring is not an unlock key",
        "unlock the vault with its passphrase, and enrol again",
    )
