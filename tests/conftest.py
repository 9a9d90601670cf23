"""Real processes on throw-away homes: every run's output is searched for the canary (G1).

A run is forked from a process that has aikeys imported (tests.forking) where that shows no difference.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.forking import end_forking, forking_process
from tests.forking import run as run_forked

pytest_plugins = ["tests.time_limits"]
sys.dont_write_bytecode = False  # what pytest rewrites is kept for the next run and the next worker
ROOT = Path(__file__).parents[1]
CANARY = "CANARY-"
_MEMORY, _ROOM_BYTES = "/dev/shm", 4 << 30
_STRIPPED = (
    "CI", "DBUS_SESSION_BUS_ADDRESS", "NO_COLOR", "FORCE_COLOR", "PYTHON_KEYRING_BACKEND",
    "PYTHONDONTWRITEBYTECODE",  # else every process compiles the whole package
)  # fmt: skip
_STRIPPED_ENDS = ("_API_KEY", "_BASE_URL", "_API_BASE", "_TOKEN")


def canary(tail: str = "one") -> str:
    """Return a made-up key that may stand in no output."""
    return f"sk-{CANARY}{tail}-0123456789abcdef"


def clean_environment(user_home: Path) -> dict[str, str]:
    """Return this environment without anything of aikeys or of a provider."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("AIKEYS_", "XDG_", "PYTEST_"))
        and name not in _STRIPPED
        and not name.endswith(_STRIPPED_ENDS)
    }
    python_path = os.pathsep.join(part for part in (str(ROOT), kept.get("PYTHONPATH", "")) if part)
    return {**kept, "HOME": str(user_home), "PYTHONPATH": python_path, "COLUMNS": "80", "LC_ALL": "C.UTF-8"}


@dataclass
class Aikeys:
    """Runs `python -m aikeys` on a home of its own."""

    folder: Path
    environment: dict[str, str] = field(default_factory=dict)
    canary_allowed: bool = False  # for a test that asks for a secret: `show --reveal`, a child that prints

    @property
    def home(self) -> Path:
        return self.folder / "home"

    @property
    def key_file(self) -> Path:
        return self.folder / "key"

    def argv(self, *args: str) -> list[str]:
        return [sys.executable, "-m", "aikeys", *args]

    def env(self, more: Mapping[str, str] | None = None) -> dict[str, str]:
        return {**self.environment, **(more or {})}

    def run(
        self,
        *args: str,
        input: str | None = None,  # noqa: A002  as subprocess calls it
        env: Mapping[str, str] | None = None,
        reveals: bool = False,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command; without input its standard input is /dev/null. `reveals` allows the canary this once."""
        return self.run_argv(self.argv(*args), input=input, env=env, reveals=reveals)

    def run_argv(
        self,
        argv: Sequence[str],
        input: str | None = None,  # noqa: A002  as subprocess calls it
        env: Mapping[str, str] | None = None,
        reveals: bool = False,
        timeout: float = 60,
    ) -> subprocess.CompletedProcess[str]:
        argv, environment = list(argv), self.env(env)
        usual = self.argv()
        forking = forking_process(environment) if argv[: len(usual)] == usual else None
        if forking is not None:
            done = run_forked(forking, argv[len(usual) :], environment, str(self.folder), input, timeout)
        else:
            given = {"stdin": subprocess.DEVNULL} if input is None else {"input": input}
            done = subprocess.run(
                argv,
                env=environment,
                cwd=self.folder,
                capture_output=True,
                encoding="utf-8",
                timeout=timeout,
                check=False,
                start_new_session=True,
                **given,
            )
        if not (reveals or self.canary_allowed):
            assert CANARY not in done.stdout, argv
            assert CANARY not in done.stderr, argv
        assert "Traceback" not in done.stderr, done.stderr
        return done

    def add(self, name: str, secret: str, *args: str) -> subprocess.CompletedProcess[str]:
        """Add a key unverified and expect success."""
        done = self.run("add", name, "--stdin", "--no-verify", *args, input=secret)
        assert done.returncode == 0, done.stderr
        return done

    def lent(self, *args: str, env: Mapping[str, str] | None = None) -> dict[str, str]:
        """Return the environment of a child that `exec ARGS` starts."""
        script = "import json, os; print(json.dumps(dict(os.environ)))"
        done = self.run("exec", *args, "--", sys.executable, "-c", script, env=env, reveals=True)
        assert done.returncode == 0, done.stderr
        import json

        found: dict[str, str] = json.loads(done.stdout)
        return found


def make_aikeys(folder: Path) -> Aikeys:
    user_home = folder / "user"
    user_home.mkdir()
    environment = clean_environment(user_home)
    environment["AIKEYS_HOME"] = str(folder / "home")
    return Aikeys(folder, environment)


def pytest_configure() -> None:
    """Make homes in memory where there is room: most of the time of many tests is that a disk is written through."""
    with suppress(OSError):
        if os.access(_MEMORY, os.W_OK) and shutil.disk_usage(_MEMORY).free > _ROOM_BYTES:
            os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", _MEMORY)


def pytest_sessionfinish() -> None:
    """End what runs were forked from."""
    end_forking()


@pytest.fixture
def bare_home(tmp_path: Path) -> Aikeys:
    """No vault yet."""
    return make_aikeys(tmp_path)


@pytest.fixture
def ready_home(bare_home: Aikeys) -> Aikeys:
    """Have a vault that a key file opens."""
    done = bare_home.run("init", "--key-file", str(bare_home.key_file))
    assert done.returncode == 0, done.stderr
    return bare_home


@pytest.fixture
def aikeys(ready_home: Aikeys) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run aikeys on a ready home."""
    return ready_home.run


@pytest.fixture
def passphrase_home(bare_home: Aikeys) -> Aikeys:
    """Have a vault that the passphrase `correct horse battery` opens; no run is given it unasked."""
    done = bare_home.run("init", "--passphrase", env={"AIKEYS_PASSPHRASE": "correct horse battery"})
    assert done.returncode == 0, done.stderr
    return bare_home


@pytest.fixture(autouse=True)
def _time_passes_evenly(monkeypatch: pytest.MonkeyPatch) -> None:
    """A test that sets the clock says that time has passed, not that somebody put the clock forward."""
    monkeypatch.setattr("aikeys.ledger.clock_jumps.ClockPace.expected_us", lambda _pace, _now_us: None)
