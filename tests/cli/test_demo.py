"""The first command of the README."""

from __future__ import annotations

from tests.conftest import Aikeys


def test_the_demo_ends_well_and_with_its_summary(bare_home: Aikeys) -> None:
    done = bare_home.run("demo")
    assert done.returncode == 0, done.stderr
    assert "demo finished: 2 keys sealed, lent, 1 rotated, 1 revoked, every step recorded" in done.stdout
    assert not bare_home.home.exists()
