"""Names that no door takes any more, but an old ledger holds: honest, verified, shown quoted, and limited."""

from __future__ import annotations

import pytest

from aikeys.budgets.changes import remove_budget, set_budget
from aikeys.budgets.check import budget_states_of
from aikeys.budgets.store import read_budgets, shown_limited
from aikeys.budgets.terms import Terms
from aikeys.budgets.verify import verify_budgets
from aikeys.budgets.who import parse_who, whos_of
from aikeys.ledger.calls import Context, Labels
from aikeys.ledger.store import Ledger
from aikeys.ledger.verify import verify
from aikeys.money import parse_usd
from tests.budgets.conftest import Time, spend

OLD = ["*", " a ", "a*", "a\x1b[31m", "\u202ea", '"a"', "x" * 300, "e\u0301", "**", "=*", ":*"]


@pytest.mark.parametrize("kind", ["team", "project", "environment", "user"])
@pytest.mark.parametrize("name", OLD)
def test_an_honest_ledger_with_an_old_name_verifies_and_can_limit_it(
    ledger: Ledger, time: Time, kind: str, name: str
) -> None:
    with ledger.writing() as writer:
        set_budget(writer, parse_who(f"{kind}:*"), Terms(parse_usd("10")))
    spend(ledger, "1", **{kind: name})
    spend(ledger, "2", **{kind: "other"})
    verify_budgets(ledger)
    who = parse_who(
        next(one.who for one in budget_states_of(ledger, (), time.at_us) if one.spent_pusd == parse_usd("1"))
    )
    assert (who.name, who.is_each) == (name, False)
    with ledger.writing() as writer:
        set_budget(writer, who, Terms(parse_usd("1.5")))
    spend(ledger, "0.25", **{kind: name})
    spend(ledger, "0.25", **{kind: "other"})
    (standing,) = budget_states_of(ledger, [who], time.at_us)
    assert (standing.spent_pusd, standing.remaining_pusd) == (parse_usd("1.25"), parse_usd("0.25"))
    with ledger.reading() as connection:
        assert {shown_limited(connection, one.who) for one in read_budgets(connection)} == {f"{kind}:*", str(who)}
    verify_budgets(ledger)
    assert verify(ledger).entries
    with ledger.writing() as writer:
        remove_budget(writer, str(who))
    (each,) = (one for one in budget_states_of(ledger, [who], time.at_us))
    assert each.terms is not None
    assert each.terms.limit_pusd == parse_usd("10")
    verify_budgets(ledger)


def test_the_team_called_star_is_not_each_team() -> None:
    assert parse_who("team:*").limited == "team:*"
    assert parse_who('team:"*"').limited == "team=*"
    assert parse_who('team:"*"').somebody == whos_of(Context(Labels("*")), b"")[1] == "team:*"
