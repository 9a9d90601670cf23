"""A doorkeeper in an event loop looks at vault and ledger once in a turn, and anew in the next one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from aikeys import clock
from aikeys.errors import Damaged, TokenRefused
from aikeys.vault.tokens import revoking
from aikeys.vault.tokens.admission import TokenVerifier
from tests.vault.tokens_at_hand import Office


@pytest.fixture
def office(make_home: Any) -> Office:
    home = make_home()
    home.add("openai", "sk-A")
    return Office(home)


class Turns:
    """Keeps what is to be called at the end of a turn, as a loop's call_soon does."""

    def __init__(self) -> None:
        self._waiting: list[Callable[[], None]] = []

    def at_end(self, callback: Callable[[], None]) -> None:
        self._waiting.append(callback)

    def end(self) -> int:
        waiting, self._waiting = self._waiting, []
        for callback in waiting:
            callback()
        return len(waiting)


def test_a_revocation_is_noticed_in_the_next_turn(office: Office) -> None:
    mine, turns, place = office.issue(), Turns(), office.home.place
    token_verifier = TokenVerifier(place, place.ledger, bytes, turns.at_end)
    token_verifier.admit(mine.text, clock.now_s())
    revoking.revoke(place, [mine.claims.id])
    turns.end()
    with pytest.raises(TokenRefused, match="revoked"):
        token_verifier.admit(mine.text, clock.now_s())
    token_verifier.close()


def test_a_revocation_that_only_the_ledger_holds_is_noticed_in_the_next_turn(office: Office) -> None:
    mine, turns, place = office.issue(), Turns(), office.home.place
    token_verifier = TokenVerifier(place, place.ledger, bytes, turns.at_end)
    token_verifier.admit(mine.text, clock.now_s())
    revoking.revoke(place, [mine.claims.id])
    office.run("DELETE FROM revocation")
    turns.end()
    with pytest.raises(Damaged, match="its revocation was removed"):
        token_verifier.admit(mine.text, clock.now_s())
    token_verifier.close()


def test_one_turn_looks_once_and_other_tokens_are_asked_for_on_their_own(office: Office) -> None:
    mine, other, turns, place = office.issue(), office.issue(), Turns(), office.home.place
    token_verifier = TokenVerifier(place, place.ledger, bytes, turns.at_end)
    revoking.revoke(place, [other.claims.id])
    for _ in range(3):
        token_verifier.admit(mine.text, clock.now_s())
        assert token_verifier.rows.keys
    with pytest.raises(TokenRefused, match="revoked"):
        token_verifier.admit(other.text, clock.now_s())
    assert turns.end() == 1
    assert turns.end() == 0
    token_verifier.close()


def test_a_token_that_expires_within_a_turn_is_refused_all_the_same(office: Office) -> None:
    mine, turns, place = office.issue(), Turns(), office.home.place
    token_verifier = TokenVerifier(place, place.ledger, bytes, turns.at_end)
    token_verifier.admit(mine.text, clock.now_s())
    with pytest.raises(TokenRefused, match="expired"):
        token_verifier.admit(mine.text, mine.claims.expires_at)
    token_verifier.close()
