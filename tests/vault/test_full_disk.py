"""No room left: a clear error and nothing lost; what takes access away still works."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from aikeys.errors import Damaged, TokenRefused
from aikeys.ledger.store import Act
from aikeys.ledger.verify import verify
from aikeys.storage import ballast
from aikeys.storage.sqlite import DiskFull
from aikeys.vault import changes
from aikeys.vault.tokens import revoking
from tests.vault.conftest import Home
from tests.vault.tokens_at_hand import Office

ADD = ("add", "second", "--provider", "openai", "--stdin", "--no-verify")


def _limited(size: int) -> Callable[[], None]:
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


def _is_clear(ended: subprocess.CompletedProcess[str]) -> bool:
    text = ended.stderr.lower()
    return ended.returncode == 1 and "full" in text and "traceback" not in text and "internal error" not in text


@pytest.mark.parametrize("size", ["nothing", "4 KiB", "the vault", "half the ledger", "the ledger"])
def test_a_key_that_finds_no_room_is_refused_with_a_clear_error_and_nothing_is_lost(make_home: Any, size: str) -> None:
    home = make_home()
    home.add("openai", "sk-proj-first")
    ledger = home.ledger.stat().st_size
    limits = {
        "nothing": 0,
        "4 KiB": 4096,
        "the vault": home.vault.stat().st_size,
        "half the ledger": ledger // 2,
        "the ledger": ledger,
    }
    ended = home.run(*ADD, stdin="sk-proj-second", preexec=_limited(limits[size]))
    now = home.secrets()
    if ended.returncode == 0:
        assert limits[size] > 4096, "a vault was written without room"
        assert now == {"openai": "sk-proj-first", "second": "sk-proj-second"}
    else:
        assert _is_clear(ended), (ended.returncode, ended.stderr)
        assert now == {"openai": "sk-proj-first"}
    assert home.run(*ADD[:1], "third", *ADD[2:], stdin="sk-proj-third").returncode == 0
    assert home.secrets() == {**now, "third": "sk-proj-third"}
    ledger_file = home.place.ledger.open()
    verify(ledger_file)
    ledger_file.close()


PAGE = 4096
PARTS = 3  # of the limits of each command, so that several processes share them
WRITERS: dict[str, tuple[tuple[str, ...], str]] = {
    "add": (ADD, "sk-proj-second"),
    "rotate": (("rotate", "openai", "--stdin", "--no-verify"), "sk-proj-second"),
    "unlock-method add": (("unlock-method", "add", "recovery"), ""),
}


def _state(home: Home) -> tuple[dict[str, str], list[str]]:
    return home.secrets(), sorted(row.kind for row in home.rows().methods)


def _largest(home: Home) -> int:
    return max(path.stat().st_size for path in home.directory.iterdir() if not path.name.startswith("ballast"))


@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("command", WRITERS)
def test_at_every_limit_on_file_sizes_a_writer_succeeds_or_leaves_the_old_state_and_says_why(
    make_home: Any, tmp_path: Path, command: str, part: int
) -> None:
    words, stdin = WRITERS[command]
    made = make_home()
    made.add("openai", "sk-proj-first")
    made.add("kept", "sk-proj-kept")
    old = _state(made)

    def fresh() -> Home:
        shutil.rmtree(tmp_path / "tried", ignore_errors=True)
        home: Home = made.at(Path(shutil.copytree(made.directory, tmp_path / "tried")))
        return home

    home = fresh()
    assert home.run(*words, stdin=stdin).returncode == 0
    new = _state(home)
    succeeded = []
    for limit in list(range(0, _largest(home) + PAGE, PAGE))[part::PARTS]:
        home = fresh()
        ended = home.run(*words, stdin=stdin, preexec=_limited(limit))
        where = f"{command} within {limit} bytes: {ended.returncode} {ended.stdout} {ended.stderr}"
        assert ended.returncode == 0 or _is_clear(ended), where
        succeeded.append(ended.returncode == 0)
        assert _state(home) == (new if succeeded[-1] else old), where
        _takes_away(home, where)
    assert succeeded[0] is False
    assert succeeded == sorted(succeeded), succeeded


def _takes_away(home: Home, where: str) -> None:
    """Revoke without the limit: it works, and the ledger says so."""
    left = home.secrets()
    home.change("revoke", lambda vault: changes.remove_key(vault, "openai"))
    assert home.secrets() == {name: secret for name, secret in left.items() if name != "openai"}, where
    ledger = home.place.ledger.open()
    verify(ledger)
    assert ledger.open_intents(home.rows().header.vault_id) == [], where
    ledger.close()


@pytest.mark.parametrize("disposition", [signal.SIG_DFL, signal.SIG_IGN], ids=["as a shell sets it", "ignored"])
@pytest.mark.parametrize(
    "limit",
    [
        0,
        PAGE,
        4 * PAGE,
        9 * PAGE,
        16 * PAGE,
    ],
)
def test_the_signal_of_the_limit_ends_no_command_and_revoke_and_lock_go_on_within_it(
    make_home: Any, limit: int, disposition: signal.Handlers
) -> None:
    home = make_home()
    home.add("openai", "sk-proj-first")
    home.add("kept", "sk-proj-kept")

    def limited() -> None:
        signal.signal(signal.SIGXFSZ, disposition)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    added = home.run(*ADD, stdin="sk-proj-second", preexec=limited)
    assert added.returncode == 0 or _is_clear(added), (added.returncode, added.stderr)
    locked = home.run("lock", preexec=limited)
    assert locked.returncode == 0, locked.stderr
    before = home.secrets()
    revoked = home.run("--yes", "revoke", "openai", preexec=limited)
    if revoked.returncode == 0:
        before.pop("openai")
    else:
        assert _is_clear(revoked), (revoked.returncode, revoked.stderr)
        assert limit < home.vault.stat().st_size, "the vault itself had room"
    assert home.secrets() == before
    assert home.run("--yes", "revoke", "kept").returncode == 0
    assert home.run("lock").returncode == 0
    assert home.secrets() == {name: secret for name, secret in before.items() if name != "kept"}


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Mount a file system of 2 MiB; skips where that is not permitted."""
    path = tmp_path / "disk"
    path.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2m,mode=0700", "tmpfs", str(path)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if mounted.returncode:
        pytest.skip(f"mount is not permitted: {mounted.stderr.strip()}")
    try:
        yield path
    finally:
        subprocess.run(["umount", str(path)], check=True)


