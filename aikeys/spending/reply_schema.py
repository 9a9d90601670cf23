"""Check of a reply against the JSON schema that was asked for (pure): the part of JSON Schema that providers take.

- A keyword that is not checked here is refused before anything is sent: a reply never passes unchecked. Annotations
  (`title`, `format` and the like) say nothing about validity and are let through.
- `$ref` leads within the schema only. Patterns are Python's, searched anywhere in the text.

Our own because the general library brings four packages, one of them compiled, into a vault.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import cast

from aikeys.errors import UsageError
from aikeys.providers.wire.exact_json import read
from aikeys.providers.wire.values import Json, Unreadable

_DEEPEST = 100
_ANNOTATIONS = (
    *("title", "description", "default", "examples", "example", "format", "deprecated", "readOnly", "writeOnly"),
    *("$schema", "$id", "$comment", "$anchor", "contentEncoding", "contentMediaType"),
)
_TYPES: Mapping[str, Callable[[Json], bool]] = {
    "string": lambda value: isinstance(value, str),
    "boolean": lambda value: isinstance(value, bool),
    "null": lambda value: value is None,
    "array": lambda value: isinstance(value, list),
    "object": lambda value: isinstance(value, dict),
    "number": lambda value: _is_number(value),  # noqa: PLW0108  defined below
    "integer": lambda value: _is_number(value) and _is_whole(cast("Decimal", value)),
}
_ONE = ("additionalProperties", "items", "not", "contains", "propertyNames")
_LISTS = ("anyOf", "oneOf", "allOf", "prefixItems")
_TABLES = ("properties", "patternProperties", "$defs", "definitions")
_COUNTS = ("minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties")
_NUMBERS = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf")


def _are_texts(value: Json) -> bool:
    return isinstance(value, list) and all(isinstance(each, str) for each in value)


def _is_pattern(value: Json) -> bool:
    try:
        return isinstance(value, str) and re.compile(value) is not None
    except (re.error, RecursionError, OverflowError):
        return False


def _is_type(value: Json) -> bool:
    wanted = value if isinstance(value, list) else [value]
    return bool(wanted) and _are_texts(wanted) and all(each in _TYPES for each in wanted)


_FORMS: Mapping[str, Callable[[Json], bool]] = {
    **dict.fromkeys(_ONE, lambda _value: True),
    **dict.fromkeys((*_LISTS, "enum"), lambda value: isinstance(value, list) and bool(value)),
    **dict.fromkeys(_TABLES, lambda value: isinstance(value, dict)),
    **dict.fromkeys(_COUNTS, lambda value: type(value) is int and value >= 0),
    **dict.fromkeys(_NUMBERS, lambda value: _is_number(value)),  # noqa: PLW0108  defined below
    "multipleOf": lambda value: _is_number(value) and cast("int", value) > 0,
    "patternProperties": lambda value: isinstance(value, dict) and all(map(_is_pattern, value)),
    "type": _is_type,
    "const": lambda _value: True,
    "required": _are_texts,
    "pattern": _is_pattern,
    "uniqueItems": lambda value: isinstance(value, bool),
    "$ref": lambda value: isinstance(value, str),
}


def read_schema(data: bytes, name: str) -> Mapping[str, Json]:
    """Return a schema; UsageError where it is none, or asks for what is not checked here. `name` is the file's."""
    try:
        schema = read(data)
    except Unreadable:
        raise UsageError(f"{name} is not JSON", 'give a JSON schema such as {"type": "object", …}') from None
    if not isinstance(schema, dict):
        raise UsageError(f"{name} is not a JSON schema: it is no object", 'for example {"type": "object", …}')
    _check(schema, schema, name, "#")
    return schema


def misfit(text: str, schema: Mapping[str, Json]) -> str:
    """Return where and why a reply does not fit, in a few words; "" where it fits."""
    try:
        value = read(text.encode("utf-8", "surrogatepass"))
    except Unreadable:
        return "it is not JSON"
    try:
        return next(_misfits(value, schema, schema, "", 0), "")
    except (ArithmeticError, RecursionError):
        return "a number in it is beyond what can be checked"


