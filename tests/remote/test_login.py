"""`aikeys login` and `logout`: what is kept, where, and who may see it."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from aikeys.errors import BadConfiguration, Locked
from aikeys.remote import login
from aikeys.secret import Secret
from aikeys.vault.unlock import os_keyring
from tests.remote.machines import Far, Served

URL = "http://127.0.0.1:8787"


class Store:
    """A keyring of the system."""

    def __init__(self) -> None:
        self.kept: dict[str, str] = {}

    def get_password(self, _service: str, username: str) -> str | None:
        return self.kept.get(username)

    def set_password(self, _service: str, username: str, password: str) -> None:
        self.kept[username] = password

    def delete_password(self, _service: str, username: str) -> None:
        del self.kept[username]


def logged_in(one: Far) -> None:
    done = one.run("login", one.served.url, "--stdin", "--file", input=f"{one.token.text}\n", env={})
    assert done.returncode == 0, done.stderr


def test_after_a_login_the_commands_ask_that_gateway(served: Served, far: Callable[..., Far]) -> None:
    one = far()
    logged_in(one)
    path = one.aikeys.home / "login.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert one.run("prompt", "-m", "openai/gpt-4.1", "Hello", env={}).returncode == 0
    assert one.run("models", "gpt-4.1", env={"AIKEYS_GATEWAY": served.url}).returncode == 0  # its token is known
    out = one.run("logout", env={})
    assert served.url in out.stderr
    assert not path.exists()
    assert one.run("prompt", "-m", "openai/gpt-4.1", "Hello", env={}).returncode == 10
    assert "no login" in one.run("logout", env={}).stderr


def test_a_stored_address_never_gets_a_token_from_the_environment(served: Served, far: Callable[..., Far]) -> None:
    one = far()
    logged_in(one)
    done = one.run("report", env={"AIKEYS_TOKEN": one.token.text})
    assert done.returncode == 10  # for the vault of this machine, and there is none


def test_a_token_that_the_gateway_refuses_is_not_kept(served: Served, far: Callable[..., Far]) -> None:
    one = far()
    over = served.house.issue("chat:write", ttl_s=3600)
    from aikeys.vault.tokens import revoking

    revoking.revoke(served.house.place, [over.claims.id])
    for text, status in ((over.text, 21), (one.token.text[:-1] + "!", 21), ("sk-something", 21), ("", 2)):
        done = one.run("login", served.url, "--stdin", "--file", input=text, env={})
        assert done.returncode == status, done.stderr
    nobody = one.run("login", "http://127.0.0.1:1", "--stdin", "--file", input=one.token.text, env={})
    assert nobody.returncode == 31
    assert one.files == []


def test_without_a_keyring_it_says_how_to_go_on_and_keeps_nothing(served: Served, far: Callable[..., Far]) -> None:
    one = far()
    done = one.run(
        "login", served.url, "--stdin", input=one.token.text, env={"DBUS_SESSION_BUS_ADDRESS": "unix:path=/x"}
    )
    assert done.returncode == 11
    assert "--file" in done.stderr
    assert one.files == []


def test_nobody_is_asked_for_a_token_where_nobody_can_answer(served: Served, far: Callable[..., Far]) -> None:
    done = far().run("login", served.url, env={})
    assert done.returncode == 3
    assert "--stdin" in done.stderr


def test_a_keyring_has_the_token_and_the_file_has_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store, backend = Store(), min(os_keyring.ALLOWED)
    monkeypatch.setattr(os_keyring, "probe", lambda: os_keyring.WorkingStore(backend))
    monkeypatch.setattr(os_keyring, "_backend", lambda _name: store)
    monkeypatch.setattr(os_keyring, "_no_bus", lambda: False)
    home = str(tmp_path / "home")
    assert login.keep(home, URL, Secret(b"aik_one"), in_file=False) == backend
    assert "aik_one" not in (tmp_path / "home" / login.FILE).read_text()
    found = login.read(home)
    assert found is not None
    assert login.token_of(home, found) == Secret(b"aik_one")
    login.keep(home, URL + "/x", Secret(b"aik_two"), in_file=False)  # takes the place of the first
    assert list(store.kept.values()) == ["aik_two"]
    assert login.remove(home) == URL + "/x"
    assert store.kept == {}
    with pytest.raises(Locked):
        login.token_of(home, found)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602])
def test_a_login_that_others_can_read_or_write_is_refused(tmp_path: Path, mode: int) -> None:
    login.keep(str(tmp_path), URL, Secret(b"aik_one"), in_file=True)
    os.chmod(tmp_path / login.FILE, mode)
    with pytest.raises(BadConfiguration, match=r"other users"):
        login.read(str(tmp_path))


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"gateway": 1, "token": "x"}', '{"gateway": "http://127.0.0.1"}', "x" * 70_000]
)
def test_a_login_that_is_damaged_is_named_and_can_be_removed(tmp_path: Path, text: str) -> None:
    login.keep(str(tmp_path), URL, Secret(b"aik_one"), in_file=True)
    (tmp_path / login.FILE).write_text(text)
    with pytest.raises(BadConfiguration, match=login.FILE):
        login.read(str(tmp_path))
    login.remove(str(tmp_path))
    assert login.read(str(tmp_path)) is None


def test_a_login_is_the_file_that_was_written(tmp_path: Path) -> None:
    login.keep(str(tmp_path), URL, Secret(b"aik_one"), in_file=True)
    assert json.loads((tmp_path / login.FILE).read_text()) == {"gateway": URL, "token": "aik_one"}
    assert os.listdir(tmp_path) == [login.FILE]
