"""In which order a vault is opened: session, OS keyring, key file, passphrase given, question.

Never asks where it may not: without a way the answer is Locked, with what was tried.
"""

import os
import stat
from collections.abc import Callable, Mapping

from aikeys.errors import AikeysError, BadConfiguration, Damaged, Denied, Locked, MachineFailed, WrongPassphrase
from aikeys.secret import Secret
from aikeys.storage.record import NamedTuple
from aikeys.vault.format import Header, Rows, UnlockMethod
from aikeys.vault.opening import Opened
from aikeys.vault.unlock import methods

MAX_PASSPHRASE_FILE_BYTES = 64 * 1024
_QUESTIONS = 3
_taken: dict[str, Secret] = {}
"""Texts read from pipes: a source is read once in a run, however often the passphrase is needed."""


class UnlockInputs(NamedTuple):
    """What may be used: environment variables, and a way to ask (None where asking is not allowed)."""

    environ: Mapping[str, str]
    ask: Callable[[str], str] | None


class UnlockedBy(NamedTuple):
    """An opened vault, and the unlock secret that opened it (None for a session)."""

    opened: Opened
    secret: Secret | None


def open_rows(rows: Rows, means: UnlockInputs) -> UnlockedBy:
    """Open checked rows; raises Locked, WrongPassphrase, Denied, Damaged."""
    if means.environ.get("AIKEYS_TOKEN", "").strip():
        raise Denied("this is for the owner of the vault: no token can do it", "unset AIKEYS_TOKEN")
    tried: list[str] = []
    session = _from_session(rows.header)
    if session is not None:
        return UnlockedBy(Opened(rows, session, b""), None)
    first: AikeysError | None = None
    for method in _sorted(rows.methods):
        try:
            secret = _held_by_machine(method, rows.header, tried)
        except (BadConfiguration, Damaged, MachineFailed) as error:
            tried.append(error.message)
            first = first or error
            continue
        try:
            if secret is not None:
                return _opened(rows, method, secret)
        except WrongPassphrase as error:
            tried.append(error.message)
            first = first or error
    given = _given(means.environ)
    if given is not None:
        return _with_given(rows, given, means.environ)
    if means.ask is not None and _takes_text(rows):
        return _asked(rows, means.ask)
    if first is not None:
        raise first
    reasons = "; ".join(tried) or "no passphrase was given, and this is not interactive"
    raise Locked(f"the vault is locked: {reasons}", _way_in(rows))


def _sorted(rows: tuple[UnlockMethod, ...]) -> list[UnlockMethod]:
    return sorted(rows, key=lambda row: (methods.KINDS.index(row.kind) if row.kind in methods.KINDS else 9, row.id))


def entry_name(header: Header, method: UnlockMethod) -> str:
    """Return the name of a method's entry in the OS keyring."""
    return f"{header.vault_id.hex()}:{method.id.hex()}"


def session_payload(opened: Opened) -> bytes:
    """Return what `unlock` keeps in the kernel: vault key and the public key it vouches for."""
    return opened.vault_key.reveal() + opened.rows.header.signing_public


def _from_session(header: Header) -> Secret | None:
    from aikeys.vault.unlock import kernel_keyring

    payload = kernel_keyring.get(header.vault_id.hex())
    if payload is None or len(payload) != 64:
        return None
    vault_key, signing_public = payload[:32], payload[32:]
    if methods.commitment(vault_key) != header.commitment or signing_public != header.signing_public:
        return None
    return Secret(vault_key)


def _held_by_machine(method: UnlockMethod, header: Header, tried: list[str]) -> Secret | None:
    try:
        if method.kind == methods.KEYRING:
            from aikeys.vault.unlock import os_keyring

            secret = os_keyring.load(method.place, entry_name(header, method))
            if secret is None:
                tried.append("the OS keyring has no entry for this vault")
            return secret
        if method.kind == methods.KEY_FILE:
            from aikeys.vault.unlock import key_file

            return key_file.read(method.place)
    except Locked as error:
        tried.append(error.message)
    return None


def _opened(rows: Rows, method: UnlockMethod, secret: Secret) -> UnlockedBy:
    vault_key = methods.open_with(method, secret.reveal(), rows.header)
    return UnlockedBy(Opened(rows, Secret(vault_key), method.id), secret)


def given_passphrase(environ: Mapping[str, str]) -> str | None:
    """Return the passphrase of AIKEYS_PASSPHRASE_FILE (one trailing newline is not part of it) or AIKEYS_PASSPHRASE."""
    return _given(environ)


def _given(environ: Mapping[str, str]) -> str | None:
    path = environ.get("AIKEYS_PASSPHRASE_FILE")
    if path:
        return read_passphrase_file(path)
    return environ.get("AIKEYS_PASSPHRASE") or None


