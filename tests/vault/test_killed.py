"""kill -9 at every write step of every command that changes a vault: the old or the new afterwards, never neither.

strace's fault injection kills the command at one step after the other; what is left is looked at in this process.
The command is forked from a process that has imported everything already: what is traced is its own work alone.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import pytest

from aikeys.ledger.entries import Entry
from aikeys.ledger.verify import verify
from aikeys.vault import backup
from tests.vault.conftest import Home

CHUNKS = 4  # of the steps of each command, so that several processes share them
_CALLS = "pwrite64,write,fsync,fdatasync,?unlink,?unlinkat,ftruncate,?rename,?renameat,?renameat2"
_LINE = re.compile(r"^(?:\d+\s+)?(\w+)\((.*)$")


class Command(NamedTuple):
    """What is killed: its words, its standard input, and the act that the audit knows it by."""

    words: tuple[str, ...]
    stdin: str
    act: str


COMMANDS = {
    "add": Command(("add", "second", "--provider", "openai", "--stdin", "--no-verify"), "sk-proj-second", "add"),
    "rotate": Command(("rotate", "openai", "--stdin", "--no-verify"), "sk-proj-rotated", "rotate"),
    "revoke": Command(("--yes", "revoke", "openai"), "", "revoke"),
    "unlock-method add": Command(("unlock-method", "add", "key-file", "{home}/second.key"), "", "unlock-method-add"),
    "unlock-method remove": Command(("unlock-method", "remove", "passphrase"), "", "unlock-method-remove"),
    "passphrase": Command(("passphrase", "--new-file", "-"), "another passphrase of five words", "passphrase"),
    "restore": Command(("--yes", "restore", "{base}/backup"), "", "restore"),
}
State = tuple[dict[str, str], list[tuple[str, bool]]]


class Step(NamedTuple):
    """A call that writes to a file of the home: its name, and how many-th of that name in the process."""

    call: str
    number: int


pytestmark = pytest.mark.skipif(not shutil.which("strace"), reason="strace is not installed")

_FORKER = """
import ctypes, os, signal, sys
from importlib import import_module
from cryptography.hazmat.primitives.hpke import Suite
from aikeys.cli import app
for name in ("add", "rotate", "revoke", "unlock_method", "passphrase", "restore", "init"):
    import_module(f"aikeys.cli.commands.{name}")
for name in ("backup", "setup", "writing", "unlock.order", "unlock.key_file", "unlock.kernel_keyring"):
    import_module(f"aikeys.vault.{name}")

def command(given, said, *words):
    reading, writing = os.pipe()
    os.write(writing, given.encode())
    os.close(writing)
    os.dup2(reading, 0)
    log = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    os.dup2(log, 1)
    os.dup2(log, 2)
    ctypes.CDLL(None).prctl(0x59616D61, ctypes.c_ulong(-1), 0, 0, 0)  # PR_SET_PTRACER: strace is not a parent of this
    os.kill(os.getpid(), signal.SIGSTOP)
    return app.main(list(words))

while sys.stdin.readline():
    child = os.fork()
    if child == 0:
        status = 1
        try:
            status = command(*sys.argv[1:])
        finally:
            os._exit(status)
    os.waitpid(child, os.WUNTRACED)
    print(child, flush=True)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


