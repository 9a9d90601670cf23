"""Scopes and roles: what implies what, and that nearly right names are answered with the right one."""

from __future__ import annotations

import pytest

from aikeys.errors import UsageError
from aikeys.tokens import scopes
from aikeys.tokens.token_request import PRESETS


@pytest.mark.parametrize(
    ("role", "expected"),
    [
        ("viewer", {"usage:read"}),
        ("finance", {"usage:read", "budget:read", "audit:read"}),
        ("developer", {"chat:write", "chat:read", "embeddings:write", "usage:own", "budget:own"}),
        (
            "operator",
            {
                *("chat:write", "chat:read", "embeddings:write", "usage:own", "keys:read", "keys:write", "usage:read"),
                *("audit:read", "budget:read", "budget:own"),
            },
        ),
        ("admin", set(scopes.SCOPES) - {"env:read", "native:all"}),
    ],
)
def test_a_role_is_exactly_these_scopes(role: str, expected: set[str]) -> None:
    assert set(scopes.of_role(role)) == expected


def test_no_role_hands_out_raw_keys_or_unlisted_routes() -> None:
    assert not {"env:read", "native:all"} & {scope for each in scopes.ROLES.values() for scope in each}


def test_who_sees_all_usage_sees_its_own() -> None:
    assert scopes.expanded(["usage:read"]) == {"usage:read", "usage:own"}
    assert scopes.expanded(["usage:own"]) == {"usage:own"}
    assert scopes.expanded(["budget:read"]) == {"budget:read", "budget:own"}


def test_every_kind_of_holder_sees_its_own_and_none_sees_others() -> None:
    for preset in PRESETS.values():
        assert {"usage:own", "budget:own"} <= set(preset.scopes)
        assert not {"usage:read", "budget:read", "budget:write"} & set(preset.scopes)
    assert "env:read" in PRESETS["ci"].scopes


def test_scopes_are_sorted_once_each_and_aliases_resolved() -> None:
    assert scopes.parse(["models:read", "chat:write", "chat:read"]) == ("chat:read", "chat:write")


@pytest.mark.parametrize(("wrong", "near"), [("chat:writ", "chat:write"), ("env:raed", "env:read")])
def test_a_typo_in_a_scope_is_answered_with_the_nearest(wrong: str, near: str) -> None:
    with pytest.raises(UsageError) as caught:
        scopes.parse([wrong])
    assert near in str(caught.value.hint)


def test_who_could_grant_a_scope_is_the_smallest_role_first() -> None:
    assert scopes.roles_with("audit:read")[0] == "finance"
    assert scopes.roles_with("budget:own")[0] == scopes.roles_with("usage:own")[0] == "developer"
    assert scopes.roles_with("env:read") == ()
