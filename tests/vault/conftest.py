"""Small real vaults in a temporary directory, opened by a key file or a cheap passphrase."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from aikeys import sealing
from aikeys.ledger.store import Act
from aikeys.secret import Secret
from aikeys.vault import changes
from aikeys.vault.format import Content, Rows
from aikeys.vault.opening import Opened, Place, picture, place_of
from aikeys.vault.setup import make_vault
from aikeys.vault.unlock import key_file, methods
from aikeys.vault.writing import Change, write

NOW_S = 1_800_000_000
BASE_URL = "https://api.openai.com/v1"


@dataclass(frozen=True)
class Home:
    """A vault with a key file beside its home."""

    place: Place
    key_path: Path
    key: bytes
    passphrase: bytes = b"correct horse"

    @property
    def directory(self) -> Path:
        return Path(self.place.home)

    @property
    def vault(self) -> Path:
        return self.directory / "vault.db"

    @property
    def ledger(self) -> Path:
        return self.directory / "ledger.db"

    def at(self, directory: Path) -> Home:
        """Return the same vault, copied by the test to another directory."""
        return Home(place_of(str(directory)), self.key_path, self.key)

    def rows(self) -> Rows:
        return picture(self.place)

    def open(self, kind: str = methods.KEY_FILE) -> Opened:
        """Open the vault as a command would: rows, manifest and anchor checked first."""
        return self.open_rows(self.rows(), kind)

    def open_rows(self, rows: Rows, kind: str = methods.KEY_FILE) -> Opened:
        method = next((row for row in rows.methods if row.kind == kind), None)
        assert method is not None, f"the vault lost its {kind}"
        secret = self.key if kind == methods.KEY_FILE else self.passphrase
        return Opened(rows, Secret(methods.open_with(method, secret, rows.header)), method.id)

    def change(self, act: str, change: Change) -> Opened:
        return write(self.place, self.open(), Act(act, "test"), change).opened

    def add(self, name: str, secret: str) -> Opened:
        new = new_key(name, secret)
        return self.change("add", lambda vault: changes.add_key(vault, new, NOW_S, os.urandom))

    def secrets(self) -> dict[str, str]:
        """Return every current secret by its key's name."""
        opened = self.open()
        return {key.name: opened.content(key).secret.decode() for key in opened.rows.keys}

    def environ(self) -> dict[str, str]:
        parent = str(self.directory.parent)
        return {
            "PATH": os.environ["PATH"],
            "HOME": parent,
            "AIKEYS_HOME": str(self.directory),
            "LANG": "C.UTF-8",
        }

    def command(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "aikeys", "--no-input", *words]

    def run(
        self, *words: str, stdin: str = "", before: Sequence[str] = (), preexec: Callable[[], None] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run aikeys on this home, with its parent as HOME and nothing else inherited."""
        return subprocess.run(
            [*before, *self.command(*words)],
            input=stdin, capture_output=True, text=True, env=self.environ(), timeout=120, check=False,
            preexec_fn=preexec,
        )  # fmt: skip


def new_key(name: str, secret: str) -> changes.NewKey:
    content = Content(secret.encode(), ("OPENAI_API_KEY",), ("OPENAI_BASE_URL",), "", (), ())
    return changes.NewKey(name, "openai", "", BASE_URL, "", False, 0, 0, content)


@pytest.fixture
def make_home(tmp_path: Path) -> Callable[..., Home]:
    """Return a maker of homes: `make_home()` or `make_home("name", passphrase=True, base=directory)`."""

    def make(name: str = "home", *, passphrase: bool = False, base: Path = tmp_path) -> Home:
        key, key_path = os.urandom(32), tmp_path / f"{name}.key"
        key_file.create(str(key_path), key)
        home = Home(place_of(str(base / name)), key_path, key)
        new = [methods.NewMethod(methods.KEY_FILE, str(key_path), key)]
        if passphrase:
            new.append(methods.NewMethod(methods.PASSPHRASE, "", home.passphrase, sealing.CHEAPEST))
        make_vault(home.place, new)
        return home

    return make
