"""import --remove takes keys out of files without losing one; --undo brings every byte back."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from aikeys.imports import removed_lines
from tests.conftest import Aikeys, canary

TEXT = (
    '# mine\nexport OPENAI_API_KEY="{}"\r\nDEBUG=1\nMISTRAL_API_KEY={}\nOPENAI_BASE_URL=https://eu.api.openai.com/v1\n'
)


def dotenv(home: Aikeys, name: str = ".env") -> Path:
    file = home.folder / name
    file.write_bytes(TEXT.format(canary("o"), canary("m")).encode())
    file.chmod(0o640)
    return file


def remove(home: Aikeys, *words: str) -> str:
    done = home.run("import", "--yes", "--remove", *words)
    assert done.returncode == 0, done.stderr
    return done.stderr


def test_the_keys_go_and_the_program_runs_again(ready_home: Aikeys) -> None:
    file = dotenv(ready_home)
    before = file.read_bytes()
    said = remove(ready_home, str(file))
    assert file.read_bytes() == (
        b"# mine\n# OPENAI_API_KEY: aikeys exec openai -- COMMAND\r\nDEBUG=1\n"
        b"# MISTRAL_API_KEY: aikeys exec mistral -- COMMAND\n# OPENAI_BASE_URL: aikeys exec openai -- COMMAND\n"
    )
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    assert "delete these lines" not in said
    lent = ready_home.lent("openai", "mistral")
    assert (lent["OPENAI_API_KEY"], lent["MISTRAL_API_KEY"]) == (canary("o"), canary("m"))
    assert lent["OPENAI_BASE_URL"] == "https://eu.api.openai.com/v1"
    assert os.listdir(ready_home.folder / "home" / removed_lines.KIND)
    done = ready_home.run("import", "--undo")
    assert (done.returncode, file.read_bytes()) == (0, before)
    assert ready_home.run("import", "--undo").returncode == 10
    acts = [line.split() for line in ready_home.run("audit").stdout.splitlines()]
    assert {"remove-lines", "put-lines-back"} <= {word for line in acts for word in line}


def test_no_copy_in_the_clear_is_written(ready_home: Aikeys) -> None:
    remove(ready_home, str(dotenv(ready_home)))
    for folder, _, names in os.walk(ready_home.folder):
        for name in names:
            assert canary("o").encode() not in Path(folder, name).read_bytes(), name


@pytest.mark.parametrize("odd", ["link", "two names", "JSON", "more on the line"])
def test_what_cannot_be_rewritten_stays_and_is_named(ready_home: Aikeys, odd: str) -> None:
    file = ready_home.folder / ("settings.json" if odd == "JSON" else "rc")
    text = f"OPENAI_API_KEY={canary()}\n"
    if odd == "JSON":
        text = f'{{"env": {{\n"OPENAI_API_KEY": "{canary()}"\n}}}}\n'
    if odd == "more on the line":
        text = f"export OPENAI_API_KEY={canary()}; export X=1\n"
    target = ready_home.folder / "real" if odd == "link" else file
    target.write_text(text)
    if odd == "link":
        file.symlink_to(target)
    if odd == "two names":
        os.link(file, ready_home.folder / "other")
    said = remove(ready_home, str(file))
    assert file.read_text() == text
    assert "warning" in said
    assert str(file) in said
    assert ready_home.lent("openai")["OPENAI_API_KEY"] == canary()


def test_a_file_that_was_changed_gets_nothing_back(ready_home: Aikeys) -> None:
    file = dotenv(ready_home)
    remove(ready_home, str(file))
    changed = file.read_bytes() + b"NEW=1\n"
    file.write_bytes(changed)
    done = ready_home.run("import", "--undo")
    assert "was changed since" in done.stderr
    assert file.read_bytes() == changed
    file.write_bytes(changed.removesuffix(b"NEW=1\n"))
    assert ready_home.run("import", "--undo").returncode == 0
    assert canary("o").encode() in file.read_bytes()


def test_a_key_that_was_rotated_since_is_warned_of(ready_home: Aikeys) -> None:
    file = dotenv(ready_home)
    remove(ready_home, str(file))
    ready_home.run("rotate", "openai", "--stdin", "--no-verify", input=canary("new"))
    ready_home.run("revoke", "mistral", "--yes")
    said = ready_home.run("import", "--undo").stderr
    assert "openai was rotated since" in said
    assert "mistral was revoked or renamed since" in said
    assert canary("o").encode() in file.read_bytes()


def test_after_thirty_days_nothing_is_left_to_undo(ready_home: Aikeys) -> None:
    remove(ready_home, str(dotenv(ready_home)))
    folder = ready_home.folder / "home" / removed_lines.KIND
    (name,) = os.listdir(folder)
    os.rename(folder / name, folder / f"1000000000-{name.partition('-')[2]}")
    assert ready_home.run("import", "--undo").returncode == 10
    assert os.listdir(folder) == []


def test_a_record_that_was_moved_or_edited_is_refused(ready_home: Aikeys) -> None:
    file = dotenv(ready_home)
    remove(ready_home, str(file))
    after = file.read_bytes()
    folder = ready_home.folder / "home" / removed_lines.KIND
    (name,) = os.listdir(folder)
    (folder / name).write_bytes((folder / name).read_bytes()[:-1] + b"x")
    assert ready_home.run("import", "--undo").returncode == 13
    assert file.read_bytes() == after


KILLED = """
import os, sys
from aikeys.cli import app
count = [int(sys.argv[1])]
def deadly(name, real):
    def call(*args, **more):
        count[0] -= 1
        if count[0] < 0:
            os.kill(os.getpid(), 9)
        return real(*args, **more)
    return call
for name in ("open", "replace", "fsync", "unlink", "link", "fchmod", "rename", "mkdir"):
    setattr(os, name, deadly(name, getattr(os, name)))
sys.exit(app.main(["import", "--yes", "--remove", sys.argv[2]]))
"""


def test_killed_at_any_write_no_key_is_lost(ready_home: Aikeys) -> None:
    """Whatever was done when it died: each key is in the file or in the vault, and undo brings the file back."""
    file = ready_home.folder / ".env"
    before = TEXT.format(canary("o"), canary("m")).encode()
    ended, step, seen = False, 0, set()
    while not ended:
        file.write_bytes(before)
        done = subprocess.run(
            [sys.executable, "-c", KILLED, str(step), str(file)], env=ready_home.env(), cwd=ready_home.folder,
            capture_output=True, check=False, timeout=60,
        )  # fmt: skip
        ended = done.returncode == 0
        assert ended or done.returncode == -signal.SIGKILL, done.stderr
        now = file.read_bytes()
        seen.add(now == before)
        if now != before:
            lent = ready_home.lent("openai", "mistral")
            assert (lent["OPENAI_API_KEY"], lent["MISTRAL_API_KEY"]) == (canary("o"), canary("m"))
            assert ready_home.run("import", "--undo").returncode == 0
            assert file.read_bytes() == before
        for left in ready_home.folder.glob("*.aikeys"):
            left.unlink()
        step += 3
    assert seen == {True, False}