def _fill(path: Path) -> None:
    with open(path / "filling", "ab", buffering=0) as file:
        for size in (65536, 4096, 512, 1):
            try:
                while file.write(b"x" * size):
                    continue
            except OSError:
                continue
    assert os.statvfs(path).f_bavail == 0


def test_a_full_disk_can_be_read(make_home: Any, small_disk: Path) -> None:
    home = make_home(base=small_disk)
    home.add("openai", "sk-proj-first")
    _fill(small_disk)
    for words in (("list",), ("show", "openai"), ("audit",), ("ledger", "verify"), ("log",), ("report",), ("doctor",)):
        ended = home.run(*words)
        assert ended.returncode in (0, 25), (words, ended.stderr)
        assert "cannot" not in ended.stderr + ended.stdout, (words, ended.stdout)
    ended = home.run("show", "openai", "--reveal", "--raw")
    assert _is_clear(ended), "a reveal that cannot be recorded is refused"


def test_what_stands_in_the_log_is_read_on_a_full_disk(make_home: Any, small_disk: Path) -> None:
    home = make_home(base=small_disk)
    home.add("openai", "sk-proj-first")
    kept = home.place.ledger.open()
    kept.event(Act("lock", "newest"))
    copies = {name: (home.directory / name).read_bytes() for name in ("ledger.db", "ledger.db-wal")}
    kept.close()
    for name, data in copies.items():  # as a killed process leaves them
        (home.directory / name).write_bytes(data)
    assert copies["ledger.db-wal"]
    _fill(small_disk)
    ended = home.run("audit", "--json")
    assert ended.returncode == 0, ended.stderr
    assert "newest" in ended.stdout


