"""Scratch variables: registers where they can be, memory where they must be.

A scalar that no loop body captures is an SSA variable.  Anything larger, or whose address is
taken, lives in a slot.  Captured ones live in the environment: see ``loops.py``.
"""

from __future__ import annotations

from prybee.compiler.builder import Variable
from prybee.compiler.ir import I64
from prybee.language import tree
from prybee.language.lower.operands import Place, Scalar
from prybee.language.types import BPF, CONTEXT, PointerType, TupleType, Type, is_scalar

TYPE_CHECKING = False
if TYPE_CHECKING:
    from prybee.compiler.ir import Value
    from prybee.language.lower.handler import Handler
    from prybee.language.lower.loops import Entry
    from prybee.language.lower.operands import Operand
    from prybee.language.script import VariableSymbol


def _type(symbol: VariableSymbol) -> Type:
    assert symbol.type is not None
    return symbol.type


def _keeps_pointer(type_: Type) -> bool:
    """Whether what the verifier knows of a pointer is of use: loads through it need no helper.

    A pointer into our own memory is kept as a plain number: steps through that memory would
    lose what is known of it, on some paths only.
    """
    return isinstance(type_, PointerType) and (type_.trusted or type_.space == CONTEXT)


def declare(h: Handler, symbol: VariableSymbol) -> None:
    """Give a variable a place where its block begins to use it; it starts as zero."""
    if symbol in h.frame.storage:
        return
    type_ = _type(symbol)
    if is_scalar(type_) and not symbol.captured:
        h.frame.storage[symbol] = Variable(I64, symbol.name)
    else:
        pointer = h.slot(type_, symbol.name)
        h.frame.storage[symbol] = (pointer, 0)
        h.b.zero(pointer, 0, (type_.size + 7) // 8 * 8)


def place(h: Handler, symbol: VariableSymbol) -> Variable | tuple[Value, int]:
    """Where a variable lives in the function being built."""
    found = h.frame.storage.get(symbol)
    if found is None:
        from prybee.language.lower.loops import captured_place

        found = captured_place(h, symbol)
        if found is None:
            declare(h, symbol)
            found = h.frame.storage[symbol]
    assert isinstance(found, Variable | tuple)
    return found


def read(h: Handler, symbol: VariableSymbol) -> Operand:
    """The value of a variable."""
    type_ = _type(symbol)
    entry = map_entry(h, symbol)
    if entry is not None:
        from prybee.language.lower.loops import entry_tuple

        assert isinstance(type_, TupleType)
        return entry_tuple(h, entry, type_)
    found = place(h, symbol)
    if isinstance(found, Variable):
        known = h.trusted_variables.get(symbol)
        if known is not None and _keeps_pointer(type_):
            return Scalar(h.b.read(known), type_)
        return Scalar(h.b.read(found), type_)
    pointer, offset = found
    operand = Place(pointer, offset, type_, BPF)
    return h.load(operand) if is_scalar(type_) else operand


def map_entry(h: Handler, symbol: VariableSymbol) -> Entry | None:
    """The key and value that the variable of a loop over a map stands for, where they lie."""
    from prybee.language.lower.loops import Entry

    found = h.frame.storage.get(symbol)
    return found if isinstance(found, Entry) else None


def write(h: Handler, symbol: VariableSymbol, operand: Operand) -> None:
    """Assign a value to a variable."""
    type_ = _type(symbol)
    found = place(h, symbol)
    if isinstance(found, Variable):
        value = h.convert(operand, type_)
        if _keeps_pointer(type_) and value.type.space:
            trusted = h.trusted_variables.get(symbol)
            if trusted is None:
                trusted = h.trusted_variables[symbol] = Variable(value.type, symbol.name)
            h.b.write(trusted, value)
        h.b.write(found, h.plain(value))
        return
    pointer, offset = found
    h.store(operand, type_, pointer, offset)


def write_expression(h: Handler, symbol: VariableSymbol, node: tree.Expression) -> None:
    """Assign an expression to a variable, straight into its memory where it has some."""
    found = place(h, symbol)
    if isinstance(found, Variable):
        write(h, symbol, h.lower(node))
        return
    type_ = _type(symbol)
    if _mentions(node, symbol) and not is_scalar(type_):
        # `$t = ($t.1, $t.0)`: the old value is needed until the new one is whole.
        buffer = h.slot(type_)
        h.lower_into(node, type_, buffer, 0)
        h.store(Place(buffer, 0, type_, BPF), type_, *found)
        return
    h.lower_into(node, type_, found[0], found[1])


def _mentions(node: tree.Node, symbol: VariableSymbol) -> bool:
    return any(
        isinstance(each, tree.Scratch) and each.variable is symbol for each in tree.walk(node)
    )


def address(h: Handler, target: tree.Scratch | tree.Map) -> Value:
    """The address of a variable or of a scalar map's value."""
    if isinstance(target, tree.Map):
        from prybee.language.lower.maps import scalar_address

        return scalar_address(h, target)
    found = place(h, target.variable)
    assert not isinstance(found, Variable), "a variable whose address is taken lives in memory"
    pointer, offset = found
    return h.b.ptr_add(pointer, offset) if offset else pointer
