"""The life of tokens in a vault: issued, renewed without their secret, copied to another machine, revoked, expired."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aikeys import clock
from aikeys.errors import Denied, TokenRefused, UsageError
from aikeys.ledger import token_acts
from aikeys.tokens.claims import wider
from aikeys.tokens.token_request import TokenRequest
from aikeys.vault import changes, new_ledger
from aikeys.vault.opening import Place
from aikeys.vault.tokens import admission as token_admission
from aikeys.vault.tokens import issuing, revoking
from tests.vault.conftest import NOW_S, new_key
from tests.vault.tokens_at_hand import MAY_ISSUE, Office


@pytest.fixture
def office(make_home: Any) -> Office:
    home = make_home()
    home.add("openai", "sk-A")
    home.add("work", "sk-B")
    return Office(home)


def granted(office: Office) -> set[tuple[bytes, str, int]]:
    """Return which token holds a grant for which version of which key."""
    names = {key.id: key.name for key in office.home.rows().keys}
    return {(row.token_id, names[row.key_id], row.version) for row in office.rows().grants}


# renewal


def test_a_rotation_renews_the_grants_of_a_thousand_tokens_and_of_nobody_else(office: Office) -> None:
    place = office.home.place
    office.many(1000)
    others = office.issue(keys=("work",))
    revoked, idle = office.issue(keys=("openai",)), office.issue("usage:read")
    revoking.revoke(place, [revoked.claims.id])
    told: list[tuple[int, int]] = []
    from aikeys.ledger.store import Act
    from aikeys.vault.writing import write

    new = changes.Replacement(b"sk-A2", False, 0)
    write(
        place, office.home.open(), Act("rotate", "openai"),
        lambda vault: changes.replace_secret(vault, "openai", new, NOW_S, os.urandom),
        advance=lambda done, of: told.append((done, of)),
    )  # fmt: skip
    found = granted(office)
    assert len([row for row in found if row[1:] == ("openai", 2)]) == 1000
    assert {row for row in found if row[1] != "openai"} == {(others.claims.id, "work", 1)}
    assert not {revoked.claims.id, idle.claims.id} & {row[0] for row in found}
    assert (told[0], told[-1]) == ((0, 1000), (1000, 1000))
    assert told == sorted(told)


def test_a_vault_with_a_new_key_keeps_its_grants(office: Office) -> None:
    mine, before = office.issue(), granted(office)
    office.home.change("passphrase", lambda vault: changes.rekey(vault, os.urandom))
    assert granted(office) == before
    assert (office.secret(mine), office.secret(mine, "work")) == ("sk-A", "sk-B")


def test_another_base_url_renews_grants(office: Office) -> None:
    mine = office.issue()
    key = office.home.rows().key_named("openai")
    assert key is not None
    edit = changes.Edit(key.id, lambda same: same, base_url="https://other.invalid/v1")
    office.home.change("edit", lambda vault: changes.edit_key(vault, edit, os.urandom))
    assert (mine.claims.id, "openai", 2) in granted(office)
    assert len(granted(office)) == 2
    assert office.secret(mine) == "sk-A"


def test_another_name_renews_grants(office: Office) -> None:
    mine = office.issue(keys=("openai",))
    key = office.home.rows().key_named("openai")
    assert key is not None
    edit = changes.Edit(key.id, lambda row: row._replace(name="main"))
    office.home.change("edit", lambda vault: changes.edit_key(vault, edit, os.urandom))
    assert office.secret(mine, "main") == "sk-A"


def test_a_new_key_goes_to_tokens_for_all_keys_only(office: Office) -> None:
    every, named = office.issue(), office.issue(keys=("openai",))
    office.home.add("third", "sk-C")
    assert office.secret(every, "third") == "sk-C"
    with pytest.raises(Denied, match="not for the key third"):
        office.secret(named, "third")
    assert {row[0] for row in granted(office) if row[1] == "third"} == {every.claims.id}


def test_a_re_created_name_is_a_new_key(office: Office) -> None:
    named = office.issue(keys=("openai",))
    office.home.change("revoke", lambda vault: changes.remove_key(vault, "openai"))
    assert granted(office) == set()
    office.home.add("openai", "sk-new")
    with pytest.raises(Denied, match="not for the key openai"):
        office.secret(named)


def test_an_administration_key_is_granted_to_nobody(office: Office) -> None:
    every = office.issue()
    admin = new_key("admin", "sk-admin")._replace(is_admin=True)
    office.home.change("add", lambda vault: changes.add_key(vault, admin, NOW_S, os.urandom))
    after = office.issue(keys=("admin",))
    assert not [row for row in granted(office) if row[1] == "admin"]
    for token in (every, after):
        with pytest.raises(Denied, match="administration key"):
            office.secret(token, "admin")
    new = changes.Replacement(b"sk-admin", True, 0)
    office.home.change("rotate", lambda vault: changes.replace_secret(vault, "openai", new, NOW_S, os.urandom))
    assert not [row for row in granted(office) if row[1] == "openai"]


def test_undoing_a_rotation_gives_the_earlier_secret_back(office: Office) -> None:
    mine = office.issue(keys=("openai",))
    office.rotate("openai", "sk-A2", grace_until=NOW_S + 100)
    assert office.secret(mine) == "sk-A2"
    office.home.change("rotate", lambda vault: changes.undo_rotation(vault, "openai", lambda _: False, NOW_S))
    assert office.secret(mine) == "sk-A"
    assert granted(office) == {(mine.claims.id, "openai", 1)}


def test_a_compromise_ends_every_token(office: Office) -> None:
    mine, opened = office.issue(), office.home.open()
    survivor = (opened.method_id, office.home.key)
    office.home.change("passphrase", lambda vault: changes.renew_everything(vault, survivor, os.urandom))
    with pytest.raises(TokenRefused, match="before it was compromised"):
        office.admit(mine)
    assert granted(office) == set()
    assert office.secret(office.issue()) == "sk-A"


# copies


def test_a_copy_of_the_vault_and_a_token_are_enough(office: Office, tmp_path: Path) -> None:
    mine, limited = office.issue(keys=("openai",)), office.issue(budget_pusd=10**12)
    once, fast = office.issue(is_once=True), office.issue(rpm=5)
    copy = office.copy(tmp_path / "ci")
    assert copy.secret(mine) == "sk-A"
    copy.home.place.ledger.open_or_create(os.urandom(16))
    assert copy.secret(mine) == "sk-A"
    for each in (limited, once, fast):
        with pytest.raises(TokenRefused, match="budget, a rate limit or a single use, which only the ledger"):
            copy.admit(each)
    with pytest.raises(TokenRefused, match="expired"):
        copy.admit(mine, mine.claims.expires_at)
    revoking.revoke(office.home.place, [mine.claims.id])
    assert copy.secret(mine) == "sk-A"
    with pytest.raises(TokenRefused, match="revoked"):
        office.copy(tmp_path / "ci").admit(mine)


def test_a_fresh_copy_brings_the_new_secret_and_an_old_one_keeps_the_old(office: Office, tmp_path: Path) -> None:
    mine = office.issue(keys=("openai",))
    copy = office.copy(tmp_path / "ci")
    office.rotate("openai", "sk-A2")
    assert copy.secret(mine) == "sk-A"
    assert office.copy(tmp_path / "ci").secret(mine) == "sk-A2"


def test_a_token_verifier_sees_what_changes_while_it_is_at_work(office: Office, tmp_path: Path) -> None:
    mine, now_s = office.issue(keys=("openai",)), clock.now_s()
    copy = office.copy(tmp_path / "ci")
    for place in (office.home.place, copy.home.place):
        token_verifier = token_admission.TokenVerifier(place, place.ledger)
        token_verifier.admit(mine.text, now_s)
        _replace_or_revoke(office, place, mine, tmp_path)
        with pytest.raises(TokenRefused, match="revoked"):
            token_verifier.admit(mine.text, now_s)
        token_verifier.close()


def _replace_or_revoke(office: Office, place: Place, mine: issuing.Issued, tmp_path: Path) -> None:
    if place == office.home.place:
        revoking.revoke(place, [mine.claims.id])
    else:
        fresh = office.copy(tmp_path / "fresh").home.vault
        os.replace(fresh, place.vault.path)


def test_a_token_for_a_single_use_is_used_once(office: Office) -> None:
    once = office.issue(is_once=True)
    with office.home.place.ledger.open().writing() as writer:
        token_acts.use_up(writer, once.claims.shown_id)
    with pytest.raises(TokenRefused, match="it was used"):
        office.admit(once)
    with pytest.raises(TokenRefused, match="it was used"), office.home.place.ledger.open().writing() as writer:
        token_acts.use_up(writer, once.claims.shown_id)
    office.rotate("openai", "sk-A2")
    assert not [row for row in granted(office) if row[1:] == ("openai", 2)]


def test_a_new_ledger_hears_of_all_tokens_and_knows_which_are_revoked(office: Office) -> None:
    parent = office.issue(*MAY_ISSUE)
    child, gone = office.child(parent), office.issue()
    limited = office.issue(rpm=5)
    revoking.revoke(office.home.place, [gone.claims.id])
    office.home.ledger.unlink()
    new_ledger.take_new_ledger(office.home.place, office.home.open_rows)
    assert (office.secret(parent), office.secret(child)) == ("sk-A", "sk-A")
    office.run("DELETE FROM revocation")
    with pytest.raises(Exception, match="revocation was removed"):
        office.admit(gone)
    with pytest.raises(TokenRefused, match="another one"):
        office.admit(limited)


# clock


@pytest.mark.parametrize(("before_s", "is_valid"), [(1, True), (0, False), (-1, False)])
def test_a_token_expires_at_its_second(office: Office, before_s: int, is_valid: bool) -> None:
    mine = office.issue(ttl_s=60)
    at = mine.claims.expires_at - before_s
    assert mine.claims.expires_at - mine.claims.issued_at == 60
    if is_valid:
        assert office.admit(mine, at).claims == mine.claims
    else:
        with pytest.raises(TokenRefused, match="expired 20"):
            office.admit(mine, at)


def test_an_expired_token_gets_no_grant_and_prune_deletes_it(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    mine, other = office.issue(ttl_s=60, keys=("openai",)), office.issue(ttl_s=61, keys=("openai",))
    monkeypatch.setattr(clock, "now_s", lambda: mine.claims.expires_at)
    office.rotate("openai", "sk-A2")
    assert granted(office) == {(other.claims.id, "openai", 2)}
    assert revoking.prune(office.home.place, clock.now_s()) == [mine.claims.shown_id]
    assert set(office.rows().links) == {other.claims.id}


# trees

wishes = st.builds(
    TokenRequest,
    ttl_s=st.one_of(st.none(), st.integers(600, 10_000)),
    scopes=st.lists(st.sampled_from(["chat:write", "env:read", "usage:read"]), max_size=3).map(
        lambda found: tuple({*found, "keys:write"})
    ),
    keys=st.lists(st.sampled_from(["openai", "work", "*"]), max_size=2).map(tuple),
    models=st.lists(st.sampled_from(["openai/*", "openai/gpt-5", "*"]), max_size=2).map(tuple),
    labels=st.dictionaries(st.sampled_from(["team", "user"]), st.sampled_from("ab"), max_size=2).map(
        lambda found: tuple(found.items())
    ),
    budget_pusd=st.one_of(st.none(), st.integers(0, 3)),
    name=st.just(""),
    kind=st.just(""),
    role=st.just(""),
    addresses=st.just(()),
    rpm=st.one_of(st.none(), st.integers(1, 3)),
    tpm=st.none(),
    is_once=st.just(False),
)
rolls = st.lists(st.tuples(st.integers(0, 100), wishes), min_size=3, max_size=9)


def grow(office: Office, asked: list[tuple[int, TokenRequest]]) -> dict[bytes, issuing.Issued]:
    """Return a tree of up to 4 generations below a root, made of those wishes that are granted."""
    root = office.issue("chat:write", "env:read", "usage:read", "keys:write", ttl_s=9_000)
    tokens, depth = {root.claims.id: root}, {root.claims.id: 0}
    for at, token_request in asked:
        parent = list(tokens.values())[at % len(tokens)]
        if depth[parent.claims.id] == 4:
            continue
        try:
            child = issuing.issue_child(office.home.place, office.access_of(parent, office.gateway()), token_request)
        except (Denied, UsageError):
            continue
        tokens[child.claims.id] = child
        depth[child.claims.id] = depth[parent.claims.id] + 1
    return tokens


def below(tokens: dict[bytes, issuing.Issued], token_id: bytes) -> set[bytes]:
    found = {token_id}
    for each in tokens.values():  # parents come before their children
        if each.claims.parent in found:
            found.add(each.claims.id)
    return found


def alive(office: Office, tokens: dict[bytes, issuing.Issued]) -> set[bytes]:
    found = set()
    for token_id, each in tokens.items():
        try:
            office.admit(each)
        except TokenRefused:
            continue
        found.add(token_id)
    return found


_numbers = iter(range(10**6))
_TREES = settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)


@_TREES
@given(rolls, st.integers(0, 100))
def test_revoking_any_node_of_a_tree_kills_exactly_its_subtree(
    make_home: Any, asked: list[tuple[int, TokenRequest]], which: int
) -> None:
    home = make_home(f"tree{next(_numbers)}")
    home.add("openai", "sk-A")
    home.add("work", "sk-B")
    office = Office(home)
    tokens = grow(office, asked)
    for each in tokens.values():
        if each.claims.parent:
            assert wider(each.claims, tokens[each.claims.parent].claims) == []
    assert alive(office, tokens) == set(tokens)
    gone = list(tokens)[which % len(tokens)]
    revoking.revoke(home.place, [gone])
    assert alive(office, tokens) == set(tokens) - below(tokens, gone)
    office.rotate("openai", "sk-A2")
    assert {row[0] for row in granted(office)} <= set(tokens) - below(tokens, gone)
    pruned = revoking.prune(home.place, clock.now_s())
    assert {bytes.fromhex(name) for name in pruned} == below(tokens, gone)


@_TREES
@given(rolls, st.integers(0, 100))
def test_keeping_the_children_of_a_node_kills_exactly_the_node(
    make_home: Any, asked: list[tuple[int, TokenRequest]], which: int
) -> None:
    home = make_home(f"kept{next(_numbers)}")
    home.add("openai", "sk-A")
    home.add("work", "sk-B")
    office = Office(home)
    tokens = grow(office, asked)
    gone = list(tokens)[which % len(tokens)]
    moved = revoking.take_over_children(home.place, home.open(), gone)
    assert {claims.id for claims in moved} == {
        token_id for token_id, each in tokens.items() if each.claims.parent == gone
    }
    revoking.revoke(home.place, [gone])
    assert alive(office, tokens) == set(tokens) - {gone}
    for token_id in alive(office, tokens):
        assert office.admit(tokens[token_id]).claims._replace(parent=b"") == tokens[token_id].claims._replace(
            parent=b""
        )
