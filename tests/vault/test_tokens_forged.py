"""Rows of tokens edited, swapped, forged, deleted or put back by someone who recomputes every checksum: 13 or 21."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from typing import Any

import pytest

from aikeys import clock, sealing
from aikeys.errors import AikeysError, Damaged, Denied, TokenRefused
from aikeys.ledger.store import Act
from aikeys.tokens.claims import ALL_KEYS
from aikeys.vault.format import Grant
from aikeys.vault.tokens import revoking
from tests.vault.tokens_at_hand import MAY_ISSUE, Office, child_key, forged_child, signed, taken_apart

FAR = 4_000_000_000
EDITS: dict[str, dict[str, Any]] = {
    "expiry": {"expires_at": FAR},
    "scope": {"scopes": ("chat:write", "env:read", "keys:write", "native:all")},
    "less scope": {"scopes": ("env:read",)},
    "budget": {"budget_pusd": 10**15},
    "no budget": {"budget_pusd": None, "rpm": None, "ledger_id": b""},
    "rate": {"rpm": 10**6},
    "parent": {"parent": b"12345678"},
    "no parent": {"parent": b""},
    "key list": {"keys": ALL_KEYS},
    "no key": {"keys": ()},
    "public key": {"public_key": sealing.public_half(b"\5" * 32)},
    "child key": {"child_public": sealing.signing_public(b"\5" * 32)},
    "verifier": {"verifier": b"\5" * 32},
    "labels": {"labels": (("team", "evil"),)},
    "no labels": {"labels": ()},
    "models": {"models": ()},
    "addresses": {"addresses": ()},
    "once": {"is_once": False},
    "ledger": {"ledger_id": b"l" * 16},
    "vault": {"vault_id": b"v" * 16},
    "name": {"name": "other"},
    "kind": {"kind": "person"},
    "issued": {"issued_at": 5},
}


@pytest.fixture
def office(make_home: Any) -> Office:
    home = make_home()
    home.add("openai", "sk-A")
    home.add("work", "sk-B")
    return Office(home)


def narrow(office: Office) -> Any:
    return office.issue(
        *MAY_ISSUE, keys=("openai",), models=("openai/*",), labels=(("team", "support"),), addresses=("10.0.0.0/8",),
        budget_pusd=10**12, rpm=5, name="mine", kind="ci", is_once=True,
    )  # fmt: skip


@pytest.mark.parametrize("edit", EDITS)
def test_an_edited_claim_is_damage(office: Office, edit: str) -> None:
    mine = narrow(office)
    assert office.secret(mine) == "sk-A"
    row = office.rows().links[mine.claims.id]
    edited = mine.claims._replace(**EDITS[edit])
    if edited == mine.claims:
        edited = edited._replace(parent=b"87654321")
    office.put(signed(edited, child_key(mine))._replace(signature=row.signature))
    with pytest.raises(TokenRefused if edited.parent else Damaged):  # a parent that is not there
        office.admit(mine)


@pytest.mark.parametrize("edit", EDITS)
def test_an_edited_claim_signed_with_all_that_its_bearer_has_is_refused(office: Office, edit: str) -> None:
    mine = narrow(office)
    office.put(signed(mine.claims._replace(**EDITS[edit]), child_key(mine)))
    with pytest.raises((Damaged, TokenRefused)):
        office.admit(mine)


def test_bytes_that_are_no_claims_are_damage(office: Office) -> None:
    mine = office.issue()
    office.put(office.rows().links[mine.claims.id]._replace(claims=b"nonsense"))
    with pytest.raises(Damaged):
        office.admit(mine)
    office.run("UPDATE token SET claims = x'00', checksum = x'0011223344556677'")
    with pytest.raises(Damaged, match="damaged"):
        office.admit(mine)


def test_rows_of_two_tokens_exchanged_are_damage(office: Office) -> None:
    one, two = office.issue(), office.issue(keys=("work",))
    links = office.rows().links
    office.put(links[one.claims.id]._replace(id=two.claims.id))
    with pytest.raises(Damaged, match="another token"):
        office.admit(two)


def test_another_secret_for_the_same_id_is_refused(office: Office) -> None:
    from aikeys.secret import Secret
    from aikeys.tokens import text

    mine = office.issue()
    wrong = text.written(taken_apart(mine)._replace(secret=Secret(os.urandom(32))))
    with pytest.raises(TokenRefused, match="secret") as caught:
        office.admit(mine._replace(text=wrong))
    assert wrong[10:] not in caught.value.message


def test_a_token_of_another_vault_is_refused(office: Office, make_home: Any) -> None:
    other = Office(make_home("other"))
    other.home.add("openai", "sk-other")
    with pytest.raises(TokenRefused, match="another vault"):
        office.admit(other.issue())


def test_a_row_twice_is_damage_and_a_row_gone_is_refused(office: Office) -> None:
    mine = office.issue()
    office.run("INSERT INTO token SELECT * FROM token")
    with pytest.raises(Damaged, match="twice"):
        office.admit(mine)
    office.run("DELETE FROM token")
    with pytest.raises(TokenRefused, match="no token"):
        office.admit(mine)


# grants


def _grants(office: Office, token: bytes) -> list[Grant]:
    return [row for row in office.rows().grants if row.token_id == token]


def test_grants_swapped_between_tokens_open_nothing(office: Office) -> None:
    mine, other = office.issue(keys=("openai",)), office.issue(keys=("openai",))
    (own,), (foreign,) = _grants(office, mine.claims.id), _grants(office, other.claims.id)
    office.put_grants(
        [own, foreign], [own._replace(envelope=foreign.envelope), foreign._replace(envelope=own.envelope)]
    )
    for each in (mine, other):
        with pytest.raises(Damaged):
            office.secret(each)


def test_a_grant_moved_to_another_key_opens_nothing(office: Office) -> None:
    mine = office.issue(keys=("openai", "work"))
    one, two = _grants(office, mine.claims.id)
    office.put_grants([one, two], [one._replace(envelope=two.envelope), two._replace(envelope=one.envelope)])
    for name in ("openai", "work"):
        with pytest.raises(Damaged):
            office.secret(mine, name)


def test_a_foreign_grant_under_ones_own_id_opens_nothing(office: Office) -> None:
    mine, other = office.issue(keys=("openai",)), office.issue(keys=("work",))
    (foreign,) = _grants(office, other.claims.id)
    office.put_grants([], [foreign._replace(token_id=mine.claims.id)])
    with pytest.raises(Denied, match="not for the key"):
        office.secret(mine, "work")


def test_a_grant_of_an_earlier_version_opens_nothing_new(office: Office) -> None:
    mine = office.issue(keys=("openai",))
    (old,) = _grants(office, mine.claims.id)
    office.rotate("openai", "sk-A2")
    (new,) = _grants(office, mine.claims.id)
    office.put_grants([new], [old._replace(version=new.version)])
    with pytest.raises(Damaged):
        office.secret(mine)
    office.put_grants([new], [old])
    with pytest.raises(Denied, match="no grant"):
        office.secret(mine)


def test_a_data_key_of_ones_own_sealed_into_a_grant_is_damage(office: Office) -> None:
    from aikeys.tokens import grants
    from aikeys.vault.token_grants import lock_of

    mine = office.issue(keys=("openai",))
    rows = office.home.rows()
    key = rows.key_named("openai")
    assert key is not None
    own = grants.hand_over(mine.claims, lock_of(rows, key, rows.version_of(key)), os.urandom(32))
    (real,) = _grants(office, mine.claims.id)
    office.put_grants([real], [real._replace(envelope=own)])
    with pytest.raises(Damaged):
        office.secret(mine)


# forged by the holder of another token


def test_a_child_that_the_ledger_never_heard_of_is_damage_so_no_budget_is_escaped(office: Office) -> None:
    """Rightly signed and no wider: but what it spends would not count for its parent."""
    parent = office.issue(*MAY_ISSUE, budget_pusd=10**12)
    child = forged_child(parent)
    office.put(signed(child.claims, child_key(parent)))
    with pytest.raises(Damaged, match="ledger knows of no token"):
        office.admit(child)
    assert office.admit(parent).claims == parent.claims


def test_a_row_forged_under_the_id_of_somebody_else_is_damage(office: Office) -> None:
    parent, other = office.issue(*MAY_ISSUE, budget_pusd=10**12), office.issue()
    child = forged_child(parent)
    stolen = child.claims._replace(id=other.claims.id)
    office.put(signed(stolen, child_key(parent)))
    with pytest.raises((Damaged, TokenRefused)):
        office.admit(other)


@pytest.mark.parametrize(
    "fields",
    [
        {"scopes": ("chat:write", "env:read", "native:all")},
        {"keys": ALL_KEYS},
        {"expires_at": FAR},
        {"models": ()},
        {"labels": ()},
        {"budget_pusd": None},
        {"parent": b""},
    ],
)
def test_a_wider_child_signed_by_its_parents_real_key_is_damage(office: Office, fields: dict[str, Any]) -> None:
    parent = office.issue(
        *MAY_ISSUE, keys=("openai",), models=("openai/*",), labels=(("team", "support"),), budget_pusd=10**12
    )
    child = forged_child(parent, **fields)
    office.put(signed(child.claims, child_key(parent)))
    with office.home.place.ledger.open().writing() as writer:  # also where the ledger was told of it
        writer.act(Act("token issue", child.claims.shown_id, f"parent={parent.claims.shown_id}"))
    with pytest.raises(Damaged):
        office.admit(child)


def test_a_child_of_a_token_without_keys_write_is_damage(office: Office) -> None:
    parent = office.issue("chat:write", "env:read")
    child = forged_child(parent)
    office.put(signed(child.claims, child_key(parent)))
    with pytest.raises(Damaged, match="may not issue"):
        office.admit(child)


def test_a_circle_of_parents_is_damage_and_hurts_nobody_else(office: Office) -> None:
    one, two, good = office.issue(*MAY_ISSUE), office.issue(*MAY_ISSUE), office.issue()
    office.put(signed(one.claims._replace(parent=two.claims.id), child_key(two)))
    office.put(signed(two.claims._replace(parent=one.claims.id), child_key(one)))
    for each in (one, two):
        with pytest.raises(Damaged):
            office.admit(each)
    office.rotate("openai", "sk-A2")
    assert office.secret(good) == "sk-A2"
    found = revoking.read_tokens(office.home.place)
    assert found.wrong == tuple(sorted(each.claims.shown_id for each in (one, two)))


@pytest.mark.parametrize(
    "fields",
    [
        {"public_key": b"\0" * 32},
        {"public_key": b"short"},
        {"addresses": ("nowhere",)},
        {"issued_at": 10**30},
        {"name": "\x1b[2J"},
        {"keys": ("*", "00")},
        {"labels": (("team", "a"), ("team", "b"))},
    ],
)
def test_a_forged_child_that_is_malformed_keeps_nobody_from_anything(office: Office, fields: dict[str, Any]) -> None:
    parent = office.issue(*MAY_ISSUE)
    child = forged_child(parent, **fields)
    office.put(signed(child.claims, child_key(parent)))
    with pytest.raises(AikeysError):
        office.secret(child)
    office.rotate("openai", "sk-A2")
    assert office.secret(parent) == "sk-A2"
    assert parent.claims.id in revoking.read_tokens(office.home.place).chains


def test_a_line_too_long_for_any_issuer_takes_none_of_its_elders_along(office: Office) -> None:
    line = [office.issue(*MAY_ISSUE)]
    for _ in range(12):
        child = forged_child(line[-1])
        office.put(signed(child.claims, child_key(line[-1])))
        line.append(child)
    office.rotate("openai", "sk-A2")
    assert office.secret(line[0]) == "sk-A2"
    found = revoking.read_tokens(office.home.place)
    assert len(found.chains) == 9
    assert line[0].claims.id in found.chains


# revocation


def test_a_deleted_revocation_is_damage_and_brings_no_grant_back(office: Office) -> None:
    mine = office.issue(keys=("openai",))
    before = office.rows()
    assert revoking.revoke(office.home.place, [mine.claims.id])
    with pytest.raises(TokenRefused, match="revoked"):
        office.admit(mine)
    office.rotate("openai", "sk-A2")
    assert _grants(office, mine.claims.id) == []
    office.run("DELETE FROM revocation")
    with pytest.raises(Damaged, match="revocation was removed"):
        office.admit(mine)
    assert revoking.missing_revocations(office.home.place, office.home.place.ledger) == (mine.claims.shown_id,)
    office.rotate("openai", "sk-A3")
    assert _grants(office, mine.claims.id) == []
    office.put_grants([], list(before.grants))
    with pytest.raises(Damaged, match="revocation was removed"):
        office.admit(mine)


def test_on_a_later_copy_a_token_whose_revocation_was_deleted_opens_nothing(office: Office, tmp_path: Any) -> None:
    """The copy has no ledger that knows better: so the rotation must not have granted the new secret."""
    mine = office.issue(keys=("openai",))
    revoking.revoke(office.home.place, [mine.claims.id])
    office.run("DELETE FROM revocation")
    office.rotate("openai", "sk-A2")
    copy = office.copy(tmp_path / "copy")
    with pytest.raises(Denied, match="no grant"):
        copy.secret(mine)


def test_an_older_vault_file_does_not_bring_a_revoked_token_back(office: Office) -> None:
    mine = office.issue()
    old = office.home.vault.read_bytes()
    revoking.revoke(office.home.place, [mine.claims.id])
    office.home.vault.write_bytes(old)
    with pytest.raises(Damaged, match="revocation was removed"):
        office.admit(mine)


def test_pruned_rows_put_back_do_not_bring_a_token_back(office: Office) -> None:
    mine = office.issue()
    before = office.rows()
    revoking.revoke(office.home.place, [mine.claims.id])
    assert revoking.prune(office.home.place, clock.now_s()) == [mine.claims.shown_id]
    office.put(before.links[mine.claims.id])
    office.put_grants([], list(before.grants))
    with pytest.raises(Damaged):
        office.admit(mine)


def test_a_vault_file_from_before_a_rotation_is_damage_at_home(office: Office) -> None:
    mine = office.issue()
    old = office.home.vault.read_bytes()
    office.rotate("openai", "sk-A2")
    office.home.vault.write_bytes(old)
    with pytest.raises(Damaged, match="older"):
        office.admit(mine)


def test_a_revocation_with_a_wrong_checksum_is_damage_not_nothing(office: Office) -> None:
    mine = office.issue()
    revoking.revoke(office.home.place, [mine.claims.id])
    with closing(sqlite3.connect(office.home.vault)) as connection, connection:
        connection.execute("UPDATE revocation SET token_id = x'0000000000000000'")
    with pytest.raises(Damaged):
        office.admit(mine)
