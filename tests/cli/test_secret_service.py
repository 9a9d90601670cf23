"""A real Secret Service (gnome-keyring on a private D-Bus): the keyring opens the vault, and its loss is survivable."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys

import pytest

from tests.conftest import ROOT, Aikeys, canary

for _program in ("dbus-run-session", "gnome-keyring-daemon"):
    if shutil.which(_program) is None:
        pytest.skip(f"{_program} is not installed", allow_module_level=True)

# runs inside the session and prints one JSON row a step: status, stdout, stderr
_DRIVER = """
import json, subprocess, sys
for line in sys.stdin:
    argv, secret, env = json.loads(line)
    import os
    done = subprocess.run(argv, input=secret, env={**os.environ, **env}, capture_output=True, text=True, timeout=60)
    print(json.dumps([done.returncode, done.stdout, done.stderr]), flush=True)
"""
_DELETE = """
import keyring, sys
assert keyring.get_password("aikeys", sys.argv[1])
keyring.delete_password("aikeys", sys.argv[1])
"""
_VAULT_ID = """
import sys
from aikeys.vault.store import VaultFile
rows = VaultFile(sys.argv[1]).read()
print(rows.header.vault_id.hex() + ":" + next(row.id.hex() for row in rows.methods if row.kind == "keyring"))
"""


class Session:
    """A desktop session: every step is a new process in it."""

    def __init__(self, aikeys: Aikeys) -> None:
        words = ["sh", str(ROOT / "tests" / "secret_service.sh"), sys.executable, "-c", _DRIVER]
        self.aikeys = aikeys
        self.process = subprocess.Popen(
            words, env=aikeys.env(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
        )

    def run_argv(self, *argv: str, text: str = "", env: dict[str, str] | None = None) -> tuple[int, str, str]:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps([argv, text, env or {}]) + "\n")
        self.process.stdin.flush()
        status, out, err = json.loads(self.process.stdout.readline())
        return status, out, err

    def run(self, *args: str, text: str = "", env: dict[str, str] | None = None) -> tuple[int, str, str]:
        return self.run_argv(*self.aikeys.argv(*args), text=text, env=env)

    def close(self) -> None:
        self.process.communicate(timeout=60)


def test_a_lost_keyring_entry_locks_the_secrets_and_the_recovery_code_opens_them(bare_home: Aikeys) -> None:
    session = Session(bare_home)
    try:
        status, _, err = session.run("init", "--keyring")
        assert status == 0, err
        assert session.run("add", "openai", "--stdin", "--no-verify", text=canary())[0] == 0
        assert session.run("exec", "openai", "--", "printenv", "OPENAI_API_KEY") == (0, canary() + "\n", "")

        status, _, err = session.run("backup", str(bare_home.folder / "useless.backup"))
        assert status == 14, err
        assert "aikeys unlock-method add recovery" in err
        status, code, err = session.run("unlock-method", "add", "recovery")
        assert status == 0, err
        assert session.run("backup", str(bare_home.folder / "useful.backup"))[0] == 0

        entry = session.run_argv(sys.executable, "-c", _VAULT_ID, str(bare_home.home))[1].strip()
        status, _, err = session.run_argv(sys.executable, "-c", _DELETE, entry)
        assert status == 0, err

        status, out, err = session.run("list")
        assert status == 0, err
        assert "openai" in out
        assert "aikeys: the vault is locked; names are shown without full verification" in err
        status, out, _ = session.run("list", "--json")
        assert (status, json.loads(out)["authenticated"]) == (0, False)

        status, out, err = session.run("show", "openai", "--reveal")
        assert (status, out) == (11, "")
        assert "aikeys: error: the vault is locked: the OS keyring has no entry for this vault\n" in err
        assert "aikeys: hint: the recovery code works as a passphrase\n" in err
        assert session.run("exec", "openai", "--", "true")[0] == 125

        recovery = {"AIKEYS_PASSPHRASE": code.strip()}
        assert session.run("show", "openai", "--reveal", "--raw", env=recovery) == (0, canary(), "")
        assert session.run("exec", "openai", "--", "printenv", "OPENAI_API_KEY", env=recovery)[1] == canary() + "\n"
    finally:
        session.close()
