"""Lowering of expressions: one function per node class."""

from __future__ import annotations

from prybee.compiler.ir import BTF, I1, I64, Ptr
from prybee.language import tree
from prybee.language.lower.operands import Place, Scalar, Text
from prybee.language.types import (
    BOOL,
    BPF,
    CONTEXT,
    INT64,
    KERNEL,
    UINT32,
    UINT64,
    ArrayType,
    BoolType,
    BufferType,
    IntType,
    Member,
    PointerType,
    StringType,
    StructType,
    TupleType,
    Type,
    as_integer,
    int_type,
    is_integer,
    is_scalar,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from prybee.compiler.ir import Value
    from prybee.language.lower.handler import Handler
    from prybee.language.lower.operands import Operand


def lower_expression(h: Handler, node: tree.Expression) -> Operand:
    """The value of ``node``."""
    h.at(node)
    return _LOWER[type(node)](h, node)


def lower_expression_into(
    h: Handler, node: tree.Expression, type_: Type, pointer: Value, offset: int, pad: bool
) -> None:
    """Evaluate ``node`` straight into our own memory as a value of ``type_``."""
    if isinstance(node, tree.TupleLiteral) and isinstance(type_, TupleType):
        h.zero_padding(type_, pointer, offset)
        for element, at, part in zip(node.elements, type_.offsets, type_.elements, strict=True):
            h.lower_into(element, part, pointer, offset + at)
        return
    if isinstance(node, tree.RecordLiteral) and isinstance(type_, TupleType):
        h.zero_padding(type_, pointer, offset)
        for field in node.elements:
            index = type_.names.index(field.name)
            h.lower_into(field.value, type_.elements[index], pointer, offset + type_.offsets[index])
        return
    if isinstance(node, tree.Call) and node.name not in h.script.checker.subprograms:
        function = h.script.function(node.name)
        h.at(node)
        if function.lower_into(node, h, type_, pointer, offset, pad):
            return
    elif isinstance(node, tree.Ternary) and not is_scalar(type_) and node.then is not None:
        then, otherwise = node.then, node.otherwise
        h.choose(
            h.truth(h.lower(node.condition)),
            lambda: h.lower_into(then, type_, pointer, offset, pad),
            lambda: h.lower_into(otherwise, type_, pointer, offset, pad),
        )
        return
    h.store(h.lower(node), type_, pointer, offset, pad)


# -- literals and names ------------------------------------------------------------------------


def _integer(h: Handler, node: tree.Integer) -> Operand:
    return Scalar(h.const(node.value), node.type)


def _identifier(h: Handler, node: tree.Identifier) -> Operand:
    found = h.script.checker.types.enumerator(node.name)
    assert found is not None, "the checker knows the name"
    return Scalar(h.const(found[0]), node.type)


def _boolean(h: Handler, node: tree.Boolean) -> Operand:
    return Scalar(h.const(int(node.value)), BOOL)


def _string(h: Handler, node: tree.String) -> Operand:
    return Text(node.data, node.type)


def _scratch(h: Handler, node: tree.Scratch) -> Operand:
    from prybee.language.lower.variables import read

    return read(h, node.variable)


def _call(h: Handler, node: tree.Call) -> Operand:
    subprogram = h.script.checker.subprograms.get(node.name)
    if subprogram is not None:
        from prybee.language.lower import subprograms

        return subprograms.call(h, node, subprogram)
    function = h.script.function(node.name)
    operand = function.lower(node, h)
    if h.b.terminated:
        # `x ? exit() : 0`: nothing of the expression is evaluated any more.
        h.start_unreachable()
    if operand is None:
        return Scalar(h.const(0), INT64)
    return operand


def _sizeof(h: Handler, node: tree.Sizeof) -> Operand:
    return Scalar(h.const(node.subject.type.size), UINT64)


def _offsetof(h: Handler, node: tree.Offsetof) -> Operand:
    from prybee.language.checker import offset_in

    return Scalar(h.const(offset_in(h.script.checker, node, node.subject.type)), UINT64)


def _comptime(h: Handler, node: tree.Comptime) -> Operand:
    return h.lower(node.value if node.value is not None else node.operand)


def _typeinfo(h: Handler, node: tree.Typeinfo) -> Operand:
    assert node.value is not None
    return h.lower(node.value)


# -- maps ----------------------------------------------------------------------------------------


def _map_access(h: Handler, node: tree.MapAccess | tree.Map) -> Operand:
    from prybee.language.lower.maps import read

    return read(h, node)


def _incdec(h: Handler, node: tree.IncDec) -> Operand:
    from prybee.language.lower.assignments import increment

    return increment(h, node, used=True)


# -- access --------------------------------------------------------------------------------------


def subject_place(h: Handler, node: tree.Expression) -> Place:
    """Where a struct, array or record (or what a pointer to it points to) lies."""
    operand = h.lower(node)
    type_ = operand.type
    if isinstance(type_, PointerType):
        return pointee(h, operand)
    if isinstance(operand, Place):
        return operand
    return h.in_memory(operand)


def pointee(h: Handler, operand: Operand) -> Place:
    """What a pointer operand points to."""
    type_ = operand.type
    assert isinstance(type_, PointerType)
    value = h.scalar(operand).value
    trusted = type_.trusted and value.type is Ptr(BTF)
    direct = value.type.space in ("stack", "map_value", "mem", "ctx")
    if direct:
        space = CONTEXT if value.type.space == "ctx" else BPF
        return Place(value, 0, type_.target, space, type_.trusted)
    if value.type.space and not trusted:
        value = h.b.ptr_to_int(value)
    # Our own memory and the context are in the kernel's, for helpers that read by address.
    space = KERNEL if type_.space in (BPF, CONTEXT) else type_.space
    return Place(value, 0, type_.target, space, trusted)


def place_value(h: Handler, place: Place) -> Operand:
    """A place as a value: scalars are read now, the rest stays where it is."""
    if is_scalar(place.type):
        return h.load(place)
    return place


_ARGUMENTS = ("args", "__builtin_args")


def _field(h: Handler, node: tree.FieldAccess) -> Operand:
    if isinstance(node.subject, tree.Call) and node.subject.name in _ARGUMENTS:
        alone = h.context.lower_args_member(node.field, node.type, h)
        if alone is not None:
            return alone
    place = subject_place(h, node.subject)
    h.at(node)
    struct = place.type
    if isinstance(struct, TupleType):
        index = struct.names.index(node.field)
        return place_value(
            h,
            Place(
                place.pointer,
                place.offset + struct.offsets[index],
                struct.elements[index],
                place.space,
                place.trusted,
            ),
        )
    assert isinstance(struct, StructType)
    member = struct.members[node.field]
    if member.dynamic:
        return _dynamic(h, place, member, node.type)
    bits = (member.bit_offset, member.bit_size) if member.bit_size else None
    trusted = place.trusted and not (member.overlaid and place.space == KERNEL)
    found = Place(
        place.pointer, place.offset + member.offset, node.type, place.space, trusted, bits
    )
    if isinstance(node.type, StringType):
        from prybee.language.lower import texts

        found.loose = not texts.padded(h, node.field, node.type.size)
    return place_value(h, found)


def _dynamic(h: Handler, place: Place, member: Member, type_: Type) -> Operand:
    """A ``__data_loc`` or ``__rel_loc`` field: the address of its data in the probe's record.

    The u32 holds length << 16 | offset, from the record's start or from behind the field.
    """
    field = Place(place.pointer, place.offset + member.offset, UINT32, place.space)
    start = h.b.and_(h.load(field).value, 0xFFFF)
    # ``args`` may have been copied; the data is in the record only.
    record = h.context.lower_args(h)
    assert isinstance(record, Place)
    if member.dynamic == "__rel_loc":
        start = h.b.add(start, record.offset + member.offset + 4)
    return Scalar(h.b.add(h.number(Scalar(record.pointer, UINT64)), start), type_)


def _tuple_access(h: Handler, node: tree.TupleAccess) -> Operand:
    return _tuple_element(h, node, node.index)


def _tuple_element(h: Handler, node: tree.TupleAccess | tree.Index, index: int) -> Operand:
    if isinstance(node.subject, tree.Scratch):
        from prybee.language.lower.variables import map_entry

        entry = map_entry(h, node.subject.variable)
        if entry is not None:
            part = entry.value if index else entry.key
            return part if isinstance(part, Scalar) else place_value(h, part)
    place = subject_place(h, node.subject)
    assert isinstance(place.type, TupleType)
    return place_value(
        h,
        Place(place.pointer, place.offset + place.type.offsets[index], node.type, place.space),
    )


def _index(h: Handler, node: tree.Index) -> Operand:
    if isinstance(node.subject.type, TupleType):
        assert isinstance(node.index, tree.Integer)
        return _tuple_element(h, node, node.index.value)
    subject = h.lower(node.subject)
    h.at(node)
    if isinstance(subject.type, PointerType):
        place = pointee(h, subject)
        count = 0
    else:
        place = h.in_memory(subject) if not isinstance(subject, Place) else subject
        count = place.type.size // node.type.size if node.type.size else 0
    if isinstance(node.index, tree.Integer):
        return place_value(h, h.element(place, node.index.value, node.type))
    index = h.lower_integer(node.index)
    if not count:
        h.at(node)
        return place_value(h, h.element(place, index, node.type))
    return _checked_index(h, node, place, index, count)


def _checked_index(h: Handler, node: tree.Index, place: Place, index: Value, count: int) -> Operand:
    """``array[variable]``: out of bounds reads as zero and is counted."""
    inside = h.b.icmp("ult", index, count)
    element = node.type
    if is_scalar(element):
        result = h.b.variable(I64, "element")

        def fetch() -> None:
            found = h.load(h.element(_bounded(h, place), index, element))
            h.b.write(result, h.number(found))

        def miss() -> None:
            h.count(h.script.counters.bounds(h.b.span, count))
            h.b.write(result, 0)

        h.choose(inside, fetch, miss)
        return Scalar(h.b.read(result), element)
    buffer = h.slot(element)

    def copy() -> None:
        h.store(h.element(_bounded(h, place), index, element), element, buffer, 0)

    def clear() -> None:
        h.count(h.script.counters.bounds(h.b.span, count))
        h.b.zero(buffer, 0, element.size)

    h.choose(inside, copy, clear)
    return Place(buffer, 0, element, BPF)


def _bounded(h: Handler, place: Place) -> Place:
    """A place that takes a variable offset: context memory does not, so go by its address."""
    if place.space == CONTEXT or place.trusted:
        return Place(h.address(place), 0, place.type, "kernel")
    return place


# -- operators -----------------------------------------------------------------------------------


def _unary(h: Handler, node: tree.Unary) -> Operand:
    operand = h.lower(node.operand)
    h.at(node)
    if node.op == "*":
        if isinstance(operand.type, PointerType):
            place = pointee(h, operand)
        else:
            place = Place(h.number(operand), 0, node.type, h.context.space)
        loose = isinstance(node.type, StringType) and place.space != BPF
        return place_value(
            h,
            Place(place.pointer, place.offset, node.type, place.space, place.trusted, loose=loose),
        )
    if node.op == "!":
        return Scalar(h.b.xor(h.truth(operand), 1), BOOL)
    value = h.number(operand)
    if value.type is I1:
        value = h.b.zext(value, I64)
    value = h.b.neg(value) if node.op == "-" else h.b.not_(value)
    return Scalar(h.extend(value, node.type), node.type)


def _address_of(h: Handler, node: tree.AddressOf) -> Operand:
    from prybee.language.lower.variables import address

    return Scalar(address(h, node.target), node.type)


_PREDICATES = {
    "==": ("eq", "eq"),
    "!=": ("ne", "ne"),
    "<": ("ult", "slt"),
    ">": ("ugt", "sgt"),
    "<=": ("ule", "sle"),
    ">=": ("uge", "sge"),
}


def _binary(h: Handler, node: tree.Binary) -> Operand:
    if node.decided is not None:
        return Scalar(h.const(int(node.decided)), BOOL)
    return arithmetic(h, node.op, node.left, node.right, node.type, node)


def arithmetic(
    h: Handler,
    op: str,
    left: tree.Expression,
    right: tree.Expression,
    type_: Type,
    node: tree.Node,
) -> Operand:
    """``left op right`` with a result of ``type_``; ``node`` is the place of it all."""
    if op == "&&" or op == "||":
        return _logical(h, op, left, right)
    a = h.lower(left)
    if op in ("==", "!=") and not is_scalar(a.type):
        from prybee.language.lower.comparisons import equal

        result = equal(h, a, h.lower(right))
        return Scalar(h.b.xor(result, 1) if op == "!=" else result, BOOL)
    b = h.lower(right)
    h.at(node)
    return combine(h, op, a, b, left, right, type_)


def combine(
    h: Handler,
    op: str,
    a: Operand,
    b: Operand,
    left: tree.Expression,
    right: tree.Expression,
    type_: Type,
) -> Operand:
    """Two scalar operands under an arithmetic or comparing operator."""
    if op in _PREDICATES:
        unsigned = not (_signed(a.type, left, b.type) or _signed(b.type, right, a.type))
        x, y = _wide(h, a), _wide(h, b)
        return Scalar(h.b.icmp(_PREDICATES[op][0 if unsigned else 1], x, y), BOOL)
    if isinstance(a.type, PointerType) or isinstance(b.type, PointerType):
        return _pointer(h, op, a, b, type_)
    x, y = _wide(h, a), _wide(h, b)
    signed = _signed(a.type, left, b.type) or _signed(b.type, right, a.type)
    match op:
        case "+":
            value = h.b.add(x, y)
        case "-":
            value = h.b.sub(x, y)
        case "*":
            value = h.b.mul(x, y)
        case "/" | "%":
            value = _divide(h, op, x, y, signed)
        case "&":
            value = h.b.and_(x, y)
        case "|":
            value = h.b.or_(x, y)
        case "^":
            value = h.b.xor(x, y)
        case "<<":
            value = h.b.shl(x, y)
        case _:
            arithmetic_shift = is_integer(a.type) and as_integer(a.type).signed
            value = h.b.ashr(x, y) if arithmetic_shift else h.b.lshr(x, y)
    return Scalar(value, type_)


def _wide(h: Handler, operand: Operand) -> Value:
    value = h.number(operand)
    return h.b.zext(value, I64) if value.type is I1 else value


def _signed(type_: Type, node: tree.Expression, other: Type) -> bool:
    """Whether an operand makes an operation signed; a literal that is not negative does not."""
    if not isinstance(type_, IntType) and not is_integer(type_):
        return False
    if isinstance(node, tree.Integer) and node.value >= 0 and is_integer(other):
        return as_integer(other).signed and as_integer(type_).signed
    return as_integer(type_).signed


def _divide(h: Handler, op: str, x: Value, y: Value, signed: bool) -> Value:
    """Division as the language has it: by zero gives 1 and is counted."""
    if op == "/":
        value = h.b.sdiv(x, y) if signed else h.b.udiv(x, y)
    else:
        value = h.b.smod(x, y) if signed else h.b.umod(x, y)
    if y.op == "const" and y.imm:
        return value
    zero = h.b.icmp("eq", y, 0)
    counter = h.script.counters.division(h.b.span, op)
    h.when(zero, lambda: h.count(counter), likely=False)
    return h.b.select(zero, h.const(1), value)


def _pointer(h: Handler, op: str, a: Operand, b: Operand, type_: Type) -> Operand:
    if op in "+-" and isinstance(type_, PointerType):
        pointer, count = (a, b) if isinstance(a.type, PointerType) else (b, a)
        scale = max(1, type_.target.size)
        steps = _wide(h, count)
        distance = h.b.mul(steps, scale) if scale != 1 else steps
        base = h.number(pointer)
        value = h.b.add(base, distance) if op == "+" else h.b.sub(base, distance)
        return Scalar(value, type_.replace(trusted=False))
    if op == "-" and isinstance(a.type, PointerType) and isinstance(b.type, PointerType):
        scale = max(1, a.type.target.size)
        distance = h.b.sub(h.number(a), h.number(b))
        return Scalar(h.b.sdiv(distance, scale) if scale != 1 else distance, type_)
    plain_a, plain_b = Scalar(h.number(a), UINT64), Scalar(h.number(b), UINT64)
    node = tree.Integer(0, "", 0, 0)
    return combine(h, op, plain_a, plain_b, node, node, type_)


def _logical(h: Handler, op: str, left: tree.Expression, right: tree.Expression) -> Operand:
    result = h.b.variable(I1, "logic")
    first = h.truth(h.lower(left))

    def rest() -> None:
        h.b.write(result, h.truth(h.lower(right)))

    def short() -> None:
        h.b.write(result, h.b.const(int(op == "||"), I1))

    if op == "&&":
        h.choose(first, rest, short)
    else:
        h.choose(first, short, rest)
    return Scalar(h.b.read(result), BOOL)


def _choice(
    h: Handler,
    condition: Value,
    then: Callable[[], Operand],
    otherwise: Callable[[], Operand],
    type_: Type,
) -> Operand:
    """The value of one of two expressions."""
    if is_scalar(type_):
        result = h.b.variable(I64, "choice")
        h.choose(
            condition,
            lambda: h.b.write(result, _plain(h, then(), type_)),
            lambda: h.b.write(result, _plain(h, otherwise(), type_)),
        )
        if isinstance(type_, PointerType):
            type_ = type_.replace(trusted=False)
        return Scalar(h.b.read(result), type_)
    if type_.size == 0:
        h.choose(condition, lambda: (then(), None)[1], lambda: (otherwise(), None)[1])
        return Scalar(h.const(0), INT64)
    buffer = h.slot(type_)
    h.choose(
        condition,
        lambda: h.store(then(), type_, buffer, 0),
        lambda: h.store(otherwise(), type_, buffer, 0),
    )
    return Place(buffer, 0, type_, BPF)


def _plain(h: Handler, operand: Operand, type_: Type) -> Value:
    """A scalar operand converted to ``type_``, as a plain 64-bit number."""
    value = h.convert(operand, type_)
    if value.type.space:
        return h.b.ptr_to_int(value)
    return h.b.zext(value, I64) if value.type is I1 else value


def _ternary(h: Handler, node: tree.Ternary) -> Operand:
    then = node.then
    if node.decided is not None:
        chosen = then if node.decided else node.otherwise
        return h.lower(chosen if chosen is not None else node.condition)
    condition = h.lower(node.condition)
    return _choice(
        h,
        h.truth(condition),
        (lambda: h.lower(then)) if then is not None else (lambda: condition),
        lambda: h.lower(node.otherwise),
        node.type,
    )


def _if(h: Handler, node: tree.If) -> Operand:
    otherwise = node.otherwise

    def nothing() -> Operand:
        return Scalar(h.const(0), INT64)

    if node.decided is not None:
        chosen = node.then if node.decided else otherwise
        return h.lower(chosen) if chosen is not None else nothing()

    return _choice(
        h,
        h.truth(h.lower(node.condition)),
        lambda: _block(h, node.then),
        (lambda: h.lower(otherwise)) if otherwise is not None else nothing,
        node.type,
    )


def _block(h: Handler, node: tree.Block) -> Operand:
    h.pending += 1
    h.lower_block(node)
    h.pending -= 1
    if node.value is not None and not h.b.terminated:
        return h.lower(node.value)
    if h.b.terminated:
        h.start_unreachable()
    return Scalar(h.const(0), INT64)


def _cast(h: Handler, node: tree.Cast) -> Operand:
    operand = h.lower(node.operand)
    want = node.type
    have = operand.type
    if isinstance(want, PointerType):
        if is_scalar(have):
            scalar = h.scalar(operand)
            if scalar.value.type.space and not want.trusted and want.space != BPF:
                return Scalar(h.b.ptr_to_int(scalar.value), want)
            value = scalar.value
            if value.type is I1:
                value = h.b.zext(value, I64)
            elif isinstance(have, IntType) and have.signed and have.width < 8:
                # As bpftrace has it: (uint8*)-1 is 0xff.
                value = h.extend(value, int_type(have.width, False))
            return Scalar(value, want)
        place = h.in_memory(operand)
        return Scalar(h.address(place), want)
    if is_scalar(want) and is_scalar(have):
        value = h.number(operand)
        if value.type is I1:
            value = h.b.zext(value, I64)
        return Scalar(h.extend(value, want) if is_integer(want) else value, want)
    if isinstance(want, BoolType) and isinstance(have, StringType):
        # A string that is not empty.
        place = h.in_memory(operand)
        first = h.load(Place(place.pointer, place.offset, int_type(1, False), BPF))
        return Scalar(h.b.icmp("ne", first.value, 0), want)
    if is_scalar(want):
        # An array of bytes as an integer of the same size.
        place = h.in_memory(operand)
        return h.load(Place(place.pointer, place.offset, want, BPF))
    if isinstance(want, ArrayType) and is_integer(have):
        buffer = h.slot(want)
        h.store(operand, int_type(want.size, as_integer(have).signed), buffer, 0)
        return Place(buffer, 0, want, BPF)
    if isinstance(want, StringType | ArrayType | BufferType) and have.size != want.size:
        buffer = h.slot(want)
        h.store(operand, want, buffer, 0)
        return Place(buffer, 0, want, BPF)
    if isinstance(operand, Text):
        operand = h.in_memory(operand, want)
    assert isinstance(operand, Place)
    loose = isinstance(want, StringType) and (operand.loose or not isinstance(have, StringType))
    return Place(operand.pointer, operand.offset, want, operand.space, operand.trusted, loose=loose)


def _tuple(h: Handler, node: tree.TupleLiteral | tree.RecordLiteral) -> Operand:
    buffer = h.slot(node.type)
    h.lower_into(node, node.type, buffer, 0)
    return Place(buffer, 0, node.type, BPF)


_LOWER: dict[type[tree.Expression], Callable[[Handler, Any], Operand]] = {
    tree.Integer: _integer,
    tree.Identifier: _identifier,
    tree.Boolean: _boolean,
    tree.String: _string,
    tree.Scratch: _scratch,
    tree.Map: _map_access,
    tree.MapAccess: _map_access,
    tree.FieldAccess: _field,
    tree.TupleAccess: _tuple_access,
    tree.Index: _index,
    tree.IncDec: _incdec,
    tree.Call: _call,
    tree.Unary: _unary,
    tree.AddressOf: _address_of,
    tree.Binary: _binary,
    tree.Ternary: _ternary,
    tree.If: _if,
    tree.Block: _block,
    tree.Cast: _cast,
    tree.Sizeof: _sizeof,
    tree.Offsetof: _offsetof,
    tree.Comptime: _comptime,
    tree.Typeinfo: _typeinfo,
    tree.TupleLiteral: _tuple,
    tree.RecordLiteral: _tuple,
}
