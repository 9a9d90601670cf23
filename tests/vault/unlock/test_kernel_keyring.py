"""The kernel's keyring, for real: time limits, permissions, replacement, and kernels that say no."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from aikeys.errors import MachineFailed
from aikeys.vault.unlock import kernel_keyring


def _is_available() -> bool:
    try:
        kernel_keyring.put("probe", b"x", 1)
    except MachineFailed:
        return False
    return kernel_keyring.drop("probe")


needs_kernel = pytest.mark.skipif(not _is_available(), reason="the kernel keyring is not available here")


@pytest.fixture
def vault_id() -> Iterator[str]:
    name = os.urandom(16).hex()
    yield name
    kernel_keyring.drop(name)


def proc_keys(vault_id: str) -> list[list[str]]:
    lines = Path("/proc/keys").read_text(encoding="ascii").splitlines()
    return [line.split() for line in lines if vault_id in line]


@needs_kernel
@pytest.mark.parametrize("payload", [b"\x00", bytes(range(32)), bytes(range(256))])
def test_what_is_put_is_got_until_it_is_dropped(vault_id: str, payload: bytes) -> None:
    assert kernel_keyring.get(vault_id) is None
    kernel_keyring.put(vault_id, payload, 60)
    assert kernel_keyring.get(vault_id) == payload
    assert kernel_keyring.drop(vault_id)
    assert kernel_keyring.get(vault_id) is None
    assert not kernel_keyring.drop(vault_id)


@needs_kernel
def test_another_process_of_the_same_user_gets_it(vault_id: str) -> None:
    kernel_keyring.put(vault_id, b"shared", 60)
    code = f"from aikeys.vault.unlock import kernel_keyring as k; print(k.get({vault_id!r}))"
    child = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert child.stdout == "b'shared'\n"


@needs_kernel
def test_what_a_process_put_outlives_it(vault_id: str) -> None:
    code = f"from aikeys.vault.unlock import kernel_keyring as k; k.put({vault_id!r}, b'left', 60)"
    subprocess.run([sys.executable, "-c", code], check=True)
    assert kernel_keyring.get(vault_id) == b"left"


@needs_kernel
def test_it_is_forgotten_after_its_time(vault_id: str) -> None:
    kernel_keyring.put(vault_id, b"short", 1)
    assert kernel_keyring.get(vault_id) == b"short"
    deadline = time.monotonic() + 5
    while kernel_keyring.get(vault_id) is not None:
        assert time.monotonic() < deadline, "still there long after its time limit"
        time.sleep(0.05)
    kernel_keyring.put(vault_id, b"again", 60)
    assert kernel_keyring.get(vault_id) == b"again"


@needs_kernel
def test_a_second_put_replaces_payload_and_time_limit(vault_id: str) -> None:
    kernel_keyring.put(vault_id, b"first", 7200)
    kernel_keyring.put(vault_id, b"second", 1)
    assert kernel_keyring.get(vault_id) == b"second"
    deadline = time.monotonic() + 5
    while kernel_keyring.get(vault_id) is not None:  # and the first does not come back
        assert time.monotonic() < deadline
        time.sleep(0.05)


@needs_kernel
@pytest.mark.skipif(not os.access("/proc/keys", os.R_OK), reason="/proc/keys is not readable here")
def test_only_the_user_has_permissions_and_the_key_has_a_time_limit(vault_id: str) -> None:
    kernel_keyring.put(vault_id, b"private", 60)
    (fields,) = proc_keys(vault_id)
    assert fields[3] != "perm"
    assert fields[4] == "3f3f0000"


@needs_kernel
@pytest.mark.parametrize("failing", [kernel_keyring._SET_TIMEOUT, kernel_keyring._SETPERM, kernel_keyring._LINK])
def test_a_put_that_fails_half_way_leaves_nothing_to_find(
    vault_id: str, monkeypatch: pytest.MonkeyPatch, failing: int
) -> None:
    real = kernel_keyring._keyctl

    def keyctl(operation: int, *arguments: object) -> int:
        if operation == failing:
            raise OSError(errno.EPERM, "no")
        return real(operation, *arguments)

    monkeypatch.setattr(kernel_keyring, "_keyctl", keyctl)
    with pytest.raises(MachineFailed):
        kernel_keyring.put(vault_id, b"half", 60)
    assert kernel_keyring.get(vault_id) is None


@pytest.mark.parametrize("code", [errno.ENOSYS, errno.EPERM])
def test_a_kernel_that_says_no_is_no_error_except_for_put(monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    def refuse(number: int, *arguments: object) -> int:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(kernel_keyring, "_syscall", refuse)
    assert kernel_keyring.get("ab") is None
    assert not kernel_keyring.drop("ab")
    with pytest.raises(MachineFailed, match=r"^the kernel keyring is not available"):
        kernel_keyring.put("ab", b"x", 60)


@pytest.mark.parametrize("system", ["darwin", "win32"])
def test_another_system_has_no_kernel_keyring(monkeypatch: pytest.MonkeyPatch, system: str) -> None:
    monkeypatch.setattr(sys, "platform", system)
    assert kernel_keyring.get("ab") is None
    with pytest.raises(MachineFailed, match=r"^the kernel keyring is not available"):
        kernel_keyring.put("ab", b"x", 60)


def test_a_full_quota_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(number: int, *arguments: object) -> int:
        raise OSError(errno.EDQUOT, os.strerror(errno.EDQUOT))

    monkeypatch.setattr(kernel_keyring, "_syscall", full)
    with pytest.raises(MachineFailed, match="is full for this user"):
        kernel_keyring.put("ab", b"x", 60)


@pytest.mark.parametrize(("payload", "ttl_s"), [(b"", 60), (bytes(257), 60), (b"x", 0), (b"x", -1)])
def test_an_impossible_payload_or_time_limit_is_a_programmers_mistake(payload: bytes, ttl_s: int) -> None:
    with pytest.raises(ValueError, match=r"256 bytes|for ever"):
        kernel_keyring.put("ab", payload, ttl_s)


def test_importing_the_module_loads_neither_ctypes_nor_platform() -> None:
    code = "import sys, aikeys.vault.unlock.kernel_keyring; print({'ctypes', 'platform'} & set(sys.modules))"
    child = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert child.stdout == "set()\n"
