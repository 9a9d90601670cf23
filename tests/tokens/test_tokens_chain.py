"""From a token up to the vault: what is accepted, and whom a forgery can hurt."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aikeys import sealing
from aikeys.errors import Damaged, Denied, UsageError
from aikeys.tokens import chain, patterns
from aikeys.tokens.claims import Claims
from aikeys.tokens.token_request import TokenRequest
from tests.tokens.conftest import LEDGER_ID, MAY_ALL, NOW_S, VAULT_ID, VAULT_PRIVATE, VAULT_PUBLIC, Made, forge, make

KEYS = tuple(bytes([number] * 8).hex() for number in range(4))
MODELS = ("openai/gpt-5", "openai/gpt-5-mini", "anthropic/claude", "x/y")
ADDRESSES = ("10.1.2.3", "10.2.0.1", "192.0.2.7", "::1")


def checked(*line: Made) -> tuple[Claims, ...]:
    return chain.checked([made.link for made in line], VAULT_ID, VAULT_PUBLIC)


def all_of(*tokens: Made) -> set[bytes]:
    links = {made.link.id: made.link for made in tokens}
    return set(chain.checked_all(links, VAULT_ID, VAULT_PUBLIC))


def line_of(length: int) -> list[Made]:
    """Return a root, its child, its child …, each allowed to issue."""
    line = [make(1, TokenRequest(scopes=MAY_ALL))]
    while len(line) < length:
        line.append(make(len(line) + 1, TokenRequest(scopes=MAY_ALL), line[-1]))
    return line


def test_a_chain_gives_the_claims_of_a_token_and_of_all_above_it() -> None:
    line = line_of(chain.DEEPEST + 1)
    assert checked(*reversed(line)) == tuple(made.claims for made in reversed(line))
    assert all_of(*line) == {made.claims.id for made in line}


def test_a_tenth_generation_is_refused_and_does_not_take_those_above_it_along() -> None:
    line = line_of(chain.DEEPEST + 4)
    with pytest.raises(Damaged, match="too many"):
        checked(*reversed(line))
    for order in (line, line[::-1], line[5:] + line[:5]):
        assert all_of(*order) == {made.claims.id for made in line[: chain.DEEPEST + 1]}


def test_a_circle_of_parents_is_refused_and_hurts_nobody_else() -> None:
    good = make(9, TokenRequest(scopes=MAY_ALL))
    one, two = make(1, TokenRequest(scopes=MAY_ALL)), make(2, TokenRequest(scopes=MAY_ALL))
    first = forge(one, two.child_key, parent=two.claims.id)
    second = forge(two, one.child_key, parent=one.claims.id)
    own = forge(
        make(3, TokenRequest(scopes=MAY_ALL)),
        make(3, TokenRequest(scopes=MAY_ALL)).child_key,
        parent=good.claims.id[:0],
    )
    with pytest.raises(Damaged):
        checked(*[first, second] * 4)
    with pytest.raises(Damaged):
        checked(first, second)
    assert all_of(first, second, own, good) == {good.claims.id}


ROOT = make(
    1, TokenRequest(scopes=MAY_ALL, keys=KEYS[:2], models=("openai/*",), labels=(("team", "support"),), ttl_s=100)
)
CHILD = make(2, TokenRequest(scopes=("chat:write", "keys:write")), ROOT)
EDITS: dict[str, dict[str, Any]] = {
    "expiry": {"expires_at": NOW_S + 10**6},
    "scope": {"scopes": (*CHILD.claims.scopes, "native:all")},
    "keys": {"keys": ("*",)},
    "models": {"models": ()},
    "labels": {"labels": ()},
    "budget": {"budget_pusd": 5, "ledger_id": LEDGER_ID},
    "parent": {"parent": b""},
    "public key": {"public_key": ROOT.claims.public_key},
    "verifier": {"verifier": ROOT.claims.verifier},
    "child key": {"child_public": ROOT.claims.child_public},
    "name": {"name": "other"},
    "id": {"id": b"12345678"},
    "vault": {"vault_id": b"v" * 16},
    "once": {"is_once": True, "ledger_id": LEDGER_ID},
    "addresses": {"addresses": ("10.0.0.0/8",)},
}


@pytest.mark.parametrize("edit", EDITS)
@pytest.mark.parametrize("which", ["root", "child"])
def test_an_edited_claim_with_the_old_signature_is_damage(edit: str, which: str) -> None:
    made = ROOT if which == "root" else CHILD
    edited = forge(made, VAULT_PRIVATE, **EDITS[edit])
    if edited.claims == made.claims:
        return
    link = edited.link._replace(signature=made.link.signature)
    above = () if which == "root" else (ROOT,)
    with pytest.raises(Damaged):
        checked(Made(made.token, edited.claims, link), *above)


@pytest.mark.parametrize("edit", ["expiry", "scope", "keys", "models", "labels"])
def test_a_wider_child_is_damage_though_its_parent_did_sign_it(edit: str) -> None:
    with pytest.raises(Damaged, match="wider than its parent"):
        checked(forge(CHILD, ROOT.child_key, **EDITS[edit]), ROOT)
    with pytest.raises(Damaged, match="wider than its parent"):
        checked(forge(CHILD, VAULT_PRIVATE, **EDITS[edit]), ROOT)


def test_a_child_of_a_token_that_may_not_issue_is_damage() -> None:
    poor = make(3, TokenRequest(scopes=("chat:write",)))
    with pytest.raises(Damaged, match="may not issue"):
        checked(forge(make(4, TokenRequest(scopes=("chat:write",))), poor.child_key, parent=poor.claims.id), poor)


def test_nobody_but_parent_and_vault_signs_a_child() -> None:
    stranger, own = make(5, TokenRequest(scopes=MAY_ALL)), CHILD.child_key
    for private in (stranger.child_key, own, b"\7" * 32):
        with pytest.raises(Damaged, match="not signed by its issuer"):
            checked(forge(CHILD, private), ROOT)
    with pytest.raises(Damaged, match="not signed by its issuer"):
        checked(forge(ROOT, ROOT.child_key))
    assert checked(forge(CHILD, VAULT_PRIVATE), ROOT)[0] == CHILD.claims


def test_what_is_signed_for_another_purpose_is_no_claim() -> None:
    from aikeys.tokens.claims import encode

    for signed in (encode(ROOT.claims), b"aikeys/1/claims" + encode(ROOT.claims)):
        link = ROOT.link._replace(signature=sealing.sign(VAULT_PRIVATE, signed))
        with pytest.raises(Damaged):
            checked(ROOT._replace(link=link))


def test_a_child_public_key_that_is_none_signs_nothing() -> None:
    weak = forge(ROOT, VAULT_PRIVATE, child_public=b"\0" * 32)
    with pytest.raises(Damaged):
        checked(forge(CHILD, b"\1" * 32), weak)


wishes = st.builds(
    TokenRequest,
    ttl_s=st.one_of(st.none(), st.integers(1, 10_000)),
    scopes=st.lists(st.sampled_from([*MAY_ALL, "usage:own", "budget:write"]), max_size=4).map(
        lambda found: tuple({*found, "keys:write"})
    ),
    keys=st.lists(st.sampled_from(KEYS), max_size=3).map(tuple),
    models=st.lists(st.sampled_from(["*", "openai/*", "openai/gpt-5*", *MODELS]), max_size=2).map(tuple),
    labels=st.dictionaries(st.sampled_from(["team", "user"]), st.sampled_from("ab"), max_size=2).map(
        lambda found: tuple(found.items())
    ),
    addresses=st.lists(st.sampled_from(["0.0.0.0/0", "10.0.0.0/8", "10.1.0.0/16", "::/0"]), max_size=2).map(tuple),
    budget_pusd=st.one_of(st.none(), st.integers(0, 3)),
    rpm=st.one_of(st.none(), st.integers(1, 3)),
    tpm=st.one_of(st.none(), st.integers(1, 3)),
    name=st.just(""),
    kind=st.just(""),
    role=st.just(""),
    is_once=st.just(False),
)


def _least(limit: int | None) -> float:
    return float("inf") if limit is None else limit


def assert_may_no_more(child: Claims, parent: Claims) -> None:
    """Whatever the child may, the parent may: asked of what decides at use, not of `wider`."""
    for scope in (*MAY_ALL, "usage:own", "budget:write", "native:all"):
        assert not child.may(scope) or parent.may(scope)
    for key in KEYS:
        assert not child.reaches(bytes.fromhex(key)) or parent.reaches(bytes.fromhex(key))
    for model in MODELS:
        assert not patterns.allows(child.models, model) or patterns.allows(parent.models, model)
    for address in ADDRESSES:
        assert not patterns.is_from(child.addresses, address) or patterns.is_from(parent.addresses, address)
    assert child.expires_at <= parent.expires_at
    assert set(parent.labels) <= set(child.labels)
    for name in ("budget_pusd", "rpm", "tpm"):
        assert _least(getattr(child, name)) <= _least(getattr(parent, name))
    assert not parent.ledger_id or child.ledger_id == parent.ledger_id


def grown(rolls: Sequence[tuple[int, TokenRequest]]) -> list[tuple[Made, Made | None]]:
    """Return a tree of at most 4 generations below a root, made of those wishes that are granted."""
    trees: list[tuple[Made, Made | None, int]] = [(make(1, TokenRequest(scopes=MAY_ALL, ttl_s=9_000)), None, 0)]
    for number, (at, token_request) in enumerate(rolls, 2):
        parent, _, depth = trees[at % len(trees)]
        if depth == 4:
            continue
        try:
            child = make(number, token_request, parent)
        except (Denied, UsageError):
            continue
        trees.append((child, parent, depth + 1))
    return [(made, parent) for made, parent, _ in trees]


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(st.integers(0, 100), wishes), max_size=14))
def test_in_a_tree_of_four_generations_no_child_may_what_its_parent_may_not(
    rolls: list[tuple[int, TokenRequest]],
) -> None:
    tree = grown(rolls)
    for child, parent in tree:
        if parent is not None:
            assert_may_no_more(child.claims, parent.claims)
    assert all_of(*(made for made, _ in tree)) == {made.claims.id for made, _ in tree}


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(wishes, wishes)
def test_a_forged_child_passes_only_where_it_may_no_more_than_its_parent(one: TokenRequest, two: TokenRequest) -> None:
    """Both are roots' claims; the second is signed as the first one's child."""
    parent, other = make(1, one), make(2, two)
    forged = forge(other, parent.child_key, parent=parent.claims.id)
    try:
        checked(forged, parent)
    except Damaged:
        return
    assert_may_no_more(forged.claims, parent.claims)