def read_passphrase_file(path: str) -> str:
    """Return a file's first line as a passphrase; raises BadConfiguration where it cannot be read or is empty."""
    if path not in _taken:
        data, gives_once = _passphrase_bytes(path)
        if not gives_once:
            return _first_line(path, data)
        _taken[path] = Secret(data)
    return _first_line(path, _taken[path].reveal())


def _passphrase_bytes(path: str) -> tuple[bytes, bool]:
    """Return what a passphrase file holds, and whether it gives that once only: a pipe."""
    try:
        with open(path, "rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            refuse_if_changeable(path, mode)
            data = file.read(MAX_PASSPHRASE_FILE_BYTES + 1)
    except OSError as error:
        hint = "check the path and its permissions: only its owner needs to read it (chmod 600)"
        raise BadConfiguration(f"cannot read the passphrase file {path}: {error.strerror}", hint) from None
    if len(data) > MAX_PASSPHRASE_FILE_BYTES:
        raise BadConfiguration(
            f"the passphrase file {path} is larger than 64 KiB", "write the passphrase into it alone"
        )
    return data, not stat.S_ISREG(mode)


def _first_line(path: str, data: bytes) -> str:
    text = data.removesuffix(b"\n").removesuffix(b"\r").decode("utf-8", "surrogateescape")
    if not text:
        raise BadConfiguration(f"the passphrase file {path} is empty", "write the passphrase into it")
    return text


def refuse_if_changeable(path: str, mode: int) -> None:
    """Raise BadConfiguration where other users can write a passphrase file; a pipe or /dev/fd is its opener's own."""
    if os.name == "posix" and stat.S_ISREG(mode) and mode & (stat.S_IWGRP | stat.S_IWOTH):
        from shlex import quote

        raise BadConfiguration(f"the passphrase file {path} can be changed by other users", f"chmod 600 {quote(path)}")


def _takes_text(rows: Rows) -> bool:
    return any(row.kind in (methods.PASSPHRASE, methods.RECOVERY) for row in rows.methods)


def _asked(rows: Rows, ask: Callable[[str], str]) -> UnlockedBy:
    """Open with what is typed; a wrong answer is asked for again, three times in all."""
    question = _question(rows)
    for left in range(_QUESTIONS - 1, 0, -1):
        try:
            return _with_text(rows, ask(question))
        except WrongPassphrase as error:
            tries = "1 try" if left == 1 else f"{left} tries"
            question = f"{error.message[:1].upper()}{error.message[1:]}; {tries} left. {_question(rows)}"
    return _with_text(rows, ask(question))


def _question(rows: Rows) -> str:
    if any(row.kind == methods.PASSPHRASE for row in rows.methods):
        return "Passphrase (or recovery code)"
    return "Recovery code"


def _with_text(rows: Rows, text: str) -> UnlockedBy:
    """Open with what was typed or given: a recovery code is known by its form, all else is a passphrase."""
    from aikeys.vault.unlock import recovery_code

    by_kind = {row.kind: row for row in rows.methods}
    recovery, passphrase = by_kind.get(methods.RECOVERY), by_kind.get(methods.PASSPHRASE)
    if recovery is not None and (passphrase is None or recovery_code.looks_like(text)):
        try:
            return _opened(rows, recovery, recovery_code.decode(text))
        except WrongPassphrase:
            if passphrase is None:
                raise
    if passphrase is None:
        raise Locked("the vault has no passphrase", _way_in(rows))
    return _opened(rows, passphrase, Secret(methods.passphrase_bytes(text)))


def _with_given(rows: Rows, given: str, environ: Mapping[str, str]) -> UnlockedBy:
    """Open with the environment's passphrase; where it is wrong, say where it came from."""
    try:
        return _with_text(rows, given)
    except WrongPassphrase as error:
        path = environ.get("AIKEYS_PASSPHRASE_FILE")
        variable = "AIKEYS_PASSPHRASE_FILE" if path else "AIKEYS_PASSPHRASE"
        source = f"{path}, which {variable} names" if path else variable
        raise WrongPassphrase(
            f"{error.message} (it was taken from {source})", f"correct it, or unset {variable} to be asked"
        ) from None


def _way_in(rows: Rows) -> str:
    kinds = {row.kind for row in rows.methods}
    ways = []
    if methods.PASSPHRASE in kinds:
        ways.append("set AIKEYS_PASSPHRASE_FILE to a file with the passphrase, or run aikeys unlock on a terminal")
    if methods.RECOVERY in kinds:
        ways.append("the recovery code works as a passphrase")
    if methods.KEY_FILE in kinds:
        ways.append("put the key file back")
    return "; ".join(ways) or "log in to the desktop session that holds the OS keyring"


def quietly(rows: Rows, means: UnlockInputs) -> Opened | None:
    """Open without a question, None where that is not possible; a wrong passphrase still raises."""
    try:
        return open_rows(rows, means._replace(ask=None)).opened
    except Locked:
        return None
