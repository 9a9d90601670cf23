"""Keys that expire or are due: told when the date comes near and when it has come, once each."""

from __future__ import annotations

import pytest

from aikeys.alerts.key_dates import KeyDates, due_messages
from tests.alerts.servers import NOW_US

NOW_S = NOW_US // 1_000_000
DAY_S = 86400


@pytest.mark.parametrize(
    ("dates", "subject"),
    [
        (KeyDates("openai", "openai", NOW_S, 0, NOW_S + 14 * DAY_S), "key openai expires on 2026-12-07"),
        (KeyDates("openai", "openai", NOW_S, 0, NOW_S + 14 * DAY_S + 1), ""),
        (KeyDates("openai", "openai", NOW_S, 0, NOW_S), "key openai expired on 2026-11-23"),
        (
            KeyDates("openai", "openai", NOW_S - 80 * DAY_S, 90 * DAY_S, 0),
            "key openai is due for rotation on 2026-12-03",
        ),
        (KeyDates("openai", "openai", NOW_S - 70 * DAY_S, 90 * DAY_S, 0), ""),
        (
            KeyDates("openai", "openai", NOW_S - 91 * DAY_S, 90 * DAY_S, 0),
            "key openai has been due for rotation since 2026-11-22",
        ),
        (KeyDates("openai", "openai", NOW_S, 0, 0), ""),
    ],
)
def test_a_date_is_told_when_it_is_near_or_past(dates: KeyDates, subject: str) -> None:
    assert [due.message.subject for due in due_messages([dates], NOW_S)] == ([subject] if subject else [])


def test_the_occasion_changes_when_the_date_comes_and_when_the_key_is_rotated() -> None:
    dates = KeyDates("openai", "openai", NOW_S - 80 * DAY_S, 90 * DAY_S, 0)
    occasions = [due_messages([dates], NOW_S + days * DAY_S)[0].once for days in (0, 5, 11, 30)]
    assert occasions[0] == occasions[1] != occasions[2] == occasions[3]
    rotated = dates._replace(secret_since_s=NOW_S)
    assert due_messages([rotated], NOW_S + 80 * DAY_S)[0].once not in occasions


def test_the_text_says_what_to_type() -> None:
    ((_, message),) = due_messages([KeyDates("openai", "openai", NOW_S, 0, NOW_S + 5 * DAY_S)], NOW_S)
    assert message.text == (
        "The key openai expires on 2026-11-28 (UTC), in 5 days.\n\n"
        "Replace it: aikeys rotate openai\nAll that is due: aikeys list --due\n"
    )
    assert dict(message.facts)["at"] == "2026-11-28T12:00:00Z"


def test_a_key_with_both_dates_gives_both() -> None:
    both = KeyDates("openai", "openai", NOW_S - 90 * DAY_S, 90 * DAY_S, NOW_S + DAY_S)
    assert [dict(due.message.facts)["due"] for due in due_messages([both], NOW_S)] == ["expiry", "rotation"]
