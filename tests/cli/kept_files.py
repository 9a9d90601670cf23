"""A home with every file that aikeys keeps, each state in which one can be found, and commands run on it in a child."""

from __future__ import annotations

import importlib
import os
import shutil
import signal
import sys
import tempfile
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from aikeys.storage.process_lock import path_of

IS_ROOT = os.geteuid() == 0
SELF, OTHER = (54321, 54322) if IS_ROOT else (os.geteuid(), os.geteuid())
LONGEST_S = 8
_LOADED = "loaded: "

FILES = (
    "config.toml", "prices.jsonl", "login.json", "allowed.json", "unlock.key", "vault.db", "vault.db-journal",
    "ledger.db", "ledger.db-wal", "ledger.db-shm", "ledger.db-journal", "ballast", "ballast-for-revoking",
    "ledger.turn", os.path.basename(path_of("", "77777-abcdef")),
)  # fmt: skip


def _instead(make: Callable[[Path], object]) -> Callable[[Path], None]:
    def put(path: Path) -> None:
        with suppress(FileNotFoundError):
            path.unlink()
        make(path)
        with suppress(OSError):
            os.chown(path, SELF, SELF, follow_symlinks=False)

    return put


def _mode(mode: int) -> Callable[[Path], None]:
    def change(path: Path) -> None:
        _present(path)
        path.chmod(mode)

    return change


def _present(path: Path) -> None:
    if not path.exists():
        path.write_bytes(b"")
        os.chown(path, SELF, SELF)


def _given_away(path: Path) -> None:
    _present(path)
    os.chown(path, OTHER, OTHER)
    path.chmod(0o644)


def _write(data: bytes) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        path.write_bytes(data)
        path.chmod(0o600)

    return _instead(write)


STATES: dict[str, Callable[[Path], None]] = {
    "666": _mode(0o666),
    "FIFO": _instead(lambda path: os.mkfifo(path, 0o600)),
    "folder": _instead(lambda path: path.mkdir(0o700)),
    "device": _instead(lambda path: path.symlink_to("/dev/zero")),
    "loop": _instead(lambda path: path.symlink_to(path)),
    "empty": _write(b""),
    "garbage": _write(b"\0\xff garbage \n" * 400),
    "not readable": _mode(0),
    "of another user": _given_away,
}
OF_ROOT = ("of another user",)
ALTERED_ALONE = ("666", "not readable", "of another user")
"""States in which the bytes of a file stay what they were."""


class Done(NamedTuple):
    """How a command ended; `signal`: SIGALRM where it waited too long."""

    status: int
    signal: int
    said: str


class KeptHome:
    """A folder with the home and what stands beside it; `fresh` puts all of it back."""

    def __init__(self, fill: Callable[[Path], None]) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="aikeys-kept-"))
        self.folder.chmod(0o755)
        self.at = self.folder / "now"
        self.home = self.at / "home"
        self.at.mkdir(0o700)
        fill(self.at)
        (self.folder / "stdin").write_text("sk-CANARY-typed-0123456789abcdef")
        self.at.rename(self.folder / "as-made")
        self.fresh()

    def fresh(self, *, of_root: bool = False) -> None:
        """Put everything back as it was made."""
        shutil.rmtree(self.at, ignore_errors=True)
        shutil.copytree(self.folder / "as-made", self.at)
        if IS_ROOT and not of_root:
            for folder, _, names in os.walk(self.at):
                for path in (folder, *(os.path.join(folder, name) for name in names)):
                    os.chown(path, SELF, SELF)

    def path(self, name: str) -> Path:
        return self.at / name if name == "unlock.key" else self.home / name

    def was_made(self, name: str) -> bool:
        """Tell whether a sound home has such a file."""
        return (self.folder / "as-made" / self.path(name).relative_to(self.at)).exists()

    def mend(self, name: str) -> None:
        """Put one file back as it was made, whatever stands in its place."""
        path, made = self.path(name), self.folder / "as-made" / self.path(name).relative_to(self.at)
        if path.is_dir() and not path.is_symlink():
            path.rmdir()
        else:
            path.unlink(missing_ok=True)
        if made.exists():
            shutil.copy2(made, path)
            os.chown(path, SELF, SELF)

    def mend_mode(self, name: str) -> None:
        """Give a file back to its owner."""
        if self.path(name).exists():
            self.path(name).chmod(0o600)
            os.chown(self.path(name), SELF, SELF)

    def remove(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)

    def load(self, *lines: tuple[str, ...]) -> None:
        """Import all that these commands need, once: the user may not enter the folder of Python's own modules."""
        for name in (
            "utf_16_be",
            "utf_16_le",
            "utf_32_be",
            "utf_32_le",
            "utf_16",
            "utf_32",
        ):  # json looks for a sign of them
            importlib.import_module(f"encodings.{name}")
        for words in lines:
            self.fresh(of_root=True)
            said = self.run(*words, is_to_load=True).said
            for name in said.rpartition(_LOADED)[2].split():
                with suppress(Exception):
                    importlib.import_module(name)

    def run(self, *words: str, is_to_load: bool = False) -> Done:
        """Run a command in a forked child, as a user who is not root."""
        out = self.folder / "out"
        child = os.fork()
        if child == 0:
            self._become(out, words, is_to_load=is_to_load)
        _, ended = os.waitpid(child, 0)
        said = out.read_text("utf-8", "replace")
        return Done(os.waitstatus_to_exitcode(ended), os.WTERMSIG(ended) if os.WIFSIGNALED(ended) else 0, said)

    def _become(self, out: Path, words: tuple[str, ...], *, is_to_load: bool) -> None:
        status = 70
        try:
            os.setsid()
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.alarm(LONGEST_S)
            os.dup2(os.open(self.folder / "stdin", os.O_RDONLY), 0)
            os.dup2(os.open(out, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), 1)
            os.dup2(1, 2)
            if IS_ROOT and not is_to_load:
                os.setgroups([])
                os.setresgid(SELF, SELF, SELF)
                os.setresuid(SELF, SELF, SELF)
            os.chdir(self.at / "project")
            keep = {name: os.environ[name] for name in ("PATH", "LANG", "PYTHONPATH") if name in os.environ}
            os.environ.clear()
            os.environ.update(keep, AIKEYS_HOME=str(self.home), AIKEYS_NO_INPUT="1", HOME=str(self.at))
            sys.stdin, sys.stdout, sys.stderr = (open(number, mode) for number, mode in enumerate("rww"))  # noqa: SIM115
            from aikeys import __main__
            from aikeys.cli import terminal

            terminal.options = terminal.GlobalOptions()
            status = __main__._dispatch(list(words))
            if is_to_load:
                print(_LOADED, *sys.modules)
            sys.stdout.flush()
            sys.stderr.flush()
        except BaseException:  # noqa: BLE001
            os.write(1, traceback.format_exc().encode())
        finally:
            os._exit(status)
