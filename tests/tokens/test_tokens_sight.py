"""What the holder of a token may see: never more than its parents could, and what is above by its state alone."""

from __future__ import annotations

import pytest

from aikeys.tokens.claims import Claims
from aikeys.tokens.sight import EVERYTHING, sight_of

SUPPORT, BOT, ACME, ANA = ("team", "support"), ("project", "bot"), ("client", "acme"), ("user", "ana")
PROD = ("environment", "prod")
OWN = ("budget:own", "keys:write", "usage:own")


def claims(number: int, *labels: tuple[str, str], scopes: tuple[str, ...] = OWN) -> Claims:
    return Claims(
        b"vault", bytes(7) + bytes([number]), b"", "", "", 0, 1, tuple(sorted(scopes)), ("*",), (), tuple(sorted(labels)),
        (), None, None, None, False, b"", bytes(32), bytes(32), bytes(32),
    )  # fmt: skip


def name(number: int) -> str:
    return f"token:{number:016x}"


def test_the_owner_sees_everything_and_so_do_the_scopes_for_it() -> None:
    assert sight_of(None) == EVERYTHING
    assert (EVERYTHING.sees_calls, EVERYTHING.sees_budgets, EVERYTHING.tells("org")) == (True, True, True)
    assert sight_of(claims(1, scopes=("usage:read",))).sees_calls
    assert not sight_of(claims(1, scopes=("usage:read",))).sees_budgets
    assert sight_of(claims(1, scopes=("budget:read",))).tells("team:search")


def test_a_token_sees_the_calls_of_its_labels_and_without_labels_its_own_alone() -> None:
    assert sight_of(claims(1, SUPPORT, ACME)).opened == (ACME, SUPPORT)
    assert sight_of(claims(1)).opened == ()
    assert sight_of(claims(1)).token == "0000000000000001"


@pytest.mark.parametrize("above", [(claims(3),), (claims(3, SUPPORT), claims(0))])
def test_a_child_sees_no_more_calls_by_labels_that_its_parent_never_had(above: tuple[Claims, ...]) -> None:
    assert sight_of(claims(2, SUPPORT, ACME), above).opened == ()


def test_a_child_is_narrowed_to_all_of_its_labels() -> None:
    assert sight_of(claims(2, SUPPORT, ACME), (claims(3, SUPPORT),)).opened == (ACME, SUPPORT)
    assert sight_of(claims(2, SUPPORT), (claims(3, scopes=("usage:read",)),)).opened == (SUPPORT,)


def test_the_budgets_of_its_own_labels_are_told_and_those_above_are_not() -> None:
    sight = sight_of(claims(2, SUPPORT, BOT, ANA, ACME, PROD), (claims(1, SUPPORT, BOT, ANA, ACME, PROD),), ["openai"])
    assert set(map(str, sight.own_whos)) == {name(2), "team:support", "project:bot", "user:ana"}
    assert set(map(str, sight.higher_whos)) == {name(1), "org", "key:openai", "environment:prod"}
    for who in ("org", "key:openai", "environment:prod", "team:search", name(1), "team:*", "user:ben"):
        assert not sight.tells(who), who


def test_a_label_that_the_parent_lacks_opens_no_budget_and_is_a_higher_limit() -> None:
    sight = sight_of(claims(2, SUPPORT, BOT), (claims(1, SUPPORT),))
    assert set(map(str, sight.own_whos)) == {name(2), "team:support"}
    assert "project:bot" in map(str, sight.higher_whos)
    all_seeing = claims(1, SUPPORT, scopes=("budget:read", "keys:write"))
    assert sight_of(claims(2, SUPPORT, BOT), (all_seeing,)).tells("project:bot")
    assert [*map(str, sight_of(claims(2, SUPPORT), (claims(1),)).own_whos)] == [name(2)]


def test_what_is_left_of_a_tokens_budget_and_when_it_last_called_are_its_own_or_of_its_labels() -> None:
    bare, labelled = claims(1), claims(2, SUPPORT)
    child, same, other = (claims(3), bare), (claims(4, SUPPORT),), (claims(5, ("team", "search")),)
    sight = sight_of(bare)
    assert [sight.tells_calls_of(line) for line in ((bare,), child, same, other)] == [True, True, False, False]
    assert [sight.tells_budget_of(line) for line in ((bare,), child, same, other)] == [True, True, False, False]
    sight = sight_of(labelled)
    assert [sight.tells_calls_of(line) for line in ((labelled,), same, other)] == [True, True, False]
    assert [sight.tells_budget_of(line) for line in ((labelled,), same, other)] == [True, False, False]
    everything = sight_of(claims(6, scopes=("budget:read", "usage:read")))
    assert all(everything.tells_calls_of(line) and everything.tells_budget_of(line) for line in (child, same, other))
