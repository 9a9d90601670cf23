"""Where the home is."""

from __future__ import annotations

import os
import sys

import pytest

from aikeys.cli.home import default_home


@pytest.mark.skipif(sys.platform != "linux", reason="the XDG rules are for Linux")
@pytest.mark.parametrize(
    ("environ", "home"),
    [
        ({"AIKEYS_HOME": "/vaults/a", "HOME": "/home/u"}, "/vaults/a"),
        ({"AIKEYS_HOME": "", "HOME": "/home/u"}, "/home/u/.local/share/aikeys"),
        ({"XDG_DATA_HOME": "/data", "HOME": "/home/u"}, "/data/aikeys"),
        ({"XDG_DATA_HOME": "", "HOME": "/home/u"}, "/home/u/.local/share/aikeys"),
        ({"XDG_DATA_HOME": "relative", "HOME": "/home/u"}, "/home/u/.local/share/aikeys"),
    ],
)
def test_the_home_is_chosen_by_the_environment(environ: dict[str, str], home: str) -> None:
    assert default_home(environ) == home


def test_a_relative_home_is_made_absolute() -> None:
    assert default_home({"AIKEYS_HOME": "vault"}) == os.path.join(os.getcwd(), "vault")
