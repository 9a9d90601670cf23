"""Who sees and revokes which token, and which are about to end."""

from __future__ import annotations

import pytest

from aikeys.tokens.token_request import DAY_S, TokenRequest
from aikeys.tokens.visibility import ends_soon, left_text, may_revoke, visible
from tests.tokens.conftest import NOW_S, make

OPERATOR = ("keys:read", "keys:write", "chat:write")
SUPPORT = (("team", "support"),)


def test_a_bearer_sees_itself_and_all_below_it_and_nobody_else() -> None:
    top = make(1, TokenRequest(scopes=("chat:write", "keys:write")))
    child = make(2, TokenRequest(scopes=("chat:write", "keys:write")), top)
    grandchild = make(3, TokenRequest(scopes=("chat:write",)), child)
    stranger = make(4, TokenRequest(scopes=("chat:write",)))
    lines = {
        1: (top.claims,),
        2: (child.claims, top.claims),
        3: (grandchild.claims, child.claims, top.claims),
        4: (stranger.claims,),
    }
    seen = {
        caller: {number for number, line in lines.items() if visible(lines[caller][0], line)} for caller in (1, 2, 3)
    }
    assert seen == {1: {1, 2, 3}, 2: {2, 3}, 3: {3}}


@pytest.mark.parametrize(
    ("own", "theirs", "is_seen"),
    [
        ((), (), True),
        ((), SUPPORT, True),
        (SUPPORT, SUPPORT, True),
        (SUPPORT, (*SUPPORT, ("user", "ana")), True),
        (SUPPORT, (), False),
        (SUPPORT, (("team", "sales"),), False),
        ((*SUPPORT, ("user", "ana")), SUPPORT, False),
    ],
)
def test_with_keys_read_a_bearer_sees_the_tokens_that_carry_all_of_its_labels(
    own: tuple[tuple[str, str], ...], theirs: tuple[tuple[str, str], ...], is_seen: bool
) -> None:
    caller = make(1, TokenRequest(scopes=("keys:read",), labels=own)).claims
    without = make(1, TokenRequest(scopes=("keys:write",), labels=own)).claims
    other = make(2, TokenRequest(scopes=("chat:write",), labels=theirs)).claims
    assert visible(caller, (other,)) is is_seen
    assert not visible(without, (other,))


def test_a_bearer_revokes_what_it_sees_but_for_what_is_above_it() -> None:
    top = make(1, TokenRequest(scopes=OPERATOR, labels=SUPPORT))
    child = make(2, TokenRequest(scopes=OPERATOR), top)
    sibling = make(3, TokenRequest(scopes=("chat:write",)), top)
    line = (child.claims, top.claims)
    assert may_revoke(line, line)
    assert may_revoke(line, (sibling.claims, top.claims))
    assert visible(child.claims, (top.claims,))
    assert not may_revoke(line, (top.claims,))
    reader = make(4, TokenRequest(scopes=("keys:read",), labels=SUPPORT))
    assert not may_revoke((reader.claims,), (reader.claims,))


@pytest.mark.parametrize(
    ("ttl_s", "left_s", "is_told"),
    [
        (30 * DAY_S, 3 * DAY_S, True),
        (30 * DAY_S, 3 * DAY_S + 1, False),
        (30 * DAY_S, 1, True),
        (30 * DAY_S, 0, False),
        (7 * DAY_S, DAY_S, True),
        (7 * DAY_S - 1, DAY_S, False),
        (3600, 60, False),
    ],
)
def test_only_what_was_made_to_last_is_told_of_when_it_ends(ttl_s: int, left_s: int, is_told: bool) -> None:
    claims = make(1, TokenRequest(ttl_s=ttl_s)).claims
    assert ends_soon(claims, NOW_S + ttl_s - left_s) is is_told


@pytest.mark.parametrize(
    ("left_s", "words"),
    [
        (30 * DAY_S, "in 30 days"),
        (30 * DAY_S - 1, "in 30 days"),
        (3 * DAY_S, "in 3 days"),
        (DAY_S, "in 24 hours"),
        (2 * DAY_S - 1, "in 2 days"),
        (3600, "in 60 minutes"),
        (90, "in 90 seconds"),
        (1, "in 1 second"),
        (0, "0 seconds ago"),
        (-2 * DAY_S, "2 days ago"),
    ],
)
def test_when_a_token_ends_is_said_as_a_person_says_it(left_s: int, words: str) -> None:
    assert left_text(NOW_S + left_s, NOW_S) == words
