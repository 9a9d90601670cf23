"""What is asked is chosen by the environment, in one place."""

from __future__ import annotations

import pytest

from aikeys.cli.ports.acts import ActsHere, ActsThere, acts
from aikeys.errors import TokenRefused
from tests.cli.ports.conftest import Both


def test_this_machine_is_asked_where_no_gateway_is_named(at_home: None) -> None:
    assert isinstance(acts(), ActsHere)


def test_a_gateway_that_is_named_is_asked(both: Both, at_home: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIKEYS_GATEWAY", both.url)
    monkeypatch.setenv("AIKEYS_TOKEN", both.token.text)
    assert isinstance(acts(), ActsThere)


def test_a_gateway_without_a_token_is_refused(both: Both, at_home: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIKEYS_GATEWAY", both.url)
    with pytest.raises(TokenRefused):
        acts()
