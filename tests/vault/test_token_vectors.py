"""Tokens of vault format 1 are frozen: the committed vectors are admitted, or refused, as they say."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import pytest
from vectors import generate, tokens

from aikeys.errors import AikeysError
from aikeys.ledger.verify import verify
from aikeys.secret import Secret
from aikeys.vault.tokens.admission import TokenVerifier
from tests.vault.test_vectors import brought_up, put, schema, tables

if TYPE_CHECKING:
    from pathlib import Path

NAMES = sorted(path.stem for path in generate.TOKENS.glob("*.txt"))
EDITS: dict[str, set[tuple[str, str]]] = {
    "good-with-gateway": set(),
    "expired": set(),
    "typo": set(),
    "other-vault": set(),
    "widened-claims": {("token", name) for name in ("claims", "signature", "checksum")},
    "forged-signature": {("token", name) for name in ("signature", "checksum")},
    "edited-expiry": {("token", name) for name in ("claims", "checksum")},
    "swapped-grant": {("token_grant", name) for name in ("envelope", "checksum")},
}
SAID = {"expired": {"now"}, "typo": {"token"}, "other-vault": {"token"}}


@cache
def read(name: str) -> generate.Vector:
    return generate.read(f"tokens/{name}")


def used(vector: generate.Vector, home: Path) -> dict[str, str]:
    """Return the secrets that a vector's token opens."""
    says, place = vector.says, put(vector, home)
    token_verifier = TokenVerifier(place, place.ledger)
    try:
        gateway = Secret(bytes.fromhex(says["gateway-key"])) if "gateway-key" in says else None
        access = token_verifier.access_of(token_verifier.admit(says["token"], int(says["now"])), gateway)
        keys = [key for key in access.rows.keys if access.holder.claims.reaches(key.id)]
        return {f"secret {key.name}": access.content(key).secret.decode() for key in keys}
    finally:
        token_verifier.close()


@pytest.mark.parametrize("name", NAMES)
def test_a_token_opens_or_is_refused_as_its_vector_says(name: str, tmp_path: Path) -> None:
    vector = read(name)
    says = vector.says
    assert int(says["status"]) == generate.STATUS[says["expect"]]
    if says["expect"] == "ok":
        found = used(vector, tmp_path)
        assert {line: secret for line, secret in found.items() if line in says} == {
            line: says[line] for line in says if line.startswith("secret ")
        }
        return
    with pytest.raises(AikeysError) as caught:
        used(vector, tmp_path)
    assert caught.value.exit_status == int(says["status"])
    assert caught.value.code.replace("_", " ") == says["expect"]
    assert says["token"][10:] not in caught.value.message


def rows(database: bytes) -> dict[str, list[dict[str, Any]]]:
    """Return the rows of every table, tokens by their ids: an edited row may have moved."""
    return {
        table: sorted(found.values(), key=lambda row: repr(list(row.values())[:1]))
        for table, found in tables(database).items()
    }


def edits(before: bytes, after: bytes) -> set[tuple[str, str]]:
    assert schema(before) == schema(after)
    old, new = rows(before), rows(after)
    return {
        (table, name)
        for table, found in old.items()
        for one, other in zip(found, new[table], strict=True)
        for name in one
        if one[name] != other[name]
    }


@pytest.mark.parametrize("name", sorted(EDITS))
def test_a_failing_vector_differs_from_the_good_one_in_one_thing(name: str) -> None:
    good, bad = read("good"), read(name)
    assert edits(good.vault, bad.vault) == EDITS[name]
    assert bad.ledger == good.ledger
    if name != "good-with-gateway":
        said = {line for line in bad.says if good.says.get(line) != bad.says[line]} - {"about", "expect", "status"}
        assert said == SAID.get(name, set())


@pytest.mark.parametrize("name", NAMES)
def test_the_ledger_of_a_vector_verifies(name: str, tmp_path: Path) -> None:
    ledger = put(read(name), tmp_path).ledger.open()
    verify(ledger)
    ledger.close()


def test_the_generator_makes_the_same_rows_again() -> None:
    made = tokens.vectors(generate.kept_envelopes())
    assert sorted(made) == NAMES
    for name, vector in made.items():
        assert vector.says == read(name).says, name
        assert tables(vector.vault) == tables(read(name).vault), name
        assert tables(vector.ledger) == tables(brought_up(read(name).ledger)), name
        assert generate.decode(generate.encode(vector)) == vector


def test_fresh_envelopes_open_too(tmp_path: Path) -> None:
    kept = generate.envelopes(generate.read("success").vault)
    made = tokens.vectors(kept)
    assert edits(read("good").vault, made["good"].vault) == {("token_grant", name) for name in ("envelope", "checksum")}
    assert used(made["good"], tmp_path) == {"secret openai": made["good"].says["secret openai"]}
