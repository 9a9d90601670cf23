"""`aikeys help` shows every page of the manual as text, without man, and the help of every command."""

from __future__ import annotations

from pathlib import Path

import pytest

from aikeys.cli import app
from aikeys.cli.render.manual import text_of

MAN = Path(__file__).parents[2] / "man"
PAGES = sorted(path for path in MAN.iterdir() if path.name.endswith((".5", ".7")))


def test_the_migration_page_can_be_copied_from(capsys: pytest.CaptureFixture[str]) -> None:
    assert app.main(["help", "migrate"]) == 0
    shown = capsys.readouterr().out
    assert "\n        aikeys import -r --yes --remove shop\n" in shown
    assert '\n        aikeys use "OPENAI_KEY=openai"\n' in shown
    assert "9. Cut over" in shown
    assert "\\" not in shown


@pytest.mark.parametrize("page", PAGES, ids=[path.name for path in PAGES])
@pytest.mark.parametrize("width", [40, 78])
def test_a_page_is_whole_and_fits(page: Path, width: int) -> None:
    source = page.read_text(encoding="utf-8")
    text = text_of(source, width)
    verbatim = {line.strip() for line in text.splitlines() if len(line) > width}
    assert all(f" {line}" not in f" {' '.join(text.split())} " or line for line in verbatim)
    assert not [line for line in text.splitlines() if line.startswith(".") or "\\f" in line]
    headings = [line[4:].strip('"').replace("\\-", "-") for line in source.splitlines() if line.startswith(".SH ")]
    assert [line for line in text.splitlines() if line in headings] == headings
    for word in ("aikeys", "exit" if "exit" in source else "aikeys"):
        assert source.count(word) <= text.count(word) + source.count("\\") + source.count(".TH")


def test_a_page_is_found_by_its_topic_and_one_of_a_command_by_its_section(capsys: pytest.CaptureFixture[str]) -> None:
    assert app.main(["help", "security"]) == 0
    assert capsys.readouterr().out.startswith("\nNAME\n    aikeys-security - ")
    assert app.main(["help", "gateway", "7"]) == 0
    assert "aikeys-gateway - " in capsys.readouterr().out
    assert app.main(["help"]) == 0
    shown = capsys.readouterr().out
    assert "migrate" in shown
    assert "budget" in shown
    assert app.main(["help", "migrat"]) == 10
    assert "migrate" in capsys.readouterr().err


def test_a_commands_help_is_its_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert app.main(["budget", "set", "--help"]) == 0
    usual = capsys.readouterr().out
    assert app.main(["help", "budget", "set"]) == 0
    assert capsys.readouterr().out == usual
