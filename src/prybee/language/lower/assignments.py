"""Assignments: ``=``, compound ones, ``++`` and ``--``."""

from __future__ import annotations

from prybee.language import tree
from prybee.language.lower import maps, variables
from prybee.language.lower.expressions import combine
from prybee.language.lower.operands import Scalar
from prybee.language.types import INT64, AggregationType, PointerType, is_integer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from prybee.compiler.ir import Value
    from prybee.language.lower.handler import Handler
    from prybee.language.lower.operands import Operand
    from prybee.language.types import Type


def assign_scratch(h: Handler, node: tree.AssignScratch) -> None:
    """``$x = e`` and ``$x op= e``."""
    symbol = node.target.variable
    if not node.op:
        variables.write_expression(h, symbol, node.value)
        return
    old = variables.read(h, symbol)
    new = h.lower(node.value)
    type_ = symbol.type
    h.at(node)
    result = combine(h, node.op, old, new, node.target, node.value, _result(type_))
    variables.write(h, symbol, result)


def _result(type_: Type) -> Type:
    return type_ if isinstance(type_, PointerType) else INT64


def declaration(h: Handler, node: tree.Declaration) -> None:
    """``let $x …``: the variable starts as zero, in each round of a loop anew."""
    symbol = node.variable.variable
    if symbol.type is None:
        return
    if node.value is not None:
        variables.write_expression(h, symbol, node.value)
        return
    found = variables.place(h, symbol)
    if isinstance(found, tuple):
        h.b.zero(found[0], found[1], symbol.type.size)
    else:
        h.b.write(found, 0)


def assign_map(h: Handler, node: tree.AssignMap) -> None:
    """``@x = e``, ``@x[k] = e`` and their compound forms."""
    target = node.target
    storage = h.script.storage(target)
    if not node.op:
        value = node.value
        if isinstance(storage.value_type, AggregationType):
            while isinstance(value, tree.Block):
                h.lower_block(value)
                if h.b.terminated:
                    return
                assert value.value is not None
                value = value.value
            assert isinstance(value, tree.Call)
            h.script.function(value.name).lower_aggregate(value, h, target)
            return
        key = maps.key_of(h, target)
        h.at(node)
        storage.assign(h, key, value)
        return
    if node.op in ("+", "-") and is_integer(storage.value_type):
        amount = h.lower_integer(node.value)
        if node.op == "-":
            amount = h.b.neg(amount)
        key = maps.key_of(h, target)
        h.at(node)
        storage.add(h, key, amount)
        return
    key = maps.key_of(h, target)
    old = storage.read(h, key)
    result = combine(
        h, node.op, old, h.lower(node.value), target, node.value, _result(storage.value_type)
    )
    h.at(node)
    storage.assign_operand(h, key, result)


def increment(h: Handler, node: tree.IncDec, used: bool) -> Operand:
    """``++x``, ``x--`` …: the old value for the postfix form, the new one for the prefix form."""
    target = node.target
    step = 1 if node.op == "++" else -1
    if isinstance(target, tree.Scratch):
        symbol = target.variable
        old = h.scalar(variables.read(h, symbol))
        type_ = symbol.type
        distance = step * (max(1, type_.target.size) if isinstance(type_, PointerType) else 1)
        new = Scalar(h.b.add(h.number(old), distance), _result(type_))
        variables.write(h, symbol, new)
        return Scalar(h.convert(new, type_), type_) if node.prefix else old
    assert isinstance(target, tree.Map | tree.MapAccess)
    storage = h.script.storage(target)
    type_ = storage.value_type
    distance = step * (max(1, type_.target.size) if isinstance(type_, PointerType) else 1)
    key = maps.key_of(h, target)
    h.at(node)
    if not used:
        storage.add(h, key, h.const(distance))
        return Scalar(h.const(0), INT64)
    before: Value = h.number(storage.read(h, key))
    after = h.b.add(before, distance)
    storage.assign_operand(h, key, Scalar(after, _result(type_)))
    return Scalar(after if node.prefix else before, type_)
