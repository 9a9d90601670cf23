"""kill -9 at the write steps of every act that changes a vault: the old or the new afterwards, never neither."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from aikeys.vault import changes
from tests.vault.conftest import Home

_CALLS = "pwrite64,write,fsync,fdatasync,unlink,ftruncate"
_ACTS = {
    "add": ["add", "mistral", "--stdin", "--no-verify"],
    "rotate": ["rotate", "openai", "--stdin", "--no-verify"],
    "revoke": ["revoke", "openai"],
    "unlock-method": ["unlock-method", "add", "recovery"],
    "restore": ["restore", "BACKUP", "--yes"],
}
_NEW = "sk-CANARY-new-secret"


@pytest.fixture
def home(make_home: Callable[..., Home]) -> Home:
    made = make_home()
    for row in made.rows().keys:
        made.change("clear", lambda vault, name=row.name: changes.remove_key(vault, name))
    made.add("openai", "sk-CANARY-openai")
    made.add("groq", "sk-CANARY-groq")
    return made


def _traceable() -> bool:
    if not shutil.which("strace"):
        return False
    return subprocess.run(["strace", "-o", os.devnull, "true"], check=False, capture_output=True).returncode == 0


pytestmark = pytest.mark.skipif(not _traceable(), reason="strace is missing or may not trace")


def _run(home: Home, arguments: list[str], kill: str = "") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "aikeys", "-q", *arguments]
    if kill:
        trace = [
            "strace",
            "-f",
            "-o",
            os.devnull,
            "-e",
            f"trace={_CALLS}",
            "-e",
            f"inject={_CALLS}:signal=KILL:when={kill}",
        ]
        command = [*trace, *command]
    env = {**os.environ, "AIKEYS_HOME": home.place.home, "AIKEYS_NO_INPUT": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(command, env=env, input=_NEW, text=True, capture_output=True, check=False)


@pytest.mark.parametrize("act", _ACTS)
def test_a_killed_act_leaves_the_old_or_the_new(home: Home, act: str, tmp_path: Path) -> None:
    backup = str(tmp_path / "backup")
    assert _run(home, ["backup", backup]).returncode == 0
    arguments = [backup if word == "BACKUP" else word for word in _ACTS[act]]
    saved = tmp_path / "saved"
    shutil.copytree(home.place.home, saved)
    finished = False
    for step in range(1, 200, 3):
        shutil.rmtree(home.place.home)
        shutil.copytree(saved, home.place.home)
        finished = _run(home, arguments, str(step)).returncode == 0
        _check(home, act, step)
        if finished:
            break
    assert finished


def _check(home: Home, act: str, step: int) -> None:
    listed = _run(home, ["list", "--json"])
    assert listed.returncode == 0, (act, step, listed.stderr)
    names = {key["name"] for key in json.loads(listed.stdout)["keys"]}
    assert names - {"mistral"} in ({"openai", "groq"}, {"groq"} if act == "revoke" else names - {"mistral"}), (
        act,
        step,
    )
    if "openai" in names:
        assert home.secrets()["openai"] in ("sk-CANARY-openai", _NEW), (act, step)
    assert home.secrets()["groq"] == "sk-CANARY-groq"
    home.add("next", "sk-CANARY-next")
    home.place.ledger.open().verify()
    assert not home.place.ledger.open_intents(home.open().rows.header.vault_id), (act, step)
