"""The commands of aikeys-migrate(7), run from its first step to its last, as they are written there."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

from tests.conftest import Aikeys, canary

PAGE = Path(__file__).parents[2] / "man" / "aikeys-migrate.7"
SERVED = ("aikeys gateway", "OPENAI_BASE_URL=")
"""What step 6 runs for ever, and a program that asks it: tests/gateway does that."""
FINDS = ("aikeys scan", "aikeys doctor")
"""What may end with 25: the keys lie about in step 1, and doctor speaks of what the surroundings lack."""


def steps() -> list[tuple[str, list[str]]]:
    """Return the title of each step and its commands."""
    found = []
    for section in PAGE.read_text(encoding="utf-8").split(".SS ")[1:]:
        title = section.splitlines()[0].strip('"')
        blocks = re.findall(r"^\.EX\n(.*?)^\.EE$", section, re.DOTALL | re.MULTILINE)
        lines = [line for block in blocks for line in block.splitlines()]
        found.append((title, [line.replace("\\-", "-").replace("\\(dq", '"') for line in lines]))
    return found


def test_the_page_is_one_session(bare_home: Aikeys) -> None:
    folder, where = bare_home.folder, bare_home.folder / "bin"
    shop = folder / "shop"
    shop.mkdir()
    where.mkdir()
    program = where / "aikeys"
    program.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m aikeys "$@"\n')
    program.chmod(0o755)
    text = f"OPENAI_KEY={canary('o')}\nMISTRAL_API_KEY={canary('m')}\nDEBUG=1\n"
    (shop / ".env").write_text(text)
    (folder / "new.key").write_text(canary("new"))
    root = str(Path(__file__).parents[2])
    environment = {
        **bare_home.env(),
        "PATH": f"{where}:{os.environ['PATH']}",
        "PYTHONPATH": root,
        "AIKEYS_NO_INPUT": "1",
    }
    numbers = []
    for title, commands in steps():
        numbers.append(title.partition(".")[0])
        for command in commands:
            if command.startswith(SERVED):
                continue
            done = subprocess.run(
                ["sh", "-c", command], env=environment, cwd=folder, capture_output=True, text=True, check=False, timeout=60,
                stdin=subprocess.DEVNULL,
            )  # fmt: skip
            expected = (0, 25) if command.startswith(FINDS) else (0,)
            assert done.returncode in expected, (title, command, done.stderr)
            assert canary("o") not in done.stdout + done.stderr
        if title.startswith("8"):
            assert (folder / "shop.copy" / ".env").read_text() == (shop / ".env").read_text() == text
        if title.startswith("9"):
            assert canary("o") not in (shop / ".env").read_text()
            assert "DEBUG=1" in (shop / ".env").read_text()
    assert numbers == [str(number) for number in range(1, 12)]
    assert bare_home.lent("openai")["OPENAI_KEY"] == canary("new")
