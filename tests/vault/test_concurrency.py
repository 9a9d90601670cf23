"""Many processes writing one vault at once."""

from __future__ import annotations

import subprocess
import sys
import time
from typing import Any

from aikeys.ledger.verify import verify

WRITERS = 8
KEYS_EACH = 25

_WRITER = """
import os, sys
from aikeys.ledger.store import Act
from aikeys.secret import Secret
from aikeys.vault import changes
from aikeys.vault.format import Content
from aikeys.vault.opening import Opened, picture, place_of
from aikeys.vault.unlock import key_file, methods
from aikeys.vault.writing import write

home, number, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
place = place_of(home)
for index in range(count):
    rows = picture(place)
    method = rows.methods[0]
    key = methods.open_with(method, key_file.read(method.place).reveal(), rows.header)
    name = f"key-{number}-{index}"
    content = Content(f"sk-{name}".encode(), ("OPENAI_API_KEY",), (), "", (), ())
    new = changes.NewKey(name, "openai", "", "https://api.openai.com/v1", "", False, 0, 0, content)
    write(place, Opened(rows, Secret(key), method.id), Act("add", name),
          lambda vault: changes.add_key(vault, new, 1800000000, os.urandom))
"""


def test_eight_processes_adding_25_keys_each_lose_none_while_readers_never_fail(make_home: Any) -> None:
    home = make_home()
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", _WRITER, str(home.directory), str(number), str(KEYS_EACH)],
            stderr=subprocess.PIPE, text=True,
        )
        for number in range(WRITERS)
    ]  # fmt: skip
    seen = []
    try:
        while any(writer.poll() is None for writer in writers):
            seen.append(len(home.secrets()))
            time.sleep(0.01)
    finally:
        errors = [writer.communicate(timeout=300)[1] for writer in writers]
    assert [writer.returncode for writer in writers] == [0] * WRITERS, errors
    assert "".join(errors) == ""
    wanted = {f"key-{number}-{index}" for number in range(WRITERS) for index in range(KEYS_EACH)}
    assert home.secrets() == {name: f"sk-{name}" for name in wanted}
    assert sum(key.is_default for key in home.rows().keys) == 1
    assert seen == sorted(seen)
    assert len(seen) > 3
    ledger = home.place.ledger.open()
    verify(ledger)
    assert ledger.open_intents(home.rows().header.vault_id) == []


def test_eight_commands_at_once_each_add_their_key(make_home: Any) -> None:
    home = make_home()
    words = ["add", "--provider", "openai", "--stdin", "--no-verify"]
    running = [
        subprocess.Popen(
            home.command(*words, f"key-{number}"), env=home.environ(), text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )
        for number in range(WRITERS)
    ]  # fmt: skip
    ended = [process.communicate(f"sk-proj-{number}", timeout=120) for number, process in enumerate(running)]
    assert [process.returncode for process in running] == [0] * WRITERS, ended
    assert home.secrets() == {f"key-{number}": f"sk-proj-{number}" for number in range(WRITERS)}
