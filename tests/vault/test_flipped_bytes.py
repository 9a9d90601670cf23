"""Every byte of a vault flipped: the right secret or a documented refusal, never a wrong secret."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from aikeys.errors import AikeysError, BadConfiguration, Damaged, NotFound, WrongPassphrase

SECRET = "sk-proj-the-one-right-secret-0123456789"
SLICES = 8
WHOLE_PROCESSES = 200
_NOT_IN_JUDGEMENT = re.compile("traceback|internal error", re.IGNORECASE)


def _restored(path: Path, data: bytes) -> None:
    for suffix in ("-journal", "-wal", "-shm"):
        Path(f"{path}{suffix}").unlink(missing_ok=True)
    path.write_bytes(data)


def _judge(home: Any) -> str:
    """Return nothing where the vault answered as it may, else what it did."""
    try:
        opened = home.open()
        (key,) = (key for key in opened.rows.keys if key.name == "openai")
        secret = opened.content(key).secret
    except (Damaged, NotFound, WrongPassphrase):
        return ""
    except BadConfiguration as error:
        return "" if "vault format" in error.message else f"14: {error.message}"
    except AikeysError as error:
        return f"{error.exit_status}: {error.message}"
    except Exception as error:  # noqa: BLE001
        return f"{type(error).__name__}: {error}"
    return "" if secret == SECRET.encode() else "a wrong secret"


@pytest.mark.parametrize("part", range(SLICES))
def test_a_vault_with_any_one_byte_flipped_gives_the_right_secret_or_a_documented_refusal(
    make_home: Any, part: int
) -> None:
    home = make_home()
    home.add("openai", SECRET)
    good = home.vault.read_bytes()
    assert _judge(home) == ""
    wrong = []
    for at in range(part, len(good), SLICES):
        masks = (0xFF, 0x01, 0x03) if at < 100 else (0xFF, 0x01) if at // SLICES % 8 == 0 else (0xFF,)
        for mask in masks:
            _restored(home.vault, good[:at] + bytes([good[at] ^ mask]) + good[at + 1 :])
            answer = _judge(home)
            if answer:
                wrong.append((at, hex(mask), answer))
    _restored(home.vault, good)
    assert wrong == []
    assert _judge(home) == ""


def _flips(good: bytes, part: int, of: int) -> Iterator[tuple[int, bytes]]:
    for number in range(part, WHOLE_PROCESSES, of):
        at = number * len(good) // WHOLE_PROCESSES + number % 7
        yield at, good[:at] + bytes([good[at] ^ 0xFF]) + good[at + 1 :]


@pytest.mark.parametrize("part", range(SLICES))
def test_a_program_started_on_a_flipped_vault_has_the_right_secret_or_is_not_started(make_home: Any, part: int) -> None:
    home = make_home()
    home.add("openai", SECRET)
    good = home.vault.read_bytes()
    for at, flipped in _flips(good, part, SLICES):
        _restored(home.vault, flipped)
        ended = home.run("exec", "openai", "--", "printenv", "OPENAI_API_KEY")
        where = f"byte {at}: status {ended.returncode}, {ended.stderr}"
        assert ended.returncode in (0, 125), where
        assert not _NOT_IN_JUDGEMENT.search(ended.stderr), where
        assert ended.stdout == (f"{SECRET}\n" if ended.returncode == 0 else ""), where
        assert ended.returncode == 0 or ended.stderr.startswith("aikeys: error: "), where


@pytest.mark.parametrize("part", range(SLICES))
def test_a_whole_process_on_a_flipped_vault_ends_with_a_documented_status_and_a_sentence(
    make_home: Any, part: int
) -> None:
    home = make_home()
    home.add("openai", SECRET)
    good = home.vault.read_bytes()
    for at, flipped in _flips(good, part, SLICES):
        _restored(home.vault, flipped)
        ended = home.run("show", "openai", "--reveal", "--raw")
        where = f"byte {at}: status {ended.returncode}, {ended.stderr}"
        assert ended.returncode in (0, Damaged.exit_status), where
        assert not _NOT_IN_JUDGEMENT.search(ended.stderr), where
        assert ended.stdout == (SECRET if ended.returncode == 0 else ""), where
        assert ended.returncode == 0 or ended.stderr.startswith("aikeys: error: "), where
