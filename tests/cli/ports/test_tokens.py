"""Tokens are listed, issued and revoked alike on their own machine and through a gateway."""

from __future__ import annotations

import itertools

import pytest

from aikeys.cli.ports.tokens import TokensPort, WantedTokens
from aikeys.cli.ports.tokens_here import TokensHere
from aikeys.cli.ports.tokens_there import TokensThere
from aikeys.cli.render import token_rows
from aikeys.errors import Cancelled, Denied, NotFound, UsageError
from aikeys.tokens.token_request import TokenRequest
from tests.cli.ports.conftest import Both, Pick

TEAMS = (f"red{number}" for number in itertools.count())


def token_request(name: str = "build", team: str = "", **more: object) -> TokenRequest:
    labels = (("team", team),) if team else ()
    return TokenRequest(name=name, kind="app", scopes=("chat:write",), ttl_s=600, labels=labels, **more)  # type: ignore[arg-type]


def never(count: int) -> None:
    raise AssertionError(f"asked about {count} tokens that were named")


class TestTokensContract:
    @pytest.fixture
    def tokens(self, pick: Pick) -> TokensPort:
        return pick(TokensHere, TokensThere)

    def test_what_is_issued_is_listed_until_it_is_revoked(
        self, tokens: TokensPort, capsys: pytest.CaptureFixture[str]
    ) -> None:
        team = {"team": next(TEAMS)}
        made = tokens.issue(token_request(team=team["team"], budget_pusd=250_000_000_000, rpm=5))
        assert made.text.startswith("aik_")
        rows, authenticated = tokens.listed(team, everything=False)
        assert [(row.claims.name, row.claims.rpm, row.state) for row in rows] == [("build", 5, "active")]
        assert authenticated
        tokens.require_whole()
        tokens.revoke(WantedTokens((made.claims.shown_id,), {}), never, keep_children=False)
        assert f"revoked token {made.claims.shown_id} (build)" in capsys.readouterr().err
        assert tokens.listed(team, everything=False).rows == []
        assert [row.state for row in tokens.listed(team, everything=True).rows] == ["revoked"]
        tokens.revoke(WantedTokens((made.claims.shown_id,), {}), never, keep_children=False)
        assert f"token {made.claims.shown_id} (build) was revoked already" in capsys.readouterr().err

    def test_what_nobody_could_be_shown_is_taken_back(self, tokens: TokensPort) -> None:
        team = {"team": next(TEAMS)}
        made = tokens.issue(token_request(team=team["team"]))
        tokens.take_back(made.claims)
        assert [row.state for row in tokens.listed(team, everything=True).rows] == ["revoked"]

    def test_all_of_a_team_are_revoked_after_a_question(
        self, tokens: TokensPort, capsys: pytest.CaptureFixture[str]
    ) -> None:
        red, blue = {"team": next(TEAMS)}, {"team": next(TEAMS)}
        for number, team in enumerate((red, red, blue)):
            tokens.issue(token_request(f"{number}", team["team"]))

        def no(count: int) -> None:
            assert count == 2
            raise Cancelled("nothing was revoked")

        with pytest.raises(Cancelled):
            tokens.revoke(WantedTokens((), red), no, keep_children=False)
        assert len(tokens.listed(red, everything=False).rows) == 2
        asked: list[int] = []
        tokens.revoke(WantedTokens((), red), asked.append, keep_children=False)
        assert asked == [2]
        assert "revoked 2 tokens" in capsys.readouterr().err
        assert tokens.listed(red, everything=False).rows == []
        assert len(tokens.listed(blue, everything=False).rows) == 1

    def test_where_none_is_active_nobody_is_asked(self, tokens: TokensPort, capsys: pytest.CaptureFixture[str]) -> None:
        tokens.revoke(WantedTokens((), {"team": "nobodys"}), never, keep_children=False)
        assert "there is no such token that is active" in capsys.readouterr().err

    def test_a_token_that_there_is_not_is_refused(self, tokens: TokensPort) -> None:
        with pytest.raises(NotFound):
            tokens.revoke(WantedTokens(("no-such-token",), {}), never, keep_children=False)

    def test_a_wish_that_nobody_may_have_is_refused(self, tokens: TokensPort) -> None:
        with pytest.raises((Denied, UsageError, NotFound)):
            tokens.issue(token_request(keys=("no-such-key",)))


def test_both_places_tell_the_same_of_a_token(both: Both, at_home: None) -> None:
    there = TokensThere(both.gateway)
    team = {"team": next(TEAMS)}
    there.issue(token_request("same", **team, rpm=3))
    (mine,) = TokensHere().listed(team, everything=False).rows
    (told,) = there.listed(team, everything=False).rows
    unknown = {"remaining_usd", "last_call_on"}
    fields = [
        {name: value for name, value in token_rows.fields(row).items() if name not in unknown} for row in (mine, told)
    ]
    assert fields[0] == fields[1]


def test_children_are_kept_here_and_by_no_gateway(both: Both, at_home: None) -> None:
    labels = (("team", next(TEAMS)),)
    parent = both.house.issue("chat:write", "keys:write", labels=labels)
    child = both.house.issue("chat:write", parent=parent, labels=labels)
    wanted = WantedTokens((parent.claims.shown_id,), {})
    with pytest.raises(UsageError, match="--keep-children cannot be done through a gateway"):
        TokensThere(both.gateway).revoke(wanted, never, keep_children=True)
    TokensHere().revoke(wanted, never, keep_children=True)
    rows = TokensHere().listed(dict(labels), everything=False).rows
    assert [row.claims.shown_id for row in rows] == [child.claims.shown_id]
