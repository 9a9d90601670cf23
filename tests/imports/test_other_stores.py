"""Keys come out of pass and of the system's keyring by their names, and nothing else is read."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from aikeys.errors import MachineFailed, NotFound, UsageError
from aikeys.imports import other_stores
from tests.conftest import Aikeys, canary

SHOWN = '#!/bin/sh\necho "$2" >> "$0.log"\n[ -f "$PASSWORD_STORE_DIR/$2.gpg" ] || exit 1\ncat "$PASSWORD_STORE_DIR/$2.gpg"\n'


@pytest.fixture
def store(tmp_path: Path) -> dict[str, str]:
    folder, where = tmp_path / "store", tmp_path / "bin"
    (folder / "work").mkdir(parents=True)
    where.mkdir()
    (folder / "work" / "openai-team.gpg").write_text(f"{canary('o')}\nurl: https://x\n")
    (folder / "mistral.gpg").write_text(canary("m"))
    (folder / "bank.gpg").write_text("1234")
    program = where / "pass"
    program.write_text(SHOWN)
    program.chmod(0o755)
    return {"PASSWORD_STORE_DIR": str(folder), "PATH": f"{where}:{os.environ['PATH']}"}


def test_entries_that_name_a_provider_are_taken(ready_home: Aikeys, store: dict[str, str]) -> None:
    done = ready_home.run("import", "--yes", "--from", "pass", env=store)
    assert done.returncode == 0, done.stderr
    keys = {row["name"]: row["provider"] for row in json.loads(ready_home.run("list", "--json").stdout)["keys"]}
    assert keys == {"mistral": "mistral", "openai": "openai"}
    assert "delete these lines" not in done.stderr
    assert ready_home.lent("openai")["OPENAI_API_KEY"] == canary("o")
    program = Path(store["PATH"].partition(":")[0]) / "pass.log"
    assert sorted(program.read_text().split()) == ["mistral", "work/openai-team"]


def test_what_cannot_be_shown_is_said(ready_home: Aikeys, store: dict[str, str]) -> None:
    assert ready_home.run("import", "--yes", "--from", "pass", "nobody", env=store).returncode == 10
    assert ready_home.run("import", "--yes", "--from", "pass", env={"PASSWORD_STORE_DIR": "/nowhere"}).returncode == 10
    assert ready_home.run("import", "--yes", "--from", "keyring").returncode == 2


def test_pass_that_is_not_there_or_a_name_that_is_an_option(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(MachineFailed, match="not installed"):
        other_stores.from_pass(["x"], ())
    with pytest.raises(UsageError):
        other_stores.from_pass(["--clip"], ())


def test_the_keyring_is_asked_by_service_and_user(monkeypatch: pytest.MonkeyPatch) -> None:
    import keyring

    monkeypatch.setattr(
        keyring, "get_password", lambda service, user: {("a/openai", "me"): "secret"}.get((service, user))
    )
    assert other_stores.from_keyring(["a/openai/me"]) == {"a/openai/me": "secret"}
    with pytest.raises(NotFound):
        other_stores.from_keyring(["a/openai/you"])
    for wrong in ("openai", "/me", "openai/"):
        with pytest.raises(UsageError):
            other_stores.from_keyring([wrong])