def _check(schema: Json, root: Mapping[str, Json], name: str, place: str) -> None:
    if isinstance(schema, bool):
        return
    if not isinstance(schema, dict):
        raise UsageError(f"{name}: {place} is no schema", "a schema is an object, true or false")
    for word, value in schema.items():
        here = f"{place}/{word}"
        if word in _ANNOTATIONS:
            continue
        if word not in _FORMS:
            raise UsageError(
                f"{name}: {here[:200]} is not checked by aikeys", "leave it out, or check the reply yourself"
            )
        if not _FORMS[word](value):
            raise UsageError(f"{name}: {here[:200]} has a value that is not allowed there", "see json-schema.org")
        if word == "$ref":
            _referred(cast("str", value), root, name)
        for part, inner in _parts(word, value):
            _check(inner, root, name, f"{here}{part}")


def _parts(word: str, value: Json) -> Iterator[tuple[str, Json]]:
    if word in _ONE:
        yield "", value
    elif word in _LISTS:
        yield from ((f"/{position}", each) for position, each in enumerate(cast("list[Json]", value)))
    elif word in _TABLES:
        yield from ((f"/{name}", each) for name, each in cast("dict[str, Json]", value).items())


def _referred(target: str, root: Mapping[str, Json], name: str) -> Json:
    found: Json = root
    for step in target.removeprefix("#").split("/")[1:]:
        word = step.replace("~1", "/").replace("~0", "~")
        if isinstance(found, list) and word.isascii() and word.isdigit() and int(word) < len(found):
            found = found[int(word)]
        elif isinstance(found, dict) and word in found:
            found = found[word]
        else:
            raise UsageError(
                f"{name}: $ref {target[:200]} leads nowhere", "it has to begin with #/ and stay in the file"
            )
    if not target.startswith("#") or target[1:2] not in ("", "/"):
        raise UsageError(f"{name}: $ref {target[:200]} leads out of the file", "it has to begin with #/")
    return found


def _misfits(value: Json, schema: Json, root: Mapping[str, Json], place: str, depth: int) -> Iterator[str]:
    shown = place or "it"
    if depth > _DEEPEST:
        yield f"{shown} is nested too deep to be checked"
    elif schema is False:
        yield f"{shown} may not be there"
    elif isinstance(schema, dict):
        if "$ref" in schema:
            target = _referred(cast("str", schema["$ref"]), root, "the schema")
            yield from _misfits(value, target, root, place, depth + 1)
        yield from (f"{shown} {words}" for words in _of_itself(value, schema))
        yield from _of_choices(value, schema, root, place, depth)
        if isinstance(value, dict):
            yield from _of_object(value, schema, root, place, depth)
        elif isinstance(value, list):
            yield from _of_array(value, schema, root, place, depth)


def _of_itself(value: Json, schema: Mapping[str, Json]) -> Iterator[str]:
    wanted = schema.get("type")
    types = cast("list[str]", wanted if isinstance(wanted, list) else [wanted] if wanted is not None else [])
    if types and not any(_TYPES[each](value) for each in types):
        yield f"is not of the type {' or '.join(types)}"
    if "enum" in schema and not any(_same(value, each) for each in cast("list[Json]", schema["enum"])):
        yield "is none of the allowed values"
    if "const" in schema and not _same(value, schema["const"]):
        yield "is not the allowed value"
    if isinstance(value, str):
        yield from _of_size(len(value), schema, "Length", "characters")
        if "pattern" in schema and re.search(cast("str", schema["pattern"]), value) is None:
            yield "does not match its pattern"
    elif isinstance(value, list):
        yield from _of_size(len(value), schema, "Items", "items")
    elif isinstance(value, dict):
        yield from _of_size(len(value), schema, "Properties", "properties")
    elif _is_number(value):
        yield from _of_number(cast("Decimal", value), schema)


