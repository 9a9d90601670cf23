"""Every file the home keeps, in every state in which it may decide nothing: refused by every reader, and at once."""

from __future__ import annotations

import fcntl
import grp
import os
import shutil
import socket
import stat
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from aikeys import config
from aikeys.errors import AikeysError, BadConfiguration, MachineFailed
from aikeys.gateway import credential
from aikeys.ledger.store import Ledger
from aikeys.policy import applying
from aikeys.pricing import snapshot
from aikeys.remote import login
from aikeys.secret import Secret
from aikeys.storage import ballast, files, folders, locks, process_lock, writers_turn
from aikeys.vault.store import VaultFile
from aikeys.vault.unlock import key_file

OTHER = 65534
pytestmark = pytest.mark.time_limit(20)  # a reader that waits for a FIFO fails
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="gives files to another user: needs root")

READERS: dict[str, tuple[str, Callable[[Path], object]]] = {
    "settings": ("config.toml", lambda home: config.load(str(home))),
    "settings, to write them": ("config.toml", lambda home: applying._read(str(home / "config.toml"))),
    "prices": ("prices.jsonl", lambda home: snapshot.load(str(home))),
    "login": ("login.json", lambda home: login.read(str(home))),
    "key file": ("vault.key", lambda home: key_file.read(str(home / "vault.key"))),
    "gateway's credential": ("gateway", lambda home: credential.read(str(home / "gateway"), None)),  # type: ignore[arg-type]
    "vault": ("vault.db", lambda home: VaultFile(str(home)).read()),
    "vault's ledger": ("vault.db", lambda home: VaultFile(str(home)).ledger_id()),
    "ledger": ("ledger.db", lambda home: Ledger(str(home)).open()),
}
BESIDE = {
    "vault.db-journal": lambda home: VaultFile(str(home)).read(),
    "ledger.db-wal": lambda home: Ledger(str(home)).open(),
    "ledger.db-shm": lambda home: Ledger(str(home)).open(),
}