class Forker:
    """Starts the command as often as asked, each time under a strace of its own."""

    def __init__(self, home: Home, said: Path, given: str, words: Sequence[str]) -> None:
        self._said = said
        self._process = subprocess.Popen(
            [sys.executable, "-c", _FORKER, given, str(said), "--no-input", *words],
            env=home.environ(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

    def run(self, *strace: str) -> tuple[int, str]:
        """Return how the command ended, negative for a signal, and what it said."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        pid = self._answer()
        watch = ["strace", "-f", "-y", "-s", "0", "-e", f"trace={_CALLS}", *strace, "-p", str(pid)]
        with subprocess.Popen(watch, stderr=subprocess.PIPE, text=True) as tracer:
            assert tracer.stderr is not None
            first = tracer.stderr.readline()
            if "attached" not in first:
                os.kill(pid, signal.SIGKILL)
                pytest.skip(f"strace may not trace here: {first}")
            os.kill(pid, signal.SIGCONT)
            tracer.communicate(timeout=60)
        return self._answer(), self._said.read_text()

    def _answer(self) -> int:
        assert self._process.stdout is not None
        return int(self._process.stdout.readline())

    def close(self) -> None:
        self._process.communicate(timeout=60)


class Scene(NamedTuple):
    """A home as it was before the command, and what to make of it."""

    base: Path
    home: Home
    command: Command
    methods: frozenset[bytes]

    def fresh(self, name: str) -> Home:
        shutil.rmtree(self.base / name, ignore_errors=True)
        return self.home.at(Path(shutil.copytree(self.home.directory, self.base / name)))

    def forker(self, home: Home) -> Forker:
        words = [word.format(home=home.directory, base=self.base) for word in self.command.words]
        return Forker(home, self.base / "said", self.command.stdin, words)

    def state(self, home: Home) -> State:
        """Return every secret, and every unlock method with whether it is one of before."""
        known = [(row.kind, row.id in self.methods) for row in home.rows().methods]
        return home.secrets(), sorted(known)


def _scene(make_home: Callable[..., Home], base: Path, command: Command) -> Scene:
    home = make_home(passphrase=True)
    home.add("openai", "sk-proj-first")
    if command.act == "restore":
        backup.backup(home.place, home.rows(), str(base / "backup"))
        home.add("later", "sk-proj-later")
    return Scene(base, home, command, frozenset(row.id for row in home.rows().methods))


def _write_steps(log: Path, directory: Path) -> list[Step]:
    counted: Counter[str] = Counter()
    steps = []
    for line in log.read_text(errors="replace").splitlines():
        match = _LINE.match(line)
        if match is None:
            continue
        call, arguments = match.groups()
        counted[call] += 1
        if str(directory) in arguments:
            steps.append(Step(call, counted[call]))
    return steps


def _entries(home: Home) -> list[Entry]:
    ledger = home.place.ledger.open()
    try:
        verify(ledger)
        assert ledger.open_intents(home.rows().header.vault_id) == []
        return [entry for entry, _ in ledger.entries()]
    finally:
        ledger.close()


def _check_audit(home: Home, act: str, before: int, where: str, *, is_new: bool) -> None:
    """Every act announced has one outcome, and the killed one has the right one."""
    entries = _entries(home)
    outcomes = {entry.intent: entry.status for entry in entries if entry.phase == "outcome"}
    intents = [entry for entry in entries if entry.phase == "intent"]
    assert [entry.id for entry in intents] == sorted(number for number in outcomes if number), where
    told = [outcomes[entry.id] for entry in intents if entry.id > before and entry.act == act]
    if act == "add":  # the last is that of the check itself
        assert told.pop() == "ok", where
    assert told in ([["ok"]] if is_new else [["abandoned"], []]), where


@pytest.mark.parametrize("chunk", range(CHUNKS))
@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_killed_at_any_write_step_leaves_the_old_or_the_new(
    make_home: Callable[..., Home], tmp_path: Path, name: str, chunk: int
) -> None:
    scene = _scene(make_home, tmp_path, COMMANDS[name])
    old, before = scene.state(scene.home), len(_entries(scene.home))
    home, log = scene.fresh("tried"), tmp_path / "log"
    seen = []
    with closing(scene.forker(home)) as forker:
        ended, said = forker.run("-o", str(log))
        assert ended == 0, said
        new = scene.state(home)
        assert new != old
        steps = _write_steps(log, home.directory)
        assert len(steps) > 20, log.read_text()
        for step in steps[chunk::CHUNKS]:
            where = f"{name} killed at {step.call} number {step.number}"
            home = scene.fresh("tried")
            ended, said = forker.run("-o", os.devnull, "-e", f"inject={step.call}:signal=KILL:when={step.number}")
            assert ended == -signal.SIGKILL, f"{where}: {ended} {said}"
            left = scene.state(home)
            assert left in (old, new), where
            seen.append(left == new)
            home.add("afterwards", "sk-proj-after")
            assert home.secrets() == {**left[0], "afterwards": "sk-proj-after"}, where
            _check_audit(home, scene.command.act, before, where, is_new=seen[-1])
    assert seen == sorted(seen), f"old again after new: {seen}"
    assert seen[0] is False, "the first write step was after the commit"
