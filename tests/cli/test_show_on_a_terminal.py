"""`show --reveal` where somebody reads and copies it."""

from __future__ import annotations

import pytest

from tests.conftest import Aikeys, canary


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_revealed_secret_stands_whole_on_a_line_of_its_own(ready_home: Aikeys) -> None:
    pexpect = pytest.importorskip("pexpect")
    secret = canary("x" * 150)
    ready_home.add("openai", secret)
    words = ready_home.argv("show", "openai", "--reveal")
    child = pexpect.spawn(
        words[0], words[1:], env=ready_home.env({"COLUMNS": "60"}), timeout=30, encoding="utf-8", dimensions=(24, 60)
    )
    assert secret in child.read().split("\r\n")
    child.close()