def _sock(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        here = os.open(".", os.O_RDONLY)
        try:
            os.chdir(path.parent)  # the path of a socket is short
            made.bind(path.name)
        finally:
            os.fchdir(here)
            os.close(here)


STATES: dict[str, Callable[[Path], object]] = {
    "666": lambda path: (path.write_bytes(b""), path.chmod(0o666)),
    "written by a group": lambda path: (path.write_bytes(b""), path.chmod(0o620)),
    "FIFO": lambda path: os.mkfifo(path, 0o600),
    "folder": lambda path: path.mkdir(0o700),
    "device": lambda path: path.symlink_to("/dev/zero"),
    "socket": _sock,
    "loop": lambda path: path.symlink_to(path),
    "loose link": lambda path: path.symlink_to(path.parent / "away"),
}
OF_ROOT = {"of another user": lambda path: (path.write_bytes(b""), os.chown(path, OTHER, OTHER))}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    folder = tmp_path / "home"
    folder.mkdir(0o700)
    return folder


def _refused(read: Callable[[Path], object], home: Path) -> AikeysError:
    with pytest.raises(AikeysError) as caught:
        read(home)
    assert caught.value.hint
    return caught.value


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("state", [*STATES, *(pytest.param(name, marks=needs_root) for name in OF_ROOT)])
def test_a_kept_file_that_is_unfit_is_refused_by_its_reader(home: Path, reader: str, state: str) -> None:
    name, read = READERS[reader]
    {**STATES, **OF_ROOT}[state](home / name)
    if "key" in name and state == "loose link":
        expected = (11,)  # a medium that is not mounted: the next way to unlock is tried
    elif name.endswith(".db") and state in ("666", "written by a group", "of another user"):
        (home / name).write_bytes(b"x" * 4096)
        expected = (14,)
    else:
        expected = (13, 14)
    error = _refused(read, home)
    assert error.exit_status in expected
    assert str(home / name) in error.message


@pytest.mark.parametrize("name", BESIDE)
@pytest.mark.parametrize("state", STATES)
def test_what_lies_beside_a_database_is_judged_with_it(home: Path, name: str, state: str) -> None:
    (home / name.partition("-")[0]).write_bytes(b"x" * 4096)
    (home / name.partition("-")[0]).chmod(0o600)
    STATES[state](home / name)
    error = _refused(BESIDE[name], home)
    assert error.exit_status in (13, 14)
    assert str(home / name) in error.message


@pytest.mark.parametrize("content", [b"", b"\0\xff garbage", b"x" * 5000], ids=["empty", "garbage", "long"])
@pytest.mark.parametrize("reader", READERS)
def test_what_is_empty_or_garbage_is_the_defaults_or_refused(home: Path, reader: str, content: bytes) -> None:
    name, read = READERS[reader]
    (home / name).write_bytes(content)
    (home / name).chmod(0o600)
    if not content and name == "config.toml":
        read(home)
        return
    if not content and reader == "vault's ledger":
        assert read(home) is None
        return
    if name == "config.toml" and reader != "settings":
        return  # settings are read, and so refused, before they are written
    assert _refused(read, home).exit_status in (10, 13, 14)


@needs_root
@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("shut", ["file", "folder"])
def test_what_may_not_be_read_or_entered_is_permission_denied_and_not_missing(reader: str, shut: str) -> None:
    name, read = READERS[reader]
    folder = Path(tempfile.mkdtemp(prefix="aikeys-shut-"))
    try:
        home = folder / "home"
        home.mkdir(0o700)
        (home / name).write_bytes(b"x" * 4096)
        (home / name).chmod(0o600)
        for path in (folder, home, home / name):
            os.chown(path, OTHER, OTHER)
        (home / name if shut == "file" else home).chmod(0)
        os.seteuid(OTHER)
        try:
            error = _refused(read, home)
        finally:
            os.seteuid(0)
    finally:
        shutil.rmtree(folder)
    assert isinstance(error, MachineFailed), error.message
    assert "denied" in error.message or "unable to open" in error.message


@needs_root
def test_a_vault_in_a_home_that_may_not_be_entered_exists_for_all_one_knows() -> None:
    folder = Path(tempfile.mkdtemp(prefix="aikeys-shut-"))
    try:
        folder.chmod(0)
        os.seteuid(OTHER)
        try:
            for ask in (lambda: VaultFile(str(folder)).exists, lambda: Ledger(str(folder)).exists):
                with pytest.raises(MachineFailed, match="permission denied"):
                    ask()
        finally:
            os.seteuid(0)
    finally:
        folder.rmdir()


def test_a_link_to_a_fit_file_is_followed(home: Path) -> None:
    (home.parent / "dotfiles.toml").write_text('[defaults]\nmodel = "m"\n')
    (home / "config.toml").symlink_to(home.parent / "dotfiles.toml")
    assert config.load(str(home)).model == "m"


def test_what_was_opened_is_judged_and_not_what_is_there_later(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "config.toml").write_bytes(b"")
    (home / "config.toml").chmod(0o666)
    real = os.open

    def swapped(path: str, flags: int, *more: int) -> int:
        descriptor = real(path, flags, *more)
        with suppress(OSError):
            os.unlink(path)
            (home / "config.toml").write_bytes(b"")
        return descriptor

    monkeypatch.setattr(os, "open", swapped)
    with pytest.raises(BadConfiguration, match="can be written"):
        files.read(str(home / "config.toml"), 100)


def test_at_most_one_byte_beyond_the_limit_is_read(home: Path) -> None:
    (home / "file").write_bytes(b"x" * 1000)
    assert files.read(str(home / "file"), 10) == b"x" * 11
    assert files.read(str(home / "none"), 10) is None


def test_a_lock_that_is_a_fifo_or_a_folder_is_not_waited_for(home: Path) -> None:
    os.mkfifo(home / "process-1.lock")
    (home / "process-2.lock").mkdir()
    process_lock.is_gone(str(home), "1")
    process_lock.is_gone(str(home), "2")


def test_a_new_home_and_the_folders_above_it_are_for_their_owner(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        folders.make(str(tmp_path / "a" / "b" / "home"))
    finally:
        os.umask(before)
    modes = [stat.S_IMODE((tmp_path / path).stat().st_mode) for path in ("a", "a/b", "a/b/home")]
    assert modes == [0o700, 0o700, 0o700]


@pytest.mark.parametrize("mode", [0o777, 0o772, 0o770])
@pytest.mark.parametrize("is_made", [True, False])
def test_a_home_below_a_folder_that_others_can_write_is_refused(tmp_path: Path, mode: int, *, is_made: bool) -> None:
    above = tmp_path / "shared"
    (above / "mine").mkdir(parents=True)
    if is_made:
        (above / "mine" / "home").mkdir(0o700)
    above.chmod(mode)
    if mode == 0o770:
        os.chown(above, -1, OTHER if os.geteuid() == 0 else os.getegid())
    if mode == 0o770 and os.geteuid() != 0:
        pytest.skip("the group may be the user's own")
    with pytest.raises(BadConfiguration, match=r"not a safe place: the folder .* can be written by other users"):
        folders.make(str(above / "mine" / "home"))
    assert (above / "mine" / "home").exists() is is_made


def test_a_sticky_folder_above_is_fine(tmp_path: Path) -> None:
    (tmp_path / "sticky").mkdir()
    (tmp_path / "sticky").chmod(0o1777)
    folders.make(str(tmp_path / "sticky" / "home"))


@needs_root
def test_the_users_own_group_may_write_above(tmp_path: Path) -> None:
    (tmp_path / "group").mkdir()
    (tmp_path / "group").chmod(0o775)
    folders.make(str(tmp_path / "group" / "home"))


@needs_root
def test_a_folder_or_a_link_of_another_user_on_the_way_is_refused(tmp_path: Path) -> None:
    (tmp_path / "theirs").mkdir()
    (tmp_path / "real").mkdir(0o700)
    os.chown(tmp_path / "theirs", OTHER, OTHER)
    with pytest.raises(BadConfiguration, match="theirs belongs to another user"):
        folders.make(str(tmp_path / "theirs" / "home"))
    (tmp_path / "link").symlink_to(tmp_path / "real")
    os.chown(tmp_path / "link", OTHER, OTHER, follow_symlinks=False)
    with pytest.raises(BadConfiguration, match=r"the link .*link belongs to another user"):
        folders.refuse_unfit(str(tmp_path / "link"))


def test_the_folders_a_link_leads_through_are_looked_at(tmp_path: Path) -> None:
    (tmp_path / "open" / "home").mkdir(parents=True, mode=0o700)
    (tmp_path / "open" / "home").chmod(0o700)
    (tmp_path / "link").symlink_to("open/home")
    folders.refuse_unfit(str(tmp_path / "link"))
    (tmp_path / "open").chmod(0o777)
    with pytest.raises(BadConfiguration, match=r"the folder .*open can be written"):
        folders.refuse_unfit(str(tmp_path / "link"))


def test_a_login_that_others_can_read_is_refused(home: Path) -> None:
    (home / "login.json").write_text('{"gateway": "https://a.example", "token": "x"}')
    (home / "login.json").chmod(0o640)
    with pytest.raises(BadConfiguration, match="can be read by other users"):
        login.read(str(home))
    (home / "login.json").chmod(0o600)
    found = login.read(str(home))
    assert found is not None
    assert isinstance(found.token, Secret)


LOCK_STATES = {**STATES, **OF_ROOT}


@pytest.mark.parametrize("state", [*STATES, *(pytest.param(name, marks=needs_root) for name in OF_ROOT)])
def test_a_process_whose_lock_may_decide_nothing_is_taken_to_live_and_is_not_buried(home: Path, state: str) -> None:
    LOCK_STATES[state](home / "process-1.lock")
    assert not process_lock.is_gone(str(home), "1")
    with pytest.raises(AikeysError) as caught, process_lock.buried(str(home), "1"):
        pass
    assert (caught.value.exit_status, str(home / "process-1.lock") in caught.value.message) == (14, True)
    assert os.path.lexists(home / "process-1.lock")


@pytest.mark.parametrize("state", [*STATES, *(pytest.param(name, marks=needs_root) for name in OF_ROOT)])
def test_a_turn_that_others_could_hold_is_nobodys(home: Path, state: str) -> None:
    LOCK_STATES[state](home / "ledger.turn")
    other = -1
    with suppress(OSError):
        other = os.open(home / "ledger.turn", os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
    with writers_turn.turn(str(home / "ledger.turn"), 0.01):
        pass
    if other >= 0:
        os.close(other)
    locks.refuse_without_locks(str(home))


@pytest.mark.parametrize("state", ["666", "FIFO", "device", "socket", "loop", "loose link", "empty", "short"])
def test_a_reserve_that_takes_up_no_room_is_made_anew(home: Path, state: str) -> None:
    more = {"empty": lambda path: path.write_bytes(b""), "short": lambda path: path.write_bytes(b"x" * 1000)}
    {**STATES, **more}[state](home / "ballast")
    assert not ballast.is_there(str(home))
    ballast.load(str(home))
    assert ballast.is_there(str(home))
    for name in (ballast.FIRST, ballast.FOR_REVOKING):
        status = os.lstat(home / name)
        assert (stat.S_IMODE(status.st_mode), status.st_size) == (0o600, ballast.SIZE_BYTES)


def test_a_folder_in_place_of_a_reserve_stops_nothing(home: Path) -> None:
    (home / "ballast").mkdir()
    ballast.load(str(home))
    assert not ballast.is_there(str(home))
    assert ballast.with_room(str(home), lambda: 1) == 1


def test_a_kept_file_counts_only_where_nobody_else_can_write_the_folder(home: Path) -> None:
    (home / "config.toml").write_bytes(b"")
    (home / "config.toml").chmod(0o600)
    home.chmod(0o777)
    with pytest.raises(BadConfiguration, match="can be written by other users"):
        folders.read_kept(str(home), "config.toml", 100)


@needs_root
def test_a_group_of_the_users_name_with_another_member_is_not_the_users_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = grp.getgrgid(0)
    monkeypatch.setattr(grp, "getgrgid", lambda _gid: grp.struct_group((own.gr_name, "x", 0, [own.gr_name, "guest"])))
    (tmp_path / "group").mkdir()
    (tmp_path / "group").chmod(0o775)
    with pytest.raises(BadConfiguration, match="can be written by other users"):
        folders.make(str(tmp_path / "group" / "home"))


@pytest.mark.parametrize("comes_back", [False, True])
def test_a_file_that_goes_away_while_it_is_looked_at_is_not_unreadable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, comes_back: bool
) -> None:
    """What SQLite keeps beside a database does so whenever its last user closes it."""
    path = tmp_path / "ledger.db-shm"
    path.write_bytes(b"x")
    status, access = files.status_of(str(path)), os.access

    def gone(what: str, mode: int) -> bool:
        path.unlink()
        found = access(what, mode)
        if comes_back:
            path.write_bytes(b"x")
            monkeypatch.setattr(os, "access", access)
        return found

    monkeypatch.setattr(os, "access", gone)
    assert status is not None
    assert not files.is_unreadable(str(path), status)


def test_a_file_that_stays_and_may_not_be_read_is_unreadable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "ledger.db-shm"
    path.write_bytes(b"x")
    status = files.status_of(str(path))
    assert status is not None
    assert not files.is_unreadable(str(path), status)
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert files.is_unreadable(str(path), status)
