"""`budget set` and `budget remove` by a token with budget:write: never what limits it, nothing said of what it may not see."""

from __future__ import annotations

from contextlib import closing
from typing import Any, NamedTuple

import pytest

from aikeys import clock
from aikeys.budgets.changes import present_terms, set_budget
from aikeys.budgets.terms import Terms
from aikeys.budgets.who import Who, parse_who
from aikeys.cli import app, authority
from aikeys.ledger.calls import Call, Context, Labels
from aikeys.vault.tokens.issuing import Issued
from tests.gateway.serving import make_office, record
from tests.vault.tokens_at_hand import Office

USD = 10**12
MAY = ("budget:write", "chat:write", "keys:write")
SUPPORT = ("team", "support")


class Said(NamedTuple):
    status: int
    text: str


class Desk:
    """A home with budgets, and commands in this process by whatever token is given."""

    def __init__(self, office: Office, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self.office = office
        self._monkeypatch = monkeypatch
        self._capsys = capsys
        monkeypatch.setenv("AIKEYS_HOME", office.home.place.home)

    def set(self, who: str, usd: int, **terms: Any) -> None:
        with closing(self.office.home.place.ledger) as ledger, ledger.open().writing() as writer:
            set_budget(writer, parse_who(who), Terms(usd * USD, **terms))

    def limit(self, who: str, period: str = "month") -> int | None:
        with closing(self.office.home.place.ledger) as ledger, ledger.open().reading() as connection:
            terms = present_terms(connection, parse_who(who), period)
        return None if terms is None else terms.limit_pusd // USD

    def run(self, token: Issued, *words: str) -> Said:
        self._monkeypatch.setenv("AIKEYS_TOKEN", token.text)
        self._monkeypatch.setattr(authority, "_token_verifier", authority._Keeper())
        self._capsys.readouterr()
        status = app.main(["budget", *words])
        out = self._capsys.readouterr()
        return Said(status, out.out + out.err)


@pytest.fixture
def reserver(tmp_path: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Desk:
    return Desk(make_office(tmp_path, "openai", "spare"), monkeypatch, capsys)


LIMITING = ("org", "team:support", "team:*", "key:openai", "key:*", "token:self", "token:parent", "token:*", "user:ana")


@pytest.mark.parametrize("who", LIMITING)
@pytest.mark.parametrize("labels", [(), (SUPPORT, ("user", "ana"))], ids=["bare", "labelled"])
def test_a_limit_of_its_own_is_lowered_at_most(reserver: Desk, who: str, labels: tuple[tuple[str, str], ...]) -> None:
    parent = reserver.office.issue(*MAY, keys=("openai",), labels=labels)
    token = reserver.office.child(parent, *MAY)
    ids = {"token:self": token.claims.shown_id, "token:parent": parent.claims.shown_id}
    name = f"token:{ids[who]}" if who in ids else who
    limits_it = bool(labels) or who not in ("team:support", "team:*", "user:ana")
    is_reached = not labels or who in ("team:support", "user:ana", *ids)
    reserver.set(name, 10)
    for words, lowered in ((("set", name, "20"), 20), (("set", name, "5", "--at-limit", "warn"), 5)):
        said = reserver.run(token, *words)
        assert (said.status == 0) == (is_reached and not limits_it), said
        assert reserver.limit(name) == (lowered if said.status == 0 else 10)
        reserver.set(name, 10)
    assert reserver.run(token, "set", name, "5").status == (0 if is_reached else 20)
    assert reserver.limit(name) == (5 if is_reached else 10)
    gone = reserver.run(token, "remove", name)
    assert gone.status == (10 if not is_reached else 20 if limits_it else 0), gone
    assert (reserver.limit(name) is None) == (gone.status == 0)


def test_a_budget_of_ones_own_cannot_take_the_place_of_a_narrower_one_for_each(reserver: Desk) -> None:
    token = reserver.office.issue(*MAY)
    mine = f"token:{token.claims.shown_id}"
    reserver.set("token:*", 5, period="total")
    assert reserver.run(token, "set", mine, "100", "--period", "total").status == 20
    assert reserver.run(token, "set", mine, "4", "--period", "total").status == 0
    assert reserver.limit(mine, "total") == 4


def test_a_child_within_its_labels_is_limited_as_it_likes(reserver: Desk) -> None:
    token = reserver.office.issue(*MAY, labels=(SUPPORT,))
    child = reserver.office.child(token, "chat:write")
    name = f"token:{child.claims.shown_id}"
    assert [reserver.run(token, "set", name, usd).status for usd in ("5", "50")] == [0, 0]
    assert reserver.run(token, "remove", name).status == 0
    stranger = reserver.office.issue("chat:write", labels=(("team", "search"),))
    assert reserver.run(token, "set", f"token:{stranger.claims.shown_id}", "1").status in (10, 20)


def test_who_may_not_see_budgets_learns_nothing_by_changing_them(reserver: Desk) -> None:
    context = Context(Labels("search"), "", "openai", "openai", "openai/gpt-4.1")
    record(reserver.office, Call(clock.now_us(), clock.now_us(), context, cost_pusd=3 * USD))
    token = reserver.office.issue("budget:write")
    labelled = reserver.office.issue(*MAY, labels=(SUPPORT,))
    for who in ("team:search", "team:nobody"):
        before = [reserver.run(labelled, "remove", who), reserver.run(labelled, "set", who, "1")]
        if who == "team:search":
            reserver.set(who, 77)
        assert [reserver.run(labelled, "remove", who), reserver.run(labelled, "set", who, "1")] == before
        assert [each.status for each in before] == [10, 20]
    said = reserver.run(token, "set", "team:search", "6")
    assert (said.status, "77" in said.text, "->" in said.text) == (0, False, False)
    assert "no call has been made" not in reserver.run(token, "set", "team:unheard", "6").text
    assert "6" not in reserver.run(token, "remove", "team:search").text
    assert "search" not in reserver.run(token, "remove", "team:saerch").text.replace("saerch", "")


def test_the_owner_changes_every_budget(reserver: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AIKEYS_TOKEN", raising=False)
    from aikeys.cli.budget_rights import rights

    ledger = reserver.office.home.place.ledger.open()
    allowed = rights(ledger)
    with ledger.writing() as writer:
        allowed.require_set(writer, Who("org"), Terms(1))
        allowed.require_remove(writer, "org", None)
    assert allowed.tells(Who("org"))
    ledger.close()


def test_the_beginning_of_somebody_elses_token_id_is_not_completed(reserver: Desk) -> None:
    token = reserver.office.issue("budget:own", "budget:write", "chat:write")
    other = reserver.office.issue("chat:write").claims.shown_id
    unknown = "0" * 6 if not other.startswith("0" * 6) else "1" * 6
    for words in (("check",), ("set",), ("remove",)):
        said = [
            reserver.run(token, *words, f"token:{each}", *(("5",) if words == ("set",) else ()))
            for each in (other[:6], unknown)
        ]
        assert said[0].status == said[1].status == 10, said
        assert said[0].text.replace(other[:6], unknown) == said[1].text
    mine = token.claims.shown_id
    assert f"token:{mine}" in reserver.run(token, "set", f"token:{mine[:6]}", "5").text
