"""What a program reads is JSON, whatever a model wrote."""

from __future__ import annotations

import json

import pytest

from aikeys.cli import terminal
from aikeys.cli.render.json_text import document


@pytest.mark.parametrize(
    "sign", ["\x7f", "\x85", "\xa0", "\u200b", "\u2028", "\ud800", "\U000e0001", "é", "日", "\x1b", "\t"]
)
def test_a_document_is_json_after_the_terminal_made_it_harmless(capsys: pytest.CaptureFixture[str], sign: str) -> None:
    terminal.out(document("aikeys.x/1", text=f"a{sign}b"))
    assert json.loads(capsys.readouterr().out) == {"schema": "aikeys.x/1", "text": f"a{sign}b"}


def test_what_can_be_read_is_left_as_it_is() -> None:
    assert '"déjà 日本 👍"' in document("aikeys.x/1", text="déjà 日本 👍")