def _of_size(size: int, schema: Mapping[str, Json], what: str, words: str) -> Iterator[str]:
    least, most = schema.get(f"min{what}"), schema.get(f"max{what}")
    if isinstance(least, int) and size < least:
        yield f"has {size} {words}, at least {least} are wanted"
    if isinstance(most, int) and size > most:
        yield f"has {size} {words}, at most {most} are allowed"


def _of_number(value: Decimal, schema: Mapping[str, Json]) -> Iterator[str]:
    limits = {word: cast("Decimal", schema[word]) for word in _NUMBERS if word in schema}
    least, most = limits.get("exclusiveMinimum"), limits.get("exclusiveMaximum")
    if value < limits.get("minimum", value) or (least is not None and value <= least):
        yield "is too small"
    if value > limits.get("maximum", value) or (most is not None and value >= most):
        yield "is too large"
    step = limits.get("multipleOf")
    if step is not None and Decimal(value) % Decimal(step) != 0:
        yield f"is no multiple of {step}"


def _of_choices(
    value: Json, schema: Mapping[str, Json], root: Mapping[str, Json], place: str, depth: int
) -> Iterator[str]:
    def fits(inner: Json) -> bool:
        return next(_misfits(value, inner, root, place, depth + 1), None) is None

    shown = place or "it"
    for inner in cast("list[Json]", schema.get("allOf", [])):
        yield from _misfits(value, inner, root, place, depth + 1)
    if "anyOf" in schema and not any(map(fits, cast("list[Json]", schema["anyOf"]))):
        yield f"{shown} fits none of the alternatives"
    if "oneOf" in schema and sum(map(fits, cast("list[Json]", schema["oneOf"]))) != 1:
        yield f"{shown} does not fit exactly one of the alternatives"
    if "not" in schema and fits(schema["not"]):
        yield f"{shown} is what it may not be"


def _of_object(
    value: Mapping[str, Json], schema: Mapping[str, Json], root: Mapping[str, Json], place: str, depth: int
) -> Iterator[str]:
    for name in cast("list[str]", schema.get("required", [])):
        if name not in value:
            yield f"{place or 'it'} lacks {name}"
    known = cast("dict[str, Json]", schema.get("properties", {}))
    patterns = cast("dict[str, Json]", schema.get("patternProperties", {}))
    for name, each in value.items():
        inner = [known[name]] if name in known else []
        inner += [found for pattern, found in patterns.items() if re.search(pattern, name)]
        if not inner:
            inner = [schema.get("additionalProperties", True)]
        for found in inner:
            yield from _misfits(each, found, root, f"{place}/{name}", depth + 1)
        if "propertyNames" in schema:
            yield from _misfits(name, schema["propertyNames"], root, f"{place}/{name}", depth + 1)


def _of_array(
    value: list[Json], schema: Mapping[str, Json], root: Mapping[str, Json], place: str, depth: int
) -> Iterator[str]:
    first = cast("list[Json]", schema.get("prefixItems", []))
    for position, each in enumerate(value):
        inner = first[position] if position < len(first) else schema.get("items", True)
        yield from _misfits(each, inner, root, f"{place}/{position}", depth + 1)
    if schema.get("uniqueItems") and any(_same(one, other) for n, one in enumerate(value) for other in value[:n]):
        yield f"{place or 'it'} has an item twice"
    if "contains" in schema and all(
        next(_misfits(each, schema["contains"], root, place, depth + 1), None) for each in value
    ):
        yield f"{place or 'it'} lacks an item that it has to contain"


def _is_whole(value: Decimal | int) -> bool:
    if isinstance(value, int):
        return True
    exponent = value.as_tuple().exponent
    return isinstance(exponent, int) and (exponent >= 0 or value == value.to_integral_value())


def _is_number(value: Json) -> bool:
    return isinstance(value, int | Decimal) and not isinstance(value, bool)


def _same(one: Json, other: Json) -> bool:
    """JSON's equality: 1 is 1.0, and true is not 1."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_same, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same(one[name], other[name]) for name in one)
    return type(one) is type(other) and one == other if isinstance(one, str) or one is None else one == other
