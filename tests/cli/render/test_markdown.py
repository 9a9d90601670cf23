"""Markdown for a CI summary."""

from __future__ import annotations

from aikeys.cli.render.markdown import escaped, markdown
from aikeys.cli.render.sheet import Column, Sheet


def test_a_text_cannot_leave_its_cell_or_become_markup() -> None:
    assert escaped("a|b") == r"a\|b"
    assert escaped("<img src=x>&*_`[x](y)~\\") == r"&lt;img src=x&gt;&amp;\*\_\`\[x\](y)\~" + "\\\\"
    assert escaped("two\nlines\x1b[31m") == "two\\\\nlines\\\\x1b\\[31m"


def test_numbers_stand_to_the_right_and_the_total_is_bold() -> None:
    sheet = Sheet((Column("team", "TEAM"), Column("n", "REQUESTS", is_number=True)), (("a|b", "1"),), ("TOTAL", "1"))
    assert markdown(sheet) == "| Team | Requests |\n| --- | ---: |\n| a\\|b | 1 |\n| **TOTAL** | **1** |"
