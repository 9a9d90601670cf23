"""Which budgets budget:write reaches, by a table: the token's labels, those above it, and what limits it already."""

from __future__ import annotations

import pytest

from aikeys.budgets.terms import Terms
from aikeys.budgets.who import Who
from aikeys.tokens.claims import Claims
from aikeys.tokens.limiting import is_narrower, limits, reaches
from tests.tokens.test_tokens_sight import ANA, BOT, PROD, SUPPORT, claims

MAY = ("budget:write", "chat:write")
ORG, TEAM, EACH_TEAM = Who("org"), Who(*SUPPORT), Who("team", is_each=True)
OTHER, KEY, TOKEN = Who("team", "search"), Who("key", "openai"), Who("token", "00000000000000ff")


def token(number: int, *labels: tuple[str, str], scopes: tuple[str, ...] = MAY) -> Claims:
    return claims(number, *labels, scopes=scopes)


@pytest.mark.parametrize("who", [ORG, TEAM, EACH_TEAM, OTHER, KEY, TOKEN], ids=str)
def test_without_labels_every_budget_is_reached(who: Who) -> None:
    assert reaches((token(1),), who, None)


@pytest.mark.parametrize(
    ("who", "target", "expected"),
    [
        (TEAM, None, True), (Who(*BOT), None, True), (Who(*PROD), None, True), (Who(*ANA), None, False),
        (OTHER, None, False), (ORG, None, False), (KEY, None, False), (EACH_TEAM, None, False),
        (TOKEN, None, False), (TOKEN, (SUPPORT,), False), (TOKEN, (BOT, PROD, SUPPORT, ANA), True),
        (Who("token", is_each=True), None, False), (Who("team", "*"), None, False),
    ],
    ids=str,
)  # fmt: skip
def test_with_labels_only_what_lies_within_them(who: Who, target: tuple[tuple[str, str], ...], expected: bool) -> None:
    assert reaches((token(1, SUPPORT, BOT, PROD),), who, target) is expected


def test_a_label_that_its_issuer_lacked_reaches_nothing() -> None:
    line = (token(2, SUPPORT, BOT), token(1, SUPPORT))
    assert reaches(line, TEAM, None)
    assert not reaches(line, Who(*BOT), None)
    assert reaches((token(2, BOT), token(1)), Who(*BOT), None)


@pytest.mark.parametrize(
    ("who", "expected"),
    [
        (ORG, True), (TEAM, True), (EACH_TEAM, True), (OTHER, False), (KEY, True), (Who("key", "spare"), False),
        (Who("key", is_each=True), True), (Who("project", "bot"), True), (Who("project", is_each=True), True),
        (Who("user", is_each=True), False), (TOKEN, False), (Who("token", f"{1:016x}"), True),
        (Who("token", f"{2:016x}"), True), (Who("token", is_each=True), True),
    ],
    ids=str,
)  # fmt: skip
def test_what_limits_a_token_or_its_parent(who: Who, expected: bool) -> None:
    line = (token(2, SUPPORT, BOT), token(1, SUPPORT))
    assert limits(line, who, lambda _claims, key: key == "openai") is expected


def test_nothing_limits_a_line_that_cannot_spend() -> None:
    line = (token(1, SUPPORT, scopes=("budget:write",)),)
    for who in (ORG, TEAM, KEY, EACH_TEAM, Who("token", f"{1:016x}")):
        assert not limits(line, who, lambda *_: True)


FIVE = Terms(5, "month", "block", (80, 100))
SOFT = FIVE._replace(when_unknown="estimate")


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (None, FIVE, True), (None, None, False), (FIVE, None, False), (FIVE, FIVE, False),
        (FIVE, FIVE._replace(limit_pusd=4), True), (FIVE, FIVE._replace(limit_pusd=6), False),
        (FIVE, FIVE._replace(limit_pusd=4, at_limit="revoke"), True),
        (FIVE, FIVE._replace(limit_pusd=4, at_limit="warn"), False),
        (FIVE._replace(at_limit="revoke"), FIVE._replace(limit_pusd=4), False),
        (FIVE, FIVE._replace(limit_pusd=4, alerts=(100,)), False),
        (FIVE, FIVE._replace(limit_pusd=4, alerts=(50, 80, 100)), True),
        (FIVE, FIVE._replace(limit_pusd=4, when_unknown="estimate"), False),
        (SOFT, SOFT._replace(limit_pusd=4), True), (SOFT, FIVE._replace(limit_pusd=4), True),
    ],
)  # fmt: skip
def test_narrower_is_a_lower_limit_that_refuses_and_tells_no_less(
    before: Terms | None, after: Terms | None, expected: bool
) -> None:
    assert is_narrower(before, after) is expected
