"""`aikeys audit`: whom an act is about stands apart from what it is about, and their tokens are theirs."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from aikeys.budgets.changes import set_budget
from aikeys.budgets.terms import Terms
from aikeys.budgets.who import Who
from aikeys.cli import app
from aikeys.ledger import token_acts
from aikeys.ledger.store import Act
from aikeys.vault.tokens import revoking
from tests.gateway.serving import make_office
from tests.vault.tokens_at_hand import Office


@pytest.fixture
def office(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Office:
    made = make_office(tmp_path, "openai")
    monkeypatch.setenv("AIKEYS_HOME", made.home.place.home)
    monkeypatch.delenv("AIKEYS_TOKEN", raising=False)
    return made


def printed(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    capsys.readouterr()
    assert app.main(["audit", *words]) == 0
    return capsys.readouterr().out


def entries(capsys: pytest.CaptureFixture[str], *words: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(printed(capsys, "--json", *words))["entries"]
    return found


def test_a_tokens_id_and_its_user_stand_apart(office: Office, capsys: pytest.CaptureFixture[str]) -> None:
    token = office.issue("chat:write", labels=(("user", "ben"),)).claims.shown_id
    (row,) = entries(capsys, "--act", "token issue")
    assert (row["subject"], row["person"]) == (token, "ben")
    assert f"{token} (ben)" in " ".join(printed(capsys, "--act", "token issue").split())
    assert f"{token}ben" not in printed(capsys)


def test_a_persons_budget_reads_as_it_is_written(office: Office, capsys: pytest.CaptureFixture[str]) -> None:
    with closing(office.home.place.ledger) as ledger, ledger.open().writing() as writer:
        set_budget(writer, Who("user", "ben"), Terms(1))
    (row,) = entries(capsys, "--act", "budget set")
    assert (row["subject"], row["person"]) == ("user:ben", "ben")
    assert "(ben)" not in printed(capsys, "--act", "budget set")


def test_what_is_done_to_and_with_somebodys_tokens_is_about_them(
    office: Office, capsys: pytest.CaptureFixture[str]
) -> None:
    token, other = (office.issue("chat:write", "keys:write", labels=(("user", name),)) for name in ("ben", "ana"))
    child = office.child(token, "chat:write")
    with closing(office.home.place.ledger) as ledger, ledger.open().writing() as writer:
        for one in (token, other):
            writer.act(Act("access", one.claims.shown_id, "command=report"), "denied")
            writer.act(Act("exec", "openai", f"program=python token={one.claims.shown_id}"))
            writer.act(Act(token_acts.USE, one.claims.shown_id))
    revoking.revoke(office.home.place, [child.claims.id, token.claims.id, other.claims.id])
    found = [(row["act"], row["subject"]) for row in entries(capsys, "--who", "ben")]
    mine, below = token.claims.shown_id, child.claims.shown_id
    assert found == [
        ("token issue", mine), ("token issue", below), ("access", mine), ("exec", "openai"), ("token use", mine),
        ("token revoke", below), ("token revoke", mine),
    ]  # fmt: skip
    assert entries(capsys, "--who", "nobody") == []


def test_a_child_that_is_kept_is_still_somebodys(office: Office, capsys: pytest.CaptureFixture[str]) -> None:
    parent = office.issue("chat:write", "keys:write", labels=(("user", "ben"),))
    office.child(parent, "chat:write")
    revoking.take_over_children(office.home.place, office.home.open(), parent.claims.id)
    assert [row["person"] for row in entries(capsys, "--act", "token issue")] == ["ben", "ben", "ben"]
