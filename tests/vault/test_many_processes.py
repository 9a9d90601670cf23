"""Many processes at one vault."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import pytest

from aikeys.vault import changes
from aikeys.vault.opening import picture
from tests.vault.conftest import Home

_ADD = """
import os, sys
from aikeys.ledger.store import Act
from aikeys.vault import changes
from aikeys.vault.format import Content
import pytest

from aikeys.vault import changes
from aikeys.vault.opening import picture, place_of
from aikeys.vault.unlock.order import Means, open_rows
from aikeys.vault.writing import write
place, worker = place_of(sys.argv[1]), sys.argv[2]
for number in range(25):
    opened = open_rows(picture(place), Means({}, None)).opened
    content = Content(b"sk-CANARY", ("X",), (), "", (), ())
    new = changes.NewKey(f"key-{worker}-{number}", "openai", "", "", "", False, 0, 0, content)
    write(place, opened, Act("add", new.name), lambda vault: changes.add_key(vault, new, 1, os.urandom))
"""


@pytest.fixture
def home(make_home: Callable[..., Home]) -> Home:
    made = make_home()
    for row in made.rows().keys:
        made.change("clear", lambda vault, name=row.name: changes.remove_key(vault, name))
    made.add("openai", "sk-CANARY-openai")
    made.add("groq", "sk-CANARY-groq")
    return made


def test_eight_processes_add_two_hundred_keys_and_no_reader_fails(home: Home) -> None:
    writers = [
        subprocess.Popen([sys.executable, "-c", _ADD, home.place.home, str(number)], stderr=subprocess.PIPE)
        for number in range(8)
    ]
    while any(writer.poll() is None for writer in writers):
        picture(home.place)
    assert [(writer.wait(), writer.communicate()[1]) for writer in writers] == [(0, b"")] * 8
    assert len(home.open().rows.keys) == 202
    home.place.ledger.open().verify()
