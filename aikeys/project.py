"""A project's file, `.aikeys.toml`, and which of them count: those that were allowed, by place, owner and every byte.

- It comes with a repository, so from anyone. Until its user allowed it, it chooses no key and no label.
- What is kept of one that was allowed (allowed.json in the home, 0600): where it is, whose it is, the SHA-256 of its
  bytes. Another place, owner or byte has to be allowed again.
- It is read once: the bytes that were hashed are those that are parsed. What others own or can write never counts.

Part of `exec` where no key is named: imports next to nothing unless there is such a file.
"""

from __future__ import annotations

import os
import stat

from aikeys import config
from aikeys.errors import AikeysError, BadConfiguration
from aikeys.storage import files, folders
from aikeys.storage.record import NamedTuple

ALLOWED_FILE = "allowed.json"
SCHEMA = "aikeys.allowed/1"
_LARGEST_LIST = 1 << 22


class ProjectFile(NamedTuple):
    """A project's file as it was read. `fault`: why it can never count, empty where it could; `hint` mends that."""

    path: str
    owner: int
    content: bytes
    fault: str
    hint: str

    @property
    def sha256(self) -> str:
        """The SHA-256 of the bytes that were read, in hex."""
        from aikeys.storage.canonical import sha256

        return sha256(self.content).hex()


class Allowed(NamedTuple):
    """A file that counts: its place, its owner's number, the SHA-256 of its bytes, and since when."""

    path: str
    owner: int
    sha256: str
    allowed_at: int


def find(start: str) -> ProjectFile | None:
    """Return the nearest `.aikeys.toml` in a folder or above it, as git looks for `.git`; None where there is none."""
    folder = os.path.realpath(start)
    while True:
        path = os.path.join(folder, config.PROJECT_FILE)
        if _is_there(path):
            return _read(path)
        above = os.path.dirname(folder)
        if above == folder:
            return None
        folder = above


def says(found: ProjectFile) -> config.Project:
    """Return what a file says; BadConfiguration where it is none that could count, or says anything else."""
    if found.fault:
        raise BadConfiguration(found.fault, found.hint)
    return config.project_of(found.path, found.content)


def allowed(home: str) -> tuple[Allowed, ...]:
    """Return the files that were allowed in a home; BadConfiguration where the list is not what was written."""
    data = folders.read_kept(home, ALLOWED_FILE, _LARGEST_LIST)
    if data is None:
        return ()
    import json

    try:
        rows = json.loads(data)["files"]
        found = tuple(Allowed(*(row[name] for name in Allowed._fields)) for row in rows)
        if not all(_is_sound(row) for row in found):
            raise ValueError(ALLOWED_FILE)
    except (ValueError, TypeError, KeyError, RecursionError):
        path = os.path.join(home, ALLOWED_FILE)
        hint = f"remove it, and allow what you trust again: rm {files.quoted(path)}; aikeys allow"
        raise BadConfiguration(f"{path} is not what aikeys allow writes", hint) from None
    return found


def is_allowed(home: str, found: ProjectFile) -> bool:
    """Tell whether a file counts: this place, this owner, these bytes."""
    if found.fault:
        return False
    return any((row.path, row.owner, row.sha256) == (found.path, found.owner, found.sha256) for row in allowed(home))


def allow(home: str, found: ProjectFile, now_s: int) -> None:
    """Let a file count from now on, in the place of what was there before; BadConfiguration, MachineFailed."""
    says(found)
    folders.make(home)
    _write(home, [*_without(home, found.path), Allowed(found.path, found.owner, found.sha256, now_s)])


def disallow(home: str, path: str) -> bool:
    """Let a file count no more; false where it did not."""
    rows = allowed(home)
    kept = _without(home, path)
    if len(kept) == len(rows):
        return False
    _write(home, kept)
    return True


def _without(home: str, path: str) -> list[Allowed]:
    return [row for row in allowed(home) if row.path != path]


def _write(home: str, rows: list[Allowed]) -> None:
    import json

    document = {"schema": SCHEMA, "files": [row._asdict() for row in sorted(rows)]}
    folders.write_kept(home, ALLOWED_FILE, json.dumps(document, indent=2).encode() + b"\n")


def _is_sound(row: Allowed) -> bool:
    kinds = (str, int, str, int)
    return all(type(value) is kind for value, kind in zip(row, kinds, strict=True))


def _is_there(path: str) -> bool:
    """Tell whether there is something of that name that is no folder."""
    try:
        return not stat.S_ISDIR(os.stat(path).st_mode)
    except OSError:
        return os.path.islink(path)


def _read(path: str) -> ProjectFile:
    """Read a file once, without waiting; what cannot be read is a fault."""
    try:
        found, descriptor = files.open_any(path)
    except AikeysError as error:
        return ProjectFile(path, -1, b"", error.message, error.hint)
    except OSError:
        return ProjectFile(
            path, -1, b"", f"{path} leads to a file that is not there", "remove it, or bring that file back"
        )
    try:
        owner = os.fstat(descriptor).st_uid
        if found is not None:
            content = b"" if found.is_kind else files.read_open(descriptor, config.LARGEST_FILE)
            return ProjectFile(path, owner, content, found.message, found.hint)
        return ProjectFile(path, owner, files.read_open(descriptor, config.LARGEST_FILE), "", "")
    except OSError as error:
        problem = files.cannot_read(path, error)
        return ProjectFile(path, -1, b"", problem.message, problem.hint)
    finally:
        os.close(descriptor)
