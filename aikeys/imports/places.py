"""Places to search (I/O edge): files of a tree, git's objects, shells' histories and agents' transcripts.

- Regular files only, opened without waiting or following a link; git is asked with everything off that a repository's
  own settings could run. What cannot be read is passed over.
- A large file comes in parts that end at line ends: memory stays flat.
"""

from __future__ import annotations

import os
import stat
import subprocess
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from aikeys.imports.decoding import is_text

_PART = 8 << 20
_LARGEST_OBJECT = 32 << 20
_PASSED_OVER = frozenset((".git", ".hg", ".svn", "node_modules", ".venv", "venv", "__pycache__", ".tox", ".mypy_cache"))
_GIT = (
    *(
        "git",
        "-c",
        "core.fsmonitor=false",
        "-c",
        "core.hooksPath=/dev/null",
        "-c",
        "diff.external=",
        "-c",
        "core.pager=cat",
    ),
    *("-c", "core.sshCommand=false", "-c", "credential.helper=", "-c", "protocol.allow=never", "--no-optional-locks"),
)
_HISTORIES = (
    *(".bash_history", ".zsh_history", ".local/share/fish/fish_history", ".python_history", ".node_repl_history"),
    *(".psql_history", ".mysql_history", ".sqlite_history", ".lesshst", ".sh_history", ".ash_history"),
)
_TRANSCRIPTS = (
    *(".claude/projects", ".codex/sessions", ".codex/history.jsonl", ".gemini/tmp", ".qwen", ".pi/agent"),
    *(".local/share/opencode", ".config/io.datasette.llm", ".aider.chat.history.md", ".aider.input.history"),
)


class TextPart(NamedTuple):
    """A part of a text: where it is, which line it begins with (from 1), and its bytes."""

    place: str
    first_line: int
    data: bytes


def of_paths(paths: Sequence[str], *, ignored: bool) -> Iterator[TextPart]:
    """Yield the parts of files and of all files below folders; git's ignored ones only where `ignored` is true."""
    for path in paths:
        if not os.path.isdir(path):
            yield from of_file(path)
            continue
        listed = None if ignored else _listed(path)
        for name in _walked(path) if listed is None else listed:
            yield from of_file(name)


def histories(home: str) -> list[str]:
    """Return the histories of shells that are there."""
    return [path for name in _HISTORIES if os.path.isfile(path := os.path.join(home, name))]


def transcripts(home: str) -> list[str]:
    """Return the folders and files in which agents keep what was said."""
    return [path for name in _TRANSCRIPTS if os.path.exists(path := os.path.join(home, name))]


def of_file(path: str) -> Iterator[TextPart]:
    """Yield a file in parts; nothing of one that is no text, no regular file, or cannot be read."""
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
    except OSError:
        return
    with open(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return
        rest, number, is_first = b"", 1, True
        while data := file.read(_PART):
            if is_first and not is_text(data):
                return
            is_first = False
            whole, cut, after = (rest + data).rpartition(b"\n")
            if not cut and len(after) < 2 * _PART:
                rest = after
                continue
            part, rest = (whole + cut, after) if cut else (after, b"")
            yield TextPart(path, number, part)
            number += part.count(b"\n")
        if rest:
            yield TextPart(path, number, rest)


def of_git(folder: str) -> Iterator[TextPart]:
    """Yield every object of a repository's history, with a path that it had; nothing where there is no repository."""
    objects = _run(folder, "rev-list", "--objects", "--all")
    if objects is None:
        return
    names = dict(line.partition(b" ")[::2] for line in objects.splitlines() if b" " in line)
    with subprocess.Popen(
        [*_GIT, "-C", folder, "cat-file", "--batch"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL, env=_environment(),
    ) as process:  # fmt: skip
        assert process.stdin is not None  # noqa: S101  both are pipes
        assert process.stdout is not None  # noqa: S101
        for name, path in names.items():
            process.stdin.write(name + b"\n")
            process.stdin.flush()
            head = process.stdout.readline().split()
            if len(head) != 3:
                continue
            data = process.stdout.read(int(head[2]) + 1)[:-1]
            if head[1] == b"blob" and len(data) <= _LARGEST_OBJECT and is_text(data):
                yield TextPart(f"{os.fsdecode(path)} (git object {name[:12].decode()})", 1, data)
        process.stdin.close()


def tracked(path: str) -> bool:
    """Tell whether git tracks a file: then what it holds is in the history."""
    folder, name = os.path.split(os.path.abspath(path))
    found = _run(folder, "ls-files", "--error-unmatch", "-z", "--", name)
    return bool(found)


def _listed(folder: str) -> list[str] | None:
    """Return the files of a repository's folder that git does not ignore; None where there is no repository."""
    found = _run(folder, "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    if found is None:
        return None
    return [os.path.join(folder, os.fsdecode(name)) for name in sorted(set(found.split(b"\0"))) if name]


def _walked(folder: str) -> Iterator[str]:
    for at, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if name not in _PASSED_OVER)
        for name in sorted(names):
            yield os.path.join(at, name)


def _run(folder: str, *words: str) -> bytes | None:
    try:
        done = subprocess.run(
            [*_GIT, "-C", folder, *words], stdin=subprocess.DEVNULL, capture_output=True, check=False,
            env=_environment(), timeout=600,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None


def _environment() -> dict[str, str]:
    """Return an environment in which git takes settings from nowhere but the repository."""
    known = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return {**known, "GIT_CONFIG_NOSYSTEM": "1", "GIT_TERMINAL_PROMPT": "0", "GIT_CONFIG_GLOBAL": os.devnull}
