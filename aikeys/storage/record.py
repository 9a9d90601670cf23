"""NamedTuple, made without compiling code: typing's compiles a constructor for each class, and a start of `exec` makes
twenty. To a type checker the two are the same; only modules that `exec` loads use this one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import NamedTuple as NamedTuple  # noqa: PLC0414  re-exported on purpose
else:
    from operator import itemgetter

    class _Maker(type):
        def __new__(cls, name, bases, namespace):
            if bases:
                fields = tuple(namespace.get("__annotations__", ()))
                namespace["_field_defaults"] = {field: namespace.pop(field) for field in fields if field in namespace}
                namespace.update((field, property(itemgetter(at))) for at, field in enumerate(fields))
                namespace["_fields"] = namespace["__match_args__"] = fields
                namespace["__slots__"] = ()
            return super().__new__(cls, name, bases or (tuple,), namespace)

    class NamedTuple(metaclass=_Maker):
        """A tuple whose items have names; fields without a value take their defaults."""

        __slots__ = ()
        _fields = ()
        _field_defaults = {}  # noqa: RUF012

        def __new__(cls, *values, **named):
            if named or len(values) != len(cls._fields):
                values = _completed(cls, values, named)
            return tuple.__new__(cls, values)

        @classmethod
        def _make(cls, values):
            return cls(*values)

        def _replace(self, **changed):
            return type(self)(**{**self._asdict(), **changed})

        def _asdict(self):
            return dict(zip(self._fields, self, strict=True))

        def __repr__(self):
            return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in self._asdict().items())})"

    def _completed(cls, values, named):
        """Return all values of a record, in order; raises TypeError as a call with wrong arguments does."""
        fields = cls._fields
        unknown = [name for name in named if name not in fields[len(values) :]]
        if len(values) > len(fields) or unknown:
            raise TypeError(f"{cls.__name__} got {len(values)} values and the names {', '.join(unknown)}")
        known = {**cls._field_defaults, **dict(zip(fields, values, strict=False)), **named}
        missing = [field for field in fields if field not in known]
        if missing:
            raise TypeError(f"{cls.__name__} lacks {', '.join(missing)}")
        return (known[field] for field in fields)
