"""A reply fits its schema or it does not; a schema that cannot be checked is refused beforehand."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aikeys.errors import UsageError
from aikeys.spending import reply_schema
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
        ("[]", '$ breaks type: "object"'),
        ("{}", "$: 'name' is a required property"),
        ('{"name": "O"}', "$.name breaks minLength: 2"),
        ('{"name": "oak"}', '$.name breaks pattern: "^[A-Z]"'),
        ('{"name": "Oak", "height": 0}', "$.height breaks exclusiveMinimum: 0"),
        ('{"name": "Oak", "height": 1e400}', "$.height breaks maximum: 120"),
        ('{"name": "Oak", "height": true}', '$.height breaks type: "number"'),
        ('{"name": "Oak", "petals": 1.5}', '$.petals breaks type: ["integer","null"]'),
        ('{"name": "Oak", "kind": true}', '$.kind breaks enum: ["tree","herb",1]'),
        ('{"name": "Oak", "parts": [{}, {}]}', "$.parts breaks uniqueItems: true"),
        ('{"name": "Oak", "parts": [{"inner": 1}]}', '$.parts[0].inner breaks type: "object"'),
        ('{"name": "Oak", "seen": 0}', '$.seen breaks anyOf: [{"type":"boolean"},{"const":"unknown"}]'),
        ('{"name": "Oak", "more": 1}', "$: Additional properties are not allowed ('more' was unexpected)"),
    ],
)
def test_a_reply_that_does_not_fit_is_told_where(text: str, why: str) -> None:
    assert checked(PLANT, text) == why


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "strange"},
        {"pattern": "("},
        {"$ref": "https://example.com/schema"},
        {"$ref": "#/$defs/none"},
        {"items": {"$ref": "other.json"}},
        {"$ref": "file:///etc/passwd"},
        {"enum": 1},
        {"minLength": -1},
        [],
    ],
)
def test_a_schema_that_cannot_be_checked_is_refused(schema: object) -> None:
    with pytest.raises(UsageError, match=r"plant\.json"):
        checked(schema, "1")


def test_a_schema_that_refers_to_itself_for_ever_ends() -> None:
    assert "too deep" in checked({"$ref": "#"}, "1")


def test_numbers_are_exact() -> None:
    assert checked({"multipleOf": 0.1}, "0.3") == ""
    assert checked({"type": "integer"}, "3.0") == ""
    assert checked({"multipleOf": 0.1}, "0.35") == "$ breaks multipleOf: 0.1"


def test_a_reference_in_data_is_data() -> None:
    assert checked({"enum": [{"$ref": "https://example.com"}]}, '{"$ref": "https://example.com"}') == ""


def test_what_the_model_wrote_is_not_repeated() -> None:
    assert "secret" not in checked({"properties": {"a": {"type": "null"}}}, '{"a": "secret"}')


def test_without_the_extra_a_reply_only_has_to_be_json(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reply_schema, "can_check", lambda: False)
    assert checked({"type": "object"}, "1") == ""
    assert checked({"type": "object"}, "one") == "it is not JSON"
    with pytest.raises(UsageError, match="not an object"):
        checked([], "1")


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.lists(inner, max_size=3)))
def test_everything_is_what_it_is_and_nothing_else(value: object) -> None:
    text = json.dumps(value)
    assert checked({"const": value}, text) == ""
    assert checked({"not": {"const": value}}, text) != ""
