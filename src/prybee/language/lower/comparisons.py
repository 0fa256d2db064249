"""Equality of values that do not fit a register: strings, tuples, arrays, buffers."""

from __future__ import annotations

from prybee.compiler.ir import I1, I64
from prybee.language.lower.handler import WIDTHS
from prybee.language.lower.operands import Place, Text
from prybee.language.types import BPF, StringType, TupleType, Type, is_scalar

TYPE_CHECKING = False
if TYPE_CHECKING:
    from prybee.compiler.ir import Value
    from prybee.language.lower.handler import Handler
    from prybee.language.lower.operands import Operand


def equal(h: Handler, a: Operand, b: Operand) -> Value:
    """An I1: whether two operands of comparable types are equal."""
    if isinstance(a, Text) and isinstance(b, Text):
        return h.b.const(int(a.data == b.data), I1)
    if isinstance(a, Text):
        a, b = b, a
    if isinstance(b, Text):
        return _equals_text(h, a, b.data)
    x, y = h.in_memory(a), h.in_memory(b)
    if isinstance(x.type, TupleType) and isinstance(y.type, TupleType):
        return _tuples(h, x, y)
    return _bytes(h, x, y)


def _equals_text(h: Handler, operand: Operand, text: bytes) -> Value:
    """Compare a string in memory with a literal: only as many bytes as the literal has."""
    place = h.in_memory(operand)
    capacity = place.type.size
    if len(text) > capacity:
        return h.b.const(0, I1)
    # The NUL counts: "ab" is not "abc". A literal as long as the buffer leaves no room for it.
    wanted = (text + b"\0")[:capacity]
    return _words(
        h,
        [
            (place, at, size, int.from_bytes(wanted[at : at + size], "little"))
            for at, size in _steps(len(wanted), capacity, place.offset)
        ],
        wanted,
    )


def _steps(length: int, capacity: int, offset: int) -> list[tuple[int, int]]:
    """Cut ``length`` bytes into aligned words."""
    found = []
    at = 0
    while at < length:
        size = next(n for n in (8, 4, 2, 1) if at + n <= length and (offset + at) % n == 0)
        found.append((at, size))
        at += size
    return found


def _words(h: Handler, words: list[tuple[Place, int, int, int]], wanted: bytes) -> Value:
    if not words:
        return h.b.const(1, I1)
    # One compare at a time: most strings differ in their first word.
    result = h.b.variable(I1, "equal")
    differ, after = h.block("differ"), h.block("compared")
    for place, at, size, number in words:
        word = h.b.load(WIDTHS[size], place.pointer, place.offset + at)
        same = h.block("same")
        h.b.branch(h.b.icmp("eq", word, h.b.const(number, WIDTHS[size])), same, differ)
        h.start(same)
    h.b.write(result, 1)
    h.b.jump(after)
    h.start(differ)
    h.b.write(result, 0)
    h.b.jump(after)
    h.start(after)
    return h.b.read(result)


def _bytes(h: Handler, x: Place, y: Place) -> Value:
    """Compare two values of our memory; strings of different capacity have zeros behind."""
    common = min(x.type.size, y.type.size)
    result = h.b.variable(I1, "equal")
    differ, after = h.block("differ"), h.block("compared")

    def require(condition: Value) -> None:
        same = h.block("same")
        h.b.branch(condition, same, differ)
        h.start(same)

    unit = 8
    while unit > 1 and (x.offset % unit or y.offset % unit or common % unit):
        unit //= 2
    if common // unit > 64 and isinstance(x.type, StringType):
        return _long_strings(h, x, y, common)
    for at in range(0, common // unit * unit, unit):
        left = h.b.load(WIDTHS[unit], x.pointer, x.offset + at)
        right = h.b.load(WIDTHS[unit], y.pointer, y.offset + at)
        require(h.b.icmp("eq", left, right))
    longer = x if x.type.size > common else y if y.type.size > common else None
    if longer is not None and isinstance(longer.type, StringType):
        first = h.b.load(WIDTHS[1], longer.pointer, longer.offset + common)
        require(h.b.icmp("eq", first, 0))
    h.b.write(result, 1)
    h.b.jump(after)
    h.start(differ)
    h.b.write(result, 0)
    h.b.jump(after)
    h.start(after)
    return h.b.read(result)


def _long_strings(h: Handler, x: Place, y: Place, common: int) -> Value:
    """Compare long strings word by word in a loop that ends with the text."""
    result = h.b.variable(I1, "equal")
    index = h.b.variable(I64, "at")
    head, body, more, after = (h.block(n) for n in ("head", "body", "more", "compared"))
    h.b.write(result, 1)
    h.b.write(index, 0)
    h.b.jump(head)
    h.b.position_at(head)
    at = h.b.read(index)
    h.b.branch(h.b.icmp("ult", at, common), body, after)
    h.start(body)
    left = h.b.load(WIDTHS[1], h.b.ptr_add(x.pointer, at), x.offset)
    right = h.b.load(WIDTHS[1], h.b.ptr_add(y.pointer, at), y.offset)
    same = h.b.icmp("eq", left, right)
    h.b.write(result, same)
    # Stop where they differ, or both end.
    going = h.b.and_(h.b.zext(same, I64), h.b.zext(h.b.icmp("ne", left, 0), I64))
    h.b.branch(h.b.icmp("ne", going, 0), more, after)
    h.start(more)
    h.b.write(index, h.b.add(at, 1))
    h.b.jump(head)
    h.b.seal(head)
    h.start(after)
    return h.b.read(result)


def _tuples(h: Handler, x: Place, y: Place) -> Value:
    assert isinstance(x.type, TupleType)
    assert isinstance(y.type, TupleType)
    result: Value | None = None
    order = (
        [y.type.names.index(name) for name in x.type.names]
        if x.type.names
        else range(len(x.type.elements))
    )
    for index, other in enumerate(order):
        part = _part(x, x.type.offsets[index], x.type.elements[index])
        twin = _part(y, y.type.offsets[other], y.type.elements[other])
        if is_scalar(part.type):
            same = h.b.icmp("eq", h.number(h.load(part)), h.number(h.load(twin)))
        else:
            same = equal(h, part, twin)
        result = same if result is None else h.b.and_(result, same)
    return result if result is not None else h.b.const(1, I1)


def _part(place: Place, offset: int, type_: Type) -> Place:
    return Place(place.pointer, place.offset + offset, type_, BPF)
