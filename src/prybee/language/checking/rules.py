"""Small questions that checks ask, and words that several of them say."""

from __future__ import annotations

from prybee.diagnostics import did_you_mean
from prybee.language import tree
from prybee.language.script import VariableSymbol
from prybee.language.types import (
    AggregationType,
    IntType,
    NoneType,
    PointerType,
    Type,
    VoidType,
    promote,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from prybee.diagnostics import Span


CAST_WARNING = (
    "Expression of type: {} being cast to type: {}. This may cause unexpected results. "
    "Use an explicit cast to suppress this warning."
)

TYPE_AS_VALUE = (
    "When used as a call argument, `typeof` builtin only valid for macro calls that are expecting "
    "a type parameter"
)

LOGICAL = frozenset(("&&", "||"))
COMPARE = frozenset(("==", "!=", "<", ">", "<=", ">="))


def meant(word: str, known: Any) -> tuple[str, ...]:
    """The hint that names what may have been meant; none without near names."""
    found = did_you_mean(word, known)
    return (f"did you mean {' or '.join(repr(name) for name in found)}?",) if found else ()


def plain(message: str) -> str:
    """A message in which macros' variables have the names that are written."""
    if "$" not in message or "." not in message:
        return message
    import re

    return re.sub(r"(\$[A-Za-z_]\w*)\.\d+\b", r"\1", message)


def storable(type_: Type) -> bool:
    """Whether a value of the type can be kept in a map."""
    return not isinstance(type_, NoneType | VoidType | AggregationType) and type_.size > 0


def article(type_: Type) -> str:
    """A value of the type, as a message's subject."""
    return f"A value of type '{type_}'"


def fits_declared(type_: Type, declared: Type) -> bool:
    """Whether a value of ``type_`` can go, unchanged, where ``declared`` is."""
    return promote(declared, type_) == declared or (
        isinstance(declared, PointerType) and isinstance(type_, PointerType)
    )


def holds(type_: IntType, value: int) -> bool:
    """Whether an integer type has ``value`` among its values."""
    bits = type_.width * 8
    if type_.signed:
        return -(1 << (bits - 1)) <= value < 1 << (bits - 1)
    return 0 <= value < 1 << bits


def natural(node: tree.Expression) -> bool:
    """Whether an expression is a literal that takes the sign of the other operand."""
    return isinstance(node, tree.Integer) and node.value >= 0 and not node.suffix.endswith("l")


def first_use(symbol: VariableSymbol, text: str) -> tuple[tuple[str, Span], ...]:
    """The note that shows where a variable came first."""
    return ((text, symbol.span),) if symbol.span is not None else ()
