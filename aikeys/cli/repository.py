"""The git repository around a folder: its name and branch, read as git keeps them; no program is run.

- A repository of another user gives nothing: who owns neither its files nor the machine does not label a call.
- Worktrees beside and inside a repository and submodules are followed: there `.git` is a file that names a folder,
  and `commondir` in that names the one where the settings are (gitrepository-layout(5)).
- Only regular files are read, and only their beginning; opening never waits.
"""

from __future__ import annotations

import os
import re
import stat

from aikeys.errors import AikeysError
from aikeys.storage import files

_LARGEST_FILE = 1 << 16
_BRANCH = "ref: refs/heads/"
_REFTABLE = ".invalid"  # what stands for the branch where references are in another format
_ORIGIN = re.compile(r'\[\s*remote\s+"origin"\s*\]', re.IGNORECASE)


def named(start: str) -> dict[str, str]:
    """Return the repository and the branch around a folder, as far as there are any that this user trusts."""
    folder = _top(start)
    own = _git_folder(folder) if folder else ""
    if not own:
        return {}
    common = _followed(own, _text(os.path.join(own, "commondir")).strip()) or own
    if not _is_ours(common):
        return {}
    head = _text(os.path.join(own, "HEAD")).strip().partition("\n")[0].strip()
    branch = head.removeprefix(_BRANCH) if head.startswith(_BRANCH) else ""
    return {
        "repository": _name_in(_origin(_text(os.path.join(common, "config")))) or _name(folder, own, common),
        "branch": "" if branch == _REFTABLE else branch,
    }


def _origin(settings: str) -> str:
    """Return the address of the remote `origin`, as git-config(1) writes it; "" where there is none."""
    is_inside = False
    for whole in settings.splitlines():
        line = whole.strip()
        if line.startswith("["):
            begun = _ORIGIN.match(line)
            is_inside, line = begun is not None, line[begun.end() :] if begun else ""
        name, _, value = line.partition("=")
        if is_inside and name.strip().lower() == "url":
            value = value.strip()
            return value[1:].partition('"')[0] if value.startswith('"') else re.split("[#;]", value)[0].strip()
    return ""


def _name_in(address: str) -> str:
    """Return a repository's name in its address: the end of its path. Who logs in there, and a query, are no part."""
    plain = re.split(r"[?#]", address)[0].replace("\\", "/")
    _, is_url, rest = plain.partition("://")
    path = rest.partition("/")[2] if is_url else plain
    return re.split("[/:]", path.rstrip("/").removesuffix(".git").rstrip("/"))[-1]


def _top(start: str) -> str:
    """Return the folder that holds the nearest `.git`, of whatever kind; "" where there is none."""
    folder = start
    while not os.path.lexists(os.path.join(folder, ".git")):
        above = os.path.dirname(folder)
        if above == folder:
            return ""
        folder = above
    return folder


def _git_folder(folder: str) -> str:
    """Return the folder where git keeps what is of this worktree; "" where it is no repository, or another user's."""
    if not _is_ours(folder):
        return ""
    place = os.path.join(folder, ".git")
    if not os.path.isdir(place):
        name, colon, place = _text(place).strip().partition(":")
        place = _followed(folder, place.strip()) if (name, colon) == ("gitdir", ":") else ""
    return place if place and _is_ours(place) else ""


def _name(folder: str, own: str, common: str) -> str:
    """Return the name of a repository without a remote: its main folder's, a bare repository's, a submodule's own."""
    if own == common:
        return os.path.basename(folder)
    parent, name = os.path.split(os.path.realpath(common))
    return os.path.basename(parent) if name == ".git" else name.removesuffix(".git")


def _followed(folder: str, place: str) -> str:
    return os.path.join(folder, place) if place and "\0" not in place else ""


def _is_ours(path: str) -> bool:
    """Tell whether a folder belongs to this user or to root."""
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return False
    return stat.S_ISDIR(status.st_mode) and (os.name != "posix" or status.st_uid in (os.geteuid(), 0))


def _text(path: str) -> str:
    """Return the beginning of a file, "" where it is none, or belongs to another user."""
    try:
        found, descriptor = files.open_any(path)
    except (AikeysError, OSError, ValueError):
        return ""
    try:
        is_theirs = os.name == "posix" and os.fstat(descriptor).st_uid not in (os.geteuid(), 0)
        if is_theirs or (found is not None and found.is_kind):
            return ""
        return files.read_open(descriptor, _LARGEST_FILE)[:_LARGEST_FILE].decode("utf-8", "replace")
    except OSError:
        return ""
    finally:
        os.close(descriptor)
