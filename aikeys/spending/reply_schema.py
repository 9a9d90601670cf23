"""Check of a reply against the JSON schema that was asked for (pure), by jsonschema: the extra `aikeys[schema]`.

- Draft 2020-12, unless `$schema` names an older one. `$ref` leads within the schema only: nothing is ever fetched.
- Numbers are exact: 0.3 is a multiple of 0.1, and 3.0 is an integer.
- Without the extra a schema is sent all the same, and a reply only has to be JSON: who asks has to say so
  (`can_check`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from aikeys.errors import UsageError
from aikeys.providers.wire.exact_json import read, write
from aikeys.providers.wire.values import Json, Unreadable

if TYPE_CHECKING:
    from referencing import Resource

_LONGEST_REASON = 300
_NAMING = ("required", "additionalProperties", "dependentRequired")  # their words hold names only


def can_check() -> bool:
    """Tell whether jsonschema is installed."""
    return find_spec("jsonschema") is not None


def read_schema(data: bytes, name: str) -> Mapping[str, Json]:
    """Return a schema; UsageError where it is none, or refers to something outside. `name` is the file's."""
    try:
        schema = read(data)
    except Unreadable:
        raise UsageError(f"{name} is not JSON", 'give a JSON schema such as {"type": "object", …}') from None
    if not isinstance(schema, dict):
        raise UsageError(f"{name} is not a JSON schema: it is not an object", 'for example {"type": "object", …}')
    if can_check():
        _refuse_wrong(schema, name)
    return schema


def misfit(text: str, schema: Mapping[str, Json]) -> str:
    """Return where and why a reply does not fit, in a few words; "" where it fits."""
    try:
        value = read(text.encode("utf-8", "surrogatepass"))
    except Unreadable:
        return "it is not JSON"
    if not can_check():
        return ""
    from jsonschema.exceptions import best_match

    try:
        error = best_match(_validator(schema).iter_errors(value))
    except (ArithmeticError, RecursionError):
        return "it is nested too deep, or a number in it is too large, to be checked"
    return _words(error)[:_LONGEST_REASON] if error else ""


def _words(error: Any) -> str:
    """Return where and why, without what the model wrote."""
    if error.validator in _NAMING:
        return f"{error.json_path}: {error.message}"
    return f"{error.json_path} breaks {error.validator}: {write(error.validator_value).decode()}"


def _refuse_wrong(schema: Mapping[str, Json], name: str) -> None:
    from jsonschema.exceptions import SchemaError
    from referencing.exceptions import Unresolvable

    try:
        _class_of(schema).check_schema(schema)
        for reference, resolver in _references(schema):
            resolver.lookup(reference)
    except SchemaError as wrong:
        reason = f"{wrong.json_path}: {wrong.message}"[:_LONGEST_REASON]
        raise UsageError(f"{name} is not a JSON schema: {reason}", "see json-schema.org") from None
    except Unresolvable as lost:
        hint = "it has to begin with #/ and to name a part of the file"
        raise UsageError(f"{name}: $ref {lost.ref[:200]} leads nowhere in the file", hint) from None
    except RecursionError:
        raise UsageError(f"{name} is nested too deep", "make it flatter") from None


def _references(schema: Mapping[str, Json]) -> Iterator[tuple[str, Any]]:
    """Yield each `$ref` of a schema, and what resolves it."""
    from referencing import Registry

    top = _resource(schema)
    registry: Registry[Any] = Registry().with_resource("", top)
    waiting = [(top, registry.resolver_with_root(top))]
    while waiting:
        part, resolver = waiting.pop()
        reference = part.contents.get("$ref") if isinstance(part.contents, dict) else None
        if isinstance(reference, str):
            yield reference, resolver
        waiting += [(inner, resolver.in_subresource(inner)) for inner in part.subresources()]


def _resource(schema: Mapping[str, Json]) -> Resource[Any]:
    from referencing import Resource
    from referencing.jsonschema import DRAFT202012

    return Resource.from_contents(schema, default_specification=DRAFT202012)


def _class_of(schema: Mapping[str, Json]) -> Any:
    from jsonschema.validators import Draft202012Validator, validator_for

    return validator_for(schema, default=Draft202012Validator)


def _validator(schema: Mapping[str, Json]) -> Any:
    from jsonschema.validators import extend
    from referencing import Registry

    known = _class_of(schema)
    types = known.TYPE_CHECKER.redefine("integer", _is_integer)
    exact = extend(known, type_checker=types)
    return exact(schema, registry=Registry())  # a registry that fetches nothing


def _is_integer(_checker: object, value: object) -> bool:
    if isinstance(value, Decimal):
        return value.is_finite() and value == value.to_integral_value()
    return isinstance(value, int) and not isinstance(value, bool)
