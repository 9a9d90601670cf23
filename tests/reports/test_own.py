"""What a token with usage:own sees: never more than its parents could."""

from __future__ import annotations

import pytest

from aikeys.errors import Denied
from aikeys.reports.own import narrowed, own_labels
from aikeys.tokens.claims import Claims

SUPPORT, ACME = ("team", "support"), ("client", "acme")


def claims(number: int, *labels: tuple[str, str], scopes: tuple[str, ...] = ("keys:write", "usage:own")) -> Claims:
    return Claims(
        b"vault", bytes(7) + bytes([number]), b"", "", "", 0, 1, tuple(sorted(scopes)), ("*",), (), tuple(sorted(labels)),
        (), None, None, None, False, b"", bytes(32), bytes(32), bytes(32),
    )  # fmt: skip


def test_a_token_sees_its_labels_and_without_labels_itself() -> None:
    assert own_labels(claims(1, SUPPORT), ()) == (SUPPORT,)
    assert own_labels(claims(1), ()) == (("token", "0000000000000001"),)
    assert own_labels(claims(1, scopes=("usage:read",)), ()) == ()


def test_a_child_sees_no_more_by_labels_that_its_parent_never_had() -> None:
    only_itself = (("token", "0000000000000002"),)
    assert own_labels(claims(2, SUPPORT), (claims(1),)) == only_itself
    assert own_labels(claims(2, SUPPORT, ACME), (claims(1, SUPPORT), claims(0))) == only_itself


def test_a_child_is_narrowed_to_all_of_its_labels() -> None:
    assert own_labels(claims(2, SUPPORT, ACME), (claims(1, SUPPORT),)) == (ACME, SUPPORT)
    assert own_labels(claims(2, SUPPORT), (claims(1, scopes=("keys:write", "usage:read")),)) == (SUPPORT,)


def test_what_somebody_else_spent_is_denied() -> None:
    with pytest.raises(Denied, match="team support"):
        narrowed((("team", ("search",)),), own_labels(claims(1, SUPPORT), ()))