def test_the_reserve_is_there_again_after_the_write_after_a_revoke_that_failed(make_home: Any) -> None:
    home = make_home()
    home.add("openai", "sk-proj-first")
    ballast.load(str(home.directory))
    assert home.run("--yes", "revoke", "openai", preexec=_limited(0)).returncode == 1
    assert not ballast.is_there(str(home.directory))
    assert home.run(*ADD, stdin="sk-proj-second").returncode == 0
    assert ballast.is_there(str(home.directory))


def test_on_a_full_disk_add_fails_clearly_while_revoke_and_lock_work(make_home: Any, small_disk: Path) -> None:
    home = make_home(base=small_disk)
    home.add("openai", "sk-proj-first")
    home.add("kept", "sk-proj-kept")
    unlocked = home.run("unlock", "--ttl", "10m").returncode == 0
    _fill(small_disk)
    refused = home.run(*ADD, stdin="sk-proj-second")
    assert _is_clear(refused), (refused.returncode, refused.stderr)
    revoked = home.run("--yes", "revoke", "openai")
    assert revoked.returncode == 0, revoked.stderr
    assert b"sk-proj-first" not in home.vault.read_bytes()
    _fill(small_disk)
    locked = home.run("lock")
    assert locked.returncode == 0, locked.stderr
    assert not unlocked or "no unlocked session" not in locked.stderr + locked.stdout
    (small_disk / "filling").unlink()
    assert home.secrets() == {"kept": "sk-proj-kept"}
    assert home.run(*ADD, stdin="sk-proj-second").returncode == 0
    assert home.secrets() == {"kept": "sk-proj-kept", "second": "sk-proj-second"}
    ledger = home.place.ledger.open()
    verify(ledger)
    acts = [(entry.act, entry.subject) for entry, _ in ledger.entries()]
    ledger.close()
    assert ("revoke", "openai") in acts


def test_a_token_is_revoked_on_a_full_disk_after_a_call_used_up_the_first_reserve(
    make_home: Any, small_disk: Path
) -> None:
    office = Office(make_home(base=small_disk))
    office.home.add("openai", "sk-proj-first")
    tokens = [office.issue(name=f"t{number}") for number in range(3)]
    for number, token in enumerate(tokens):
        ballast.load(str(office.home.directory))
        _fill(small_disk)
        if number:
            assert ballast.drop(str(office.home.directory))
            _fill(small_disk)
        revoking.revoke(office.home.place, [token.claims.id])
        with pytest.raises(TokenRefused, match="was revoked"):
            office.admit(token)
        (small_disk / "filling").unlink()


@pytest.mark.parametrize("part", range(2))
def test_within_every_limit_on_file_sizes_a_token_is_dead_or_the_command_says_why(make_home: Any, part: int) -> None:
    made = make_home()
    office = Office(made)
    made.add("openai", "sk-proj-first")
    alive = []
    for limit in list(range(0, _largest(made) + 2 * PAGE, 2 * PAGE))[part::2]:
        token = office.issue(name=f"t{limit}")
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
        try:
            revoking.revoke(office.home.place, [token.claims.id])
        except DiskFull:
            alive.append(limit)
            continue
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
            signal.signal(signal.SIGXFSZ, handler)
        with pytest.raises((TokenRefused, Damaged)):
            office.admit(token)
    assert all(limit < _largest(made) for limit in alive), alive
    assert not alive or max(alive) < made.vault.stat().st_size + 2 * PAGE
