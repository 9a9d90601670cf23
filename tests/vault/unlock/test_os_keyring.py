"""The system's keyring: which store is trusted, and what a store may do wrong. One test uses a real Secret Service."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from aikeys.errors import Damaged, Locked, MachineFailed
from aikeys.vault.unlock import os_keyring
from aikeys.vault.unlock.os_keyring import Unavailable, WorkingStore

SERVICE = "keyring.backends.SecretService.Keyring"
KEY = bytes(range(32))
VAULT = "ab" * 16
ROOT = Path(__file__).parents[3]


class Shelf:
    """A store in memory that can be told to fail: at `fails_at`, by calling `fails`."""

    def __init__(self) -> None:
        self.entries: dict[tuple[str, str], str] = {}
        self.fails_at = ""
        self.fails: Callable[[], object] = lambda: None

    def _maybe_fail(self, name: str) -> None:
        if name == self.fails_at:
            self.fails()

    def get_password(self, service: str, username: str) -> str | None:
        self._maybe_fail("get")
        return self.entries.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self._maybe_fail("set")
        self.entries[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        self._maybe_fail("delete")
        del self.entries[service, username]


class Forgetful(Shelf):
    """The null backend: takes everything, keeps nothing."""

    def set_password(self, *arguments: str) -> None:
        del arguments

    def delete_password(self, *arguments: str) -> None:
        del arguments


def named(dotted: str) -> object:
    """Return an object whose class claims this module and name, as a keyring backend would."""
    module, _, name = dotted.rpartition(".")
    return type(name, (), {"__module__": module, "__qualname__": name})()


def chainer(*inside: str) -> object:
    chained = named("keyring.backends.chainer.ChainerBackend")
    setattr(chained, "backends", [named(name) for name in inside])  # noqa: B010
    return chained


def raising(error: BaseException) -> Callable[[], object]:
    def fail() -> object:
        raise error

    return fail


def returning(value: object) -> Callable[[str], object]:
    def answer(asked: str) -> object:
        return value

    return answer


def raising_when_asked(error: Exception) -> Callable[[str], object]:
    def fail(asked: str) -> object:
        raise error

    return fail


@pytest.fixture
def shelf(monkeypatch: pytest.MonkeyPatch) -> Shelf:
    made = Shelf()
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nowhere")
    monkeypatch.setattr(os_keyring, "_backend", returning(made))
    monkeypatch.setattr(os_keyring, "_preferred", lambda: named(SERVICE))
    return made


@pytest.fixture
def never() -> Iterator[threading.Event]:
    event = threading.Event()
    yield event
    event.set()  # let the thread left behind end


def test_a_working_store_is_found_and_nothing_is_left_in_it(shelf: Shelf) -> None:
    assert os_keyring.probe() == WorkingStore(backend=SERVICE)
    assert shelf.entries == {}


def test_without_a_session_bus_the_library_is_not_even_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.delenv("DBUS_SESSION_BUS_ADDRESS", raising=False)
    monkeypatch.setattr(os.path, "exists", returning(False))
    monkeypatch.setattr(os_keyring, "_preferred", raising(AssertionError("asked")))
    monkeypatch.setattr(os_keyring, "_backend", raising_when_asked(AssertionError("asked")))
    assert os_keyring.probe() == Unavailable("no D-Bus session bus")
    with pytest.raises(Locked, match="no D-Bus session bus"):
        os_keyring.load(SERVICE, VAULT)


def test_the_chainer_is_looked_into(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os_keyring, "_preferred", lambda: chainer("keyrings.alt.file.PlaintextKeyring", SERVICE))
    assert os_keyring.probe() == WorkingStore(SERVICE)


@pytest.mark.parametrize(
    "found",
    [
        named("keyring.backends.null.Keyring"),
        named("keyring.backends.fail.Keyring"),
        named("keyrings.alt.file.PlaintextKeyring"),
        named("keyring.backends.SecretService.Other"),
        chainer("keyrings.alt.file.PlaintextKeyring", "keyring.backends.null.Keyring"),
        chainer(),
    ],
)
def test_null_fail_plaintext_and_unknown_stores_are_refused(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch, found: object
) -> None:
    monkeypatch.setattr(os_keyring, "_preferred", lambda: found)
    monkeypatch.setattr(os_keyring, "_backend", raising_when_asked(AssertionError("opened")))
    answer = os_keyring.probe()
    assert isinstance(answer, Unavailable)
    assert answer.reason.startswith("no keyring that can be trusted")


@pytest.mark.parametrize("step", ["set", "get", "delete"])
def test_whatever_a_store_raises_while_probed_becomes_a_reason(shelf: Shelf, step: str) -> None:
    shelf.fails_at, shelf.fails = step, raising(ZeroDivisionError("not a keyring error.\nsecond line."))
    assert os_keyring.probe() == Unavailable("ZeroDivisionError: not a keyring error. second line")


def test_a_store_that_forgets_is_refused(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os_keyring, "_backend", returning(Forgetful()))
    assert os_keyring.probe() == Unavailable(f"{SERVICE} does not give back what it was given")
    with pytest.raises(MachineFailed, match="does not give it back"):
        os_keyring.store(SERVICE, VAULT, KEY)


def test_a_store_that_never_answers_is_given_up(shelf: Shelf, never: threading.Event) -> None:
    shelf.fails_at, shelf.fails = "get", never.wait
    assert os_keyring.probe(timeout_s=0.05) == Unavailable("no answer in 0.05 s (a hidden prompt?)")
    with pytest.raises(Locked, match=r"no answer in 0\.05 s"):
        os_keyring.load(SERVICE, VAULT, timeout_s=0.05)


def test_a_library_that_hangs_when_asked_for_its_store_is_given_up(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch, never: threading.Event
) -> None:
    monkeypatch.setattr(os_keyring, "_preferred", never.wait)
    assert isinstance(os_keyring.probe(timeout_s=0.05), Unavailable)


def test_a_key_is_stored_as_hex_loaded_and_deleted(shelf: Shelf) -> None:
    assert os_keyring.load(SERVICE, VAULT) is None
    os_keyring.store(SERVICE, VAULT, KEY)
    assert shelf.entries == {("aikeys", VAULT): KEY.hex()}
    loaded = os_keyring.load(SERVICE, VAULT)
    assert loaded is not None
    assert loaded.reveal() == KEY
    os_keyring.delete(SERVICE, VAULT)
    os_keyring.delete(SERVICE, VAULT)
    assert os_keyring.load(SERVICE, VAULT) is None


@pytest.mark.parametrize("value", ["", "x", KEY.hex()[:-1], KEY.hex() + "0", KEY.hex()[:-1] + "g", " " * 64, "é" * 64])
def test_an_entry_that_is_no_key_is_damaged_and_not_shown(shelf: Shelf, value: str) -> None:
    shelf.entries["aikeys", VAULT] = value
    with pytest.raises(Damaged, match=r"^the entry in the system's keyring is not an unlock key$"):
        os_keyring.load(SERVICE, VAULT)


def test_an_entry_that_is_no_text_is_damaged(shelf: Shelf) -> None:
    shelf.fails_at, shelf.fails = "get", b"\xff".decode
    with pytest.raises(Damaged, match="is not an unlock key"):
        os_keyring.load(SERVICE, VAULT)


@pytest.mark.parametrize("call", ["store", "load", "delete"])
def test_a_locked_store_means_locked(shelf: Shelf, call: str) -> None:
    from keyring.errors import KeyringLocked

    shelf.fails_at, shelf.fails = "set" if call == "store" else "get", raising(KeyringLocked("Failed to unlock!"))
    arguments = (SERVICE, VAULT, KEY) if call == "store" else (SERVICE, VAULT)
    with pytest.raises(Locked, match="cannot be used: KeyringLocked: Failed to unlock") as caught:
        getattr(os_keyring, call)(*arguments)
    assert caught.value.exit_status == 11


@pytest.mark.parametrize(
    "backend", ["", "os.system", "keyring.backends.null.Keyring", "keyrings.alt.file.PlaintextKeyring", SERVICE + "X"]
)
def test_an_unknown_store_is_refused_before_it_is_imported(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch, backend: str
) -> None:
    monkeypatch.setattr(os_keyring, "_backend", raising_when_asked(AssertionError("imported")))
    for call in (os_keyring.load, os_keyring.delete):
        with pytest.raises(Damaged, match="unknown keyring"):
            call(backend, VAULT)
    with pytest.raises(Damaged, match="unknown keyring"):
        os_keyring.store(backend, VAULT, KEY)


def test_a_key_of_another_length_is_a_programmers_mistake(shelf: Shelf) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        os_keyring.store(SERVICE, VAULT, b"short")


def test_every_store_on_the_list_exists_in_the_library() -> None:
    import importlib

    for name in os_keyring.ALLOWED:
        module, _, kind = name.rpartition(".")
        assert hasattr(importlib.import_module(module), kind), name


def test_a_dead_bus_means_unavailable_and_locked(monkeypatch: pytest.MonkeyPatch) -> None:
    code = (
        "from aikeys.vault.unlock import os_keyring as o\nfrom aikeys.errors import Locked\nprint(o.probe())\n"
        f"try: o.load({SERVICE!r}, 'ab')\nexcept Locked as error: print('locked:', error)"
    )
    environment = os.environ | {"DBUS_SESSION_BUS_ADDRESS": "unix:path=/nowhere", "PYTHONPATH": str(ROOT)}
    child = subprocess.run(
        [sys.executable, "-c", code], env=environment, check=True, capture_output=True, text=True, timeout=60
    )
    first, second = child.stdout.splitlines()
    assert first.startswith("Unavailable(reason='no keyring that can be trusted")
    assert second.startswith("locked: the system's keyring cannot be used: ")


REAL = f"""
from aikeys.vault.unlock import os_keyring
found = os_keyring.probe()
print(found)
print(os_keyring.load(found.backend, {VAULT!r}))
os_keyring.store(found.backend, {VAULT!r}, bytes(range(32)))
os_keyring.store(found.backend, {VAULT!r}, bytes(range(1, 33)))
print(os_keyring.load(found.backend, {VAULT!r}).reveal().hex())
import secretstorage
from contextlib import closing
with closing(secretstorage.dbus_init()) as bus:
    items = secretstorage.search_items(bus, {{"service": "aikeys"}})
    print([item.get_attributes()["username"] for item in items])
os_keyring.delete(found.backend, {VAULT!r})
print(os_keyring.load(found.backend, {VAULT!r}))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="Secret Service is Linux's")
@pytest.mark.skipif(shutil.which("dbus-run-session") is None, reason="dbus-run-session is missing")
@pytest.mark.skipif(shutil.which("gnome-keyring-daemon") is None, reason="gnome-keyring-daemon is missing")
def test_a_real_secret_service_keeps_the_key_and_the_probe_leaves_nothing_behind() -> None:
    child = subprocess.run(
        [str(ROOT / "tests" / "secret_service.sh"), sys.executable, "-c", REAL],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert child.returncode == 0, child.stderr
    assert child.stdout.splitlines() == [
        f"WorkingStore(backend='{SERVICE}')",
        "None",
        bytes(range(1, 33)).hex(),
        str([VAULT]),
        "None",
    ]
