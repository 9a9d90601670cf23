"""Acts are the same, asked on their own machine or through a gateway."""

from __future__ import annotations

import pytest

from aikeys.cli.ports.acts import ActsHere, ActsPort, ActsThere, WantedActs
from aikeys.errors import UsageError
from aikeys.ledger.ranges import RangeWords
from tests.cli.ports.conftest import Pick


class TestActsContract:
    @pytest.fixture
    def acts(self, pick: Pick) -> ActsPort:
        return pick(ActsHere, ActsThere)

    def test_the_newest_come_last_and_no_more_than_were_asked_for(self, acts: ActsPort) -> None:
        every = acts.newest(100, WantedActs(act="budget set"))
        assert [row["subject"] for row in every] == ["org", "team:support"]
        assert acts.newest(1, WantedActs(act="budget set")) == every[1:]

    def test_a_row_has_every_column_that_is_printed(self, acts: ActsPort) -> None:
        (row,) = acts.newest(1, WantedActs(act="token issue"))
        assert {"id", "at", "actor", "from", "phase", "act", "subject", "person", "status", "detail"} <= set(row)

    def test_acts_are_chosen_by_time_and_by_who_did_them(self, acts: ActsPort) -> None:
        assert acts.newest(10, WantedActs(RangeWords(since="1h"), act="add"))
        assert acts.newest(10, WantedActs(who="nobody-of-that-name")) == []

    def test_a_time_that_is_none_or_has_not_come_is_refused(self, acts: ActsPort) -> None:
        for since in ("yesteryear", "2999-01-01"):
            with pytest.raises(UsageError, match="since"):
                acts.newest(10, WantedActs(RangeWords(since=since)))
