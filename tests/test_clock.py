"""The zone of this machine."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from aikeys import clock
from aikeys.clock import local_zone


@pytest.mark.parametrize(
    ("given", "zone"),
    [
        ("Europe/Berlin", "Europe/Berlin"),
        (":America/New_York", "America/New_York"),
        ("Etc/UTC", "UTC"),
        ("CET-1CEST", "UTC"),
        ("../../etc/passwd", "UTC"),
    ],
)
def test_tz_names_the_zone_and_what_is_no_zone_means_utc(given: str, zone: str) -> None:
    assert local_zone({"TZ": given}) == zone


@pytest.mark.skipif(not os.path.exists("/usr/share/zoneinfo"), reason="there is no zone data here")
def test_without_tz_the_machine_says_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(os.path, "realpath", lambda _: "/usr/share/zoneinfo/Asia/Tokyo")
    assert local_zone({}) == "Asia/Tokyo"


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("30s", 30), ("30m", 1800), ("24h", 86400), ("2w", 14 * 86400), ("0d", 0), ("999999d", 999999 * 86400)],
)
def test_a_duration_is_a_number_and_a_unit(text: str, seconds: int) -> None:
    assert clock.duration_s(text) == seconds


@pytest.mark.parametrize("text", ["", "d", "3", "3y", "-3d", "1.5h", "\u0663d", "1000000d", "3 d", "3D"])
def test_what_is_no_duration_is_none(text: str) -> None:
    assert clock.duration_s(text) is None
