"""The Linux kernel's user keyring, which remembers an unlocked vault for a while, by raw system calls.

Rules: what is remembered always has a time limit before it can be found; it belongs to this user alone;
where the kernel or a container forbids the calls there is nothing remembered, which is no error except for `put`.
On the hot path of `exec`: ctypes is imported inside the call, `platform` (8 ms) never.
"""

from __future__ import annotations

import errno
import os
import sys

from aikeys.errors import MachineFailed

PAYLOAD_LIMIT = 256

# add_key and keyctl; 64-bit processes only
_CALL_NUMBERS = {
    "x86_64": (248, 250),
    "aarch64": (217, 219),
    "riscv64": (217, 219),
    "loongarch64": (217, 219),
    "ppc64le": (269, 271),
    "s390x": (278, 280),
}
_THREAD_KEYRING = -1
_USER_KEYRING = -4
_SETPERM, _LINK, _UNLINK, _SEARCH, _READ, _SET_TIMEOUT, _INVALIDATE = 5, 8, 9, 10, 11, 15, 21
_POSSESSOR_AND_USER_ONLY = 0x3F3F0000
_TYPE = b"user"


def put(vault_id_hex: str, payload: bytes, ttl_s: int) -> None:
    """Remember a payload for so many seconds, in place of an earlier one.

    The key is made in the thread's own keyring and linked to the user's when its limit is set:
    no other process can see it without the limit, even if this one is killed half-way.
    """
    if not 0 < len(payload) <= PAYLOAD_LIMIT:
        raise ValueError("the kernel keyring holds 1 to 256 bytes")
    if ttl_s < 1:
        raise ValueError("a time limit of 0 would mean for ever")
    try:
        key = _add(_description(vault_id_hex), payload)
        try:
            _keyctl(_SET_TIMEOUT, key, ttl_s)
            _keyctl(_SETPERM, key, _POSSESSOR_AND_USER_ONLY)
            _keyctl(_LINK, key, _USER_KEYRING)
            _keyctl(_UNLINK, key, _THREAD_KEYRING)
        except OSError:
            _keyctl(_INVALIDATE, key)
            raise
    except OSError as error:
        if error.errno == errno.EDQUOT:
            raise MachineFailed(
                "the kernel keyring is full for this user", "see /proc/key-users, and run: keyctl show @u"
            ) from None
        raise MachineFailed(
            "the kernel keyring is not available, so the vault cannot stay unlocked",
            "give the passphrase to each command, or use a key file or the system's keyring",
        ) from None


def get(vault_id_hex: str) -> bytes | None:
    """Return what is remembered, or None: nothing, expired, or no kernel keyring."""
    if not _may_hold(vault_id_hex):
        return None
    from ctypes import create_string_buffer

    buffer = create_string_buffer(PAYLOAD_LIMIT)
    try:
        length = _keyctl(_READ, _search(vault_id_hex), buffer, PAYLOAD_LIMIT)
    except OSError:
        return None
    return buffer.raw[:length] if 0 < length <= PAYLOAD_LIMIT else None


def drop_all() -> int:
    """Forget every session of this user, whatever vault it is of; return how many there were."""
    try:
        with open("/proc/keys", "rb", buffering=0) as file:
            words = b"".join(iter(lambda: file.read(65536), b"")).split()
    except OSError:
        return 0
    ids = {word[7:].rstrip(b":").decode("ascii", "replace") for word in words if word.startswith(b"aikeys:")}
    return sum(drop(vault_id) for vault_id in ids)


def _may_hold(vault_id_hex: str) -> bool:
    """Tell by /proc/keys whether asking is worth while: importing ctypes costs exec 3 ms."""
    try:
        with open("/proc/keys", "rb", buffering=0) as file:
            return _description(vault_id_hex) in b"".join(iter(lambda: file.read(65536), b""))
    except OSError:
        return True


def drop(vault_id_hex: str) -> bool:
    """Forget what is remembered; say whether there was anything."""
    try:
        _keyctl(_INVALIDATE, _search(vault_id_hex))
    except OSError:
        return False
    return True


def _description(vault_id_hex: str) -> bytes:
    return b"aikeys:" + vault_id_hex.encode("ascii")


def _add(description: bytes, payload: bytes) -> int:
    return _syscall(_numbers()[0], _TYPE, description, payload, len(payload), _THREAD_KEYRING)


def _search(vault_id_hex: str) -> int:
    return _keyctl(_SEARCH, _USER_KEYRING, _TYPE, _description(vault_id_hex), 0)


def _keyctl(operation: int, *arguments: object) -> int:
    return _syscall(_numbers()[1], operation, *arguments)


def _numbers() -> tuple[int, int]:
    if sys.platform != "linux" or sys.maxsize < 2**32:
        raise OSError(errno.ENOSYS, "no kernel keyring")
    try:
        return _CALL_NUMBERS[os.uname().machine]
    except KeyError:
        raise OSError(errno.ENOSYS, "no kernel keyring") from None


def _syscall(number: int, *arguments: object) -> int:
    import ctypes

    call = ctypes.CDLL(None, use_errno=True).syscall
    call.restype = ctypes.c_long
    as_c = [ctypes.c_long(value) if isinstance(value, int) else value for value in (number, *arguments)]
    result = int(call(*as_c))
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result
