"""The record is typing's NamedTuple in everything that this program uses of it."""

from __future__ import annotations

import typing
from typing import Any

import pytest

from aikeys.storage import record


class Quick(record.NamedTuple):
    """With a method and a default."""

    name: str
    count: int
    tags: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        return f"{self.name}×{self.count}"


class Plain(typing.NamedTuple):
    name: str
    count: int
    tags: tuple[str, ...] = ()


BOTH = pytest.mark.parametrize("kind", [Quick, Plain])


@BOTH
def test_values_come_by_place_by_name_and_by_default(kind: Any) -> None:
    assert kind("a", 1) == kind("a", count=1) == kind(count=1, name="a") == ("a", 1, ())
    assert kind("a", 1, ("x",)).tags == ("x",)
    assert kind._fields == kind.__match_args__ == ("name", "count", "tags")


@BOTH
@pytest.mark.parametrize(
    ("values", "named"), [(("a",), {}), (("a", 1, (), 4), {}), (("a", 1), {"name": "b"}), (("a", 1), {"colour": 1})]
)
def test_wrong_arguments_are_refused(kind: Any, values: tuple[Any, ...], named: dict[str, Any]) -> None:
    with pytest.raises(TypeError):
        kind(*values, **named)


@BOTH
def test_a_value_is_replaced_in_a_copy_only(kind: Any) -> None:
    first = kind("a", 1)
    assert first._replace(count=2) == ("a", 2, ())
    assert type(first._replace(count=2)) is kind
    assert first._asdict() == {"name": "a", "count": 1, "tags": ()}
    with pytest.raises((TypeError, ValueError)):
        first._replace(colour=1)
    with pytest.raises(AttributeError):
        first.count = 2
    assert first.count == 1


def test_a_record_is_a_tuple_with_a_name() -> None:
    quick = Quick("a", 1)
    assert repr(quick) == "Quick(name='a', count=1, tags=())"
    assert quick.label == "a×1"
    assert hash(quick) == hash(("a", 1, ()))
    with pytest.raises(AttributeError):
        quick.__dict__  # noqa: B018
    match quick:
        case Quick(name, count):
            assert (name, count) == ("a", 1)
