"""What is known when compiling: values of expressions whose types are known."""

from __future__ import annotations

from prybee.language import tree
from prybee.language.checking.values import offset_in
from prybee.language.resolve import COMPARE, calculate
from prybee.language.types import IntType, NoneType, is_integer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from prybee.language.checker import Checker

Constant = int | bool | str


def constant(node: tree.Expression, checker: Checker) -> Constant | None:
    """The value of a checked expression; None where only a run can tell (or types are not known).

    Strings have surrogate escapes for bytes that are not UTF-8, as in the tree.
    """
    find = _FIND.get(type(node))
    return find(node, checker) if find is not None else None


def literal(value: Constant, place: tree.Expression) -> tree.Integer | tree.Boolean | tree.String:
    """The literal of a constant, at the place of what it was found for."""
    start, end = place.start, place.end
    if isinstance(value, bool):
        return tree.Boolean(value, start, end)
    if isinstance(value, str):
        return tree.String(value, start, end)
    return tree.Integer(value, "", start, end)


def _literal(node: tree.Integer | tree.Boolean | tree.String, checker: Checker) -> Constant:
    return node.value


def _comptime(node: tree.Comptime, checker: Checker) -> Constant | None:
    return constant(node.operand, checker)


def _sizeof(node: tree.Sizeof, checker: Checker) -> Constant | None:
    type_ = node.subject.type
    return None if type_ is None or isinstance(type_, NoneType) else type_.size


def _offsetof(node: tree.Offsetof, checker: Checker) -> Constant | None:
    type_ = node.subject.type
    if type_ is None or isinstance(type_, NoneType):
        return None
    return offset_in(checker, node, type_)


def _unary(node: tree.Unary, checker: Checker) -> Constant | None:
    value = constant(node.operand, checker)
    if not isinstance(value, int):
        return None
    if node.op == "!":
        return not value
    if node.op == "-":
        return -value
    return ~value & (1 << 64) - 1 if node.op == "~" else None


def _binary(node: tree.Binary, checker: Checker) -> Constant | None:
    left = constant(node.left, checker)
    op = node.op
    if op in ("&&", "||"):
        # The right side need not be known, nor make sense, where the left one decides.
        if left is not None and bool(left) == (op == "||"):
            return op == "||"
        right = constant(node.right, checker)
        return None if left is None or right is None else bool(right)
    right = constant(node.right, checker)
    if left is None or right is None or isinstance(left, str) != isinstance(right, str):
        return None
    compare = COMPARE.get(op)
    if compare is not None:
        return compare(left, right)
    if isinstance(left, str) or isinstance(right, str):
        return None
    return calculate(op, left, right)


def _ternary(node: tree.Ternary, checker: Checker) -> Constant | None:
    condition = constant(node.condition, checker)
    if condition is None:
        return None
    if condition:
        return constant(node.then, checker) if node.then is not None else condition
    return constant(node.otherwise, checker)


def _if(node: tree.If, checker: Checker) -> Constant | None:
    if node.decided is None:
        return None
    chosen = node.then if node.decided else node.otherwise
    return constant(chosen, checker) if chosen is not None else None


def _block(node: tree.Block, checker: Checker) -> Constant | None:
    if node.statements or node.value is None:
        return None
    return constant(node.value, checker)


def _cast(node: tree.Cast, checker: Checker) -> Constant | None:
    value = constant(node.operand, checker)
    type_ = node.type
    if not isinstance(value, int) or not is_integer(type_):
        return None
    if not isinstance(type_, IntType):
        return bool(value) if str(type_) == "bool" else value
    bits = 8 * type_.width
    value &= (1 << bits) - 1
    return value - (1 << bits) if type_.signed and value >> (bits - 1) else value


def _field(node: tree.FieldAccess, checker: Checker) -> Constant | None:
    subject = node.subject
    record = subject.value if isinstance(subject, tree.Typeinfo) else subject
    if not isinstance(record, tree.RecordLiteral):
        return None
    for field in record.elements:
        if field.name == node.field:
            return constant(field.value, checker)
    return None


def _call(node: tree.Call, checker: Checker) -> Constant | None:
    function = checker.registry.functions.get(node.name)
    if function is None or isinstance(node.type, NoneType):
        return None  # Unknown, or misused: that was said.
    return function.constant(node, checker)


_FIND: dict[type[tree.Expression], Callable[[Any, Checker], Constant | None]] = {
    tree.Integer: _literal,
    tree.Boolean: _literal,
    tree.String: _literal,
    tree.Comptime: _comptime,
    tree.Sizeof: _sizeof,
    tree.Offsetof: _offsetof,
    tree.Unary: _unary,
    tree.Binary: _binary,
    tree.Ternary: _ternary,
    tree.If: _if,
    tree.Block: _block,
    tree.Cast: _cast,
    tree.FieldAccess: _field,
    tree.Call: _call,
}
