"""A reply fits its schema or it does not; a schema that cannot be checked is refused beforehand."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aikeys.errors import UsageError
from aikeys.spending.reply_schema import misfit, read_schema

PLANT = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "properties": {
        "name": {"type": "string", "minLength": 2, "pattern": "^[A-Z]"},
        "height": {"type": "number", "exclusiveMinimum": 0, "maximum": 120},
        "petals": {"type": ["integer", "null"], "multipleOf": 1},
        "kind": {"enum": ["tree", "herb", 1]},
        "parts": {"type": "array", "items": {"$ref": "#/$defs/part"}, "maxItems": 2, "uniqueItems": True},
        "seen": {"anyOf": [{"type": "boolean"}, {"const": "unknown"}]},
    },
    "required": ["name"],
    "additionalProperties": False,
    "$defs": {"part": {"type": "object", "properties": {"inner": {"$ref": "#/$defs/part"}}}},
}


def checked(schema: object, text: str) -> str:
    return misfit(text, read_schema(json.dumps(schema).encode(), "plant.json"))


@pytest.mark.parametrize(
    "text",
    [
        '{"name": "Oak"}',
        ' {"name": "Oak", "height": 0.1, "petals": 3.0, "kind": 1.0, "seen": true}\n',
        '{"name": "Oak", "height": 120, "petals": null, "parts": [{"inner": {"inner": {}}}, {}], "seen": "unknown"}',
    ],
)
def test_a_reply_that_fits(text: str) -> None:
    assert checked(PLANT, text) == ""


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("an oak", "it is not JSON"),
        ('```json\n{"name": "Oak"}\n```', "it is not JSON"),
        ("[]", "it is not of the type object"),
        ("{}", "it lacks name"),
        ('{"name": "O"}', "/name has 1 characters, at least 2 are wanted"),
        ('{"name": "oak"}', "/name does not match its pattern"),
        ('{"name": "Oak", "height": 0}', "/height is too small"),
        ('{"name": "Oak", "height": 1e400}', "/height is too large"),
        ('{"name": "Oak", "height": true}', "/height is not of the type number"),
        ('{"name": "Oak", "petals": 1.5}', "/petals is not of the type integer or null"),
        ('{"name": "Oak", "kind": true}', "/kind is none of the allowed values"),
        ('{"name": "Oak", "parts": [{}, {}]}', "/parts has an item twice"),
        ('{"name": "Oak", "parts": [{"inner": 1}]}', "/parts/0/inner is not of the type object"),
        ('{"name": "Oak", "seen": 0}', "/seen fits none of the alternatives"),
        ('{"name": "Oak", "more": 1}', "/more may not be there"),
    ],
)
def test_a_reply_that_does_not_fit_is_told_where(text: str, why: str) -> None:
    assert checked(PLANT, text) == why


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "strange"},
        {"unevaluatedProperties": False},
        {"properties": {"a": {"dependentRequired": {}}}},
        {"pattern": "("},
        {"$ref": "https://example.com/schema"},
        {"$ref": "#/$defs/none"},
        {"enum": []},
        {"minLength": -1},
        [],
    ],
)
def test_a_schema_that_cannot_be_checked_is_refused(schema: object) -> None:
    with pytest.raises(UsageError, match=r"plant\.json"):
        checked(schema, "1")


def test_a_schema_that_refers_to_itself_for_ever_ends() -> None:
    assert "too deep" in checked({"$ref": "#"}, "1")


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.lists(inner, max_size=3)))
def test_everything_is_what_it_is_and_nothing_else(value: object) -> None:
    text = json.dumps(value)
    assert checked({"const": value}, text) == ""
    assert checked({"not": {"const": value}}, text) != ""
