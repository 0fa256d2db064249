"""Immutable records, without the start-up cost of ``dataclasses`` (measured: 10–20 ms of import).

``class Point(Data): x: int; y: int = 0`` gives a constructor by position or name, equality, hash,
``repr`` and ``replace``.  Type checkers see it as a frozen dataclass.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Self, dataclass_transform
else:

    def dataclass_transform(**_options):
        return lambda cls: cls


@dataclass_transform(frozen_default=True, eq_default=True)
class Data:
    """Base of frozen, comparable records whose fields are the class's annotations, in order."""

    _fields: tuple[str, ...] = ()
    _defaults: dict[str, Any] = {}

    def __init_subclass__(cls) -> None:
        own = tuple(
            name
            for name in cls.__annotations__
            if not name.startswith("_") and name not in cls._fields
        )
        cls._fields = cls._fields + own
        cls._defaults = {
            **cls._defaults,
            **{name: cls.__dict__[name] for name in own if name in cls.__dict__},
        }
        cls.__match_args__ = cls._fields  # type: ignore[attr-defined,misc]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        fields = self._fields
        values = self.__dict__
        if len(args) == len(fields) and not kwargs:  # the common case, made in one go
            values.update(zip(fields, args, strict=False))
            return
        if len(args) > len(fields):
            raise TypeError(f"{type(self).__name__} takes {len(fields)} fields, got {len(args)}")
        values.update(self._defaults)
        values.update(zip(fields, args, strict=False))
        if kwargs:
            for name in kwargs:
                if name not in fields or name in fields[: len(args)]:
                    raise TypeError(f"{type(self).__name__}: unexpected field {name!r}")
            values.update(kwargs)
        if len(values) != len(fields):
            missing = ", ".join(name for name in fields if name not in values)
            raise TypeError(f"{type(self).__name__}: missing {missing}")

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"{type(self).__name__} is immutable; use replace({name}=…)")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"{type(self).__name__} is immutable")

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return self.__dict__ == other.__dict__

    def __hash__(self) -> int:
        return hash((type(self), *(self.__dict__[name] for name in self._fields)))

    def __repr__(self) -> str:
        body = ", ".join(f"{name}={self.__dict__[name]!r}" for name in self._fields)
        return f"{type(self).__name__}({body})"

    def replace(self, **changes: Any) -> Self:
        """A copy with the named fields changed.

        Raises:
            TypeError: a name is not a field.
        """
        return type(self)(**{**{name: self.__dict__[name] for name in self._fields}, **changes})
