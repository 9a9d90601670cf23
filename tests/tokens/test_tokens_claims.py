"""What is signed of a token: its bytes, and in which dimensions one may be wider than another."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aikeys.errors import Damaged, Denied, UsageError
from aikeys.storage.canonical import pack, unpack
from aikeys.tokens.claims import ALL_KEYS, Claims, decode, encode, wider
from aikeys.tokens.token_request import TokenRequest
from tests.tokens.conftest import LEDGER_ID, MAY_ALL, NOW_S, make

TOKEN = make(1, TokenRequest(scopes=MAY_ALL, labels=(("team", "support"), ("user", "ana")), budget_pusd=10))
KEYS = tuple(bytes([number] * 8).hex() for number in range(3))
ROOT = make(
    2,
    TokenRequest(
        scopes=("chat:write", "keys:write"), keys=KEYS[:2], models=("openai/*",), labels=(("team", "support"),),
        addresses=("10.0.0.0/8",), budget_pusd=10, rpm=10, tpm=10, ttl_s=100,
    ),
)  # fmt: skip
WIDER: dict[str, dict[str, Any]] = {
    "scope env:read": {"scopes": ("chat:write", "env:read")},
    "keys": {"keys": KEYS[1:]},
    "models": {"models": ("anthropic/x", "openai/*")},
    "client addresses": {"addresses": ("10.0.0.0/8", "11.0.0.0/8")},
    "label team": {"labels": (("team", "sales"),)},
    "expiry": {"expires_at": NOW_S + 101},
    "budget": {"budget_pusd": 11},
    "requests per minute": {"rpm": 11},
    "tokens per minute": {"tpm": 11},
    "vault or ledger": {"ledger_id": b"x" * 16},
}
WITHOUT: dict[str, dict[str, Any]] = {
    "keys": {"keys": ALL_KEYS},
    "models": {"models": ()},
    "client addresses": {"addresses": ()},
    "label team": {"labels": ()},
    "budget": {"budget_pusd": None},
    "requests per minute": {"rpm": None},
    "tokens per minute": {"tpm": None},
    "vault or ledger": {"vault_id": b"y" * 16},
}


def test_claims_come_back_as_they_were() -> None:
    for made in (TOKEN, ROOT):
        assert decode(encode(made.claims)) == made.claims


@given(st.data())
def test_no_other_bytes_are_claims(data: st.DataObject) -> None:
    """One bit turned, a byte more or less: either Damaged, or other claims with exactly these bytes."""
    good = encode(TOKEN.claims)
    at = data.draw(st.integers(0, len(good) - 1))
    bit = data.draw(st.integers(0, 7))
    edits = [good[:at] + bytes([good[at] ^ (1 << bit)]) + good[at + 1 :], good[:at] + good[at + 1 :]]
    for edited in [*edits, good[:at], good + b"\0", good[:at] + b"\1" + good[at:]]:
        try:
            found = decode(edited)
        except Damaged:
            continue
        assert found != TOKEN.claims
        assert encode(found) == edited


@given(st.binary(max_size=60))
def test_noise_is_damage(noise: bytes) -> None:
    with pytest.raises(Damaged):
        decode(noise)


@pytest.mark.parametrize(
    "fields",
    [
        {"labels": (("team", "a"), ("team", "b"))},
        {"labels": (("user", "a"), ("team", "b"))},
        {"scopes": ("env:read", "chat:write")},
        {"scopes": ("chat:write", "chat:write")},
        {"keys": ("*", KEYS[0])},
        {"name": "\x1b[2J"},
        {"kind": "a\nb"},
        {"models": ("a/\x07",)},
        {"labels": (("team", "a\x1b"),)},
        {"addresses": ("10.0.0.1/8",)},
        {"addresses": ("nowhere",)},
        {"expires_at": 10**12},
        {"expires_at": -1},
        {"issued_at": 10**30},
        {"budget_pusd": -1},
        {"ledger_id": b""},
        {"public_key": b"short"},
        {"verifier": b""},
        {"child_public": b"x" * 33},
        {"parent": b"abc"},
        {"id": b"abc"},
    ],
)
def test_claims_that_this_program_never_makes_are_damage_however_well_they_are_signed(fields: dict[str, Any]) -> None:
    with pytest.raises(Damaged):
        decode(encode(TOKEN.claims._replace(**fields)))


def test_a_number_written_in_another_way_is_damage() -> None:
    fields = list(unpack(encode(TOKEN.claims)))
    assert fields[15] == 0
    fields[15] = 2
    with pytest.raises(Damaged):
        decode(pack(*fields))
    with pytest.raises(Damaged):
        decode(encode(TOKEN.claims).replace(b"1800000000", b"+180000000"))


@pytest.mark.parametrize("dimension", WIDER)
def test_a_child_that_is_wider_is_told_in_what(dimension: str) -> None:
    assert wider(ROOT.claims, ROOT.claims) == []
    assert wider(ROOT.claims._replace(**WIDER[dimension]), ROOT.claims) == [dimension]


@pytest.mark.parametrize("dimension", WITHOUT)
def test_a_child_without_the_limit_of_its_parent_is_wider(dimension: str) -> None:
    assert wider(ROOT.claims._replace(**WITHOUT[dimension]), ROOT.claims) == [dimension]


def test_a_parent_for_a_single_use_has_no_children() -> None:
    once = make(3, TokenRequest(scopes=("chat:write", "keys:write"), is_once=True))
    with pytest.raises(Denied, match="single use"):
        make(4, TokenRequest(scopes=("chat:write",)), once)
    assert wider(once.claims, once.claims) == ["single use"]


def test_a_child_takes_over_what_it_does_not_narrow() -> None:
    child = make(5, TokenRequest(scopes=("chat:write",)), ROOT).claims
    kept = ("keys", "models", "labels", "addresses", "budget_pusd", "rpm", "tpm", "expires_at", "ledger_id")
    assert [getattr(child, name) for name in kept] == [getattr(ROOT.claims, name) for name in kept]
    assert (child.parent, child.ledger_id) == (ROOT.claims.id, LEDGER_ID)


def test_without_keys_write_nobody_issues() -> None:
    with pytest.raises(Denied, match="keys:write"):
        make(6, TokenRequest(), make(7, TokenRequest(scopes=("chat:write",))))


@pytest.mark.parametrize(
    "token_request",
    [
        TokenRequest(labels=(("team", "a\x1b[2J"),)),
        TokenRequest(labels=(("", "a"),)),
        TokenRequest(name="a\nb"),
        TokenRequest(models=("gpt-4",)),
        TokenRequest(addresses=("nowhere",)),
        TokenRequest(ttl_s=0),
        TokenRequest(rpm=0),
        TokenRequest(kind="robot"),
        TokenRequest(role="king"),
    ],
)
def test_a_request_that_cannot_be_is_refused_before_anything_is_signed(token_request: TokenRequest) -> None:
    with pytest.raises(UsageError):
        make(8, token_request)


def test_no_presentation_of_claims_holds_a_secret() -> None:
    assert TOKEN.token.secret.reveal().hex() not in repr(TOKEN.claims) + encode(TOKEN.claims).hex()
    assert isinstance(TOKEN.claims, Claims)
