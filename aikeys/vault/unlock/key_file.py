"""A key file: 32 bytes that unlock a vault, as one line of text that a person can recognise.

Rules: never overwrite a file; refuse one that others own or may write; no message shows the content.
On the hot path of `exec`: imports next to nothing.
"""

from __future__ import annotations

import os

from aikeys.errors import AikeysError, Damaged, ExistsAlready, Locked, MachineFailed
from aikeys.secret import Secret
from aikeys.storage import files

KEY_BYTES = 32
_PREFIX = b"aikeys-key-file-1:"
_LINE_BYTES = len(_PREFIX) + 2 * KEY_BYTES
_HEX_DIGITS = frozenset(b"0123456789abcdefABCDEF")
_FLAGS = getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)


def create(path: str, key: bytes) -> None:
    """Write a new key file that its owner alone may read, and make sure it is on the disk."""
    if len(key) != KEY_BYTES:
        raise ValueError("a key file holds 32 bytes")
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _FLAGS, 0o600)
    except FileExistsError:
        raise ExistsAlready(
            f"the key file {path} exists already", "choose another path, or move the file away"
        ) from None
    except OSError as error:
        raise _cannot("created", path, error) from error
    try:
        with open(descriptor, "wb", buffering=0) as file:
            _write_all(file.fileno(), _PREFIX + key.hex().encode() + b"\n")
            os.fsync(file.fileno())
        _sync_directory(path)
    except OSError as error:
        _remove_partial(path)
        raise _cannot("written", path, error) from error


def read(path: str) -> Secret:
    """Return the 32 bytes of a key file that nobody but its owner can have changed."""
    try:
        found, descriptor = files.open_any(path)
    except (FileNotFoundError, NotADirectoryError):
        raise Locked(
            f"the key file {path} is missing", "attach or mount where it is kept, or unlock with the passphrase"
        ) from None
    try:
        if found is not None:
            raise Damaged(f"the key file {found.message}", found.hint)
        content = files.read_open(descriptor, _LINE_BYTES + 2)  # room for a line end
    except OSError as error:
        raise _cannot("read", path, error) from error
    finally:
        os.close(descriptor)
    return Secret(_parse(path, content))


def readable_by_others(path: str) -> bool:
    """Say whether the file's group or everybody may read it; a missing file is not readable."""
    try:
        return files.is_readable_by_others(os.stat(path))
    except OSError:
        return False


def _parse(path: str, content: bytes) -> bytes:
    digits = content.removesuffix(b"\n").removesuffix(b"\r").removeprefix(_PREFIX)
    known = content.startswith(_PREFIX) and len(digits) == 2 * KEY_BYTES and _HEX_DIGITS.issuperset(digits)
    if not known:
        raise Damaged(f"the key file {path} is damaged, or is not a key file", "restore it from your copy")
    return bytes.fromhex(digits.decode("ascii"))


def _write_all(descriptor: int, content: bytes) -> None:
    while content:
        content = content[os.write(descriptor, content) :]


def _sync_directory(path: str) -> None:
    if os.name != "posix":
        return
    descriptor = os.open(os.path.dirname(path) or ".", os.O_RDONLY | _FLAGS)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _remove_partial(path: str) -> None:
    try:
        os.unlink(path)
    except OSError:
        return


def _cannot(done: str, path: str, error: OSError) -> AikeysError:
    reason = (error.strerror or "unknown reason").lower()
    return MachineFailed(f"the key file {path} cannot be {done}: {reason}", "check the path and its permissions")
