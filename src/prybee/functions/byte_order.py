"""Comparing bytes of our memory, as memcmp(3) orders them."""

from __future__ import annotations

from prybee.compiler.ir import I8, I64
from prybee.language.lower.handler import WIDTHS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from prybee.compiler.ir import Value
    from prybee.language.lower.handler import Handler
    from prybee.language.lower.operands import Place

# More bytes than this are compared one by one, in a loop.
UNROLLED = 128


def compare(h: Handler, a: Place, b: Place, size: int) -> Value:
    """-1, 0 or 1: how the first ``size`` bytes of two places are ordered."""
    if size > UNROLLED:
        return compare_loop(h, a, b, size)
    result = h.b.variable(I64, "order")
    after = h.block("compared")
    at = 0
    while at < size:
        width = next(n for n in (8, 4, 2, 1) if at + n <= size)
        # Only whole words at aligned places may be read as words.
        while (a.offset + at) % width or (b.offset + at) % width:
            width //= 2
        x, y = _word(h, a, at, width), _word(h, b, at, width)
        differ, same = h.block("differ"), h.block("same")
        h.b.branch(h.b.icmp("ne", x, y), differ, same)
        h.start(differ)
        h.b.write(result, _order(h, x, y))
        h.b.jump(after)
        h.start(same)
        at += width
    h.b.write(result, 0)
    h.b.jump(after)
    h.start(after)
    return h.b.read(result)


def _word(h: Handler, place: Place, at: int, width: int) -> Value:
    """A word whose numeric order is that of its bytes in memory."""
    value = h.b.load(WIDTHS[width], place.pointer, place.offset + at)
    value = h.b.zext(value, I64)
    return h.b.bswap(value, width * 8) if width > 1 else value


def _order(h: Handler, x: Value, y: Value) -> Value:
    return h.b.select(h.b.icmp("ult", x, y), h.const(-1), h.const(1))


def compare_loop(h: Handler, a: Place, b: Place, size: int, text: bool = False) -> Value:
    """The same, byte by byte; with ``text`` a NUL in both ends it."""
    result = h.b.variable(I64, "order")
    index = h.b.variable(I64, "at")
    head, body, going, more, differ, after = (
        h.block(name) for name in ("head", "body", "going", "more", "differ", "compared")
    )
    h.b.write(result, 0)
    h.b.write(index, 0)
    h.b.jump(head)
    h.b.position_at(head)
    at = h.b.read(index)
    h.b.branch(h.b.icmp("ult", at, size), body, after)
    h.start(body)
    x = h.b.load(I8, h.b.ptr_add(a.pointer, at), a.offset)
    y = h.b.load(I8, h.b.ptr_add(b.pointer, at), b.offset)
    h.b.branch(h.b.icmp("ne", x, y), differ, going)
    h.start(going)
    if text:
        h.b.branch(h.b.icmp("ne", x, 0), more, after)
    else:
        h.b.jump(more)
    h.start(more)
    h.b.write(index, h.b.add(at, 1))
    h.b.jump(head)
    h.b.seal(head)
    h.start(differ)
    h.b.write(result, _order(h, h.b.zext(x, I64), h.b.zext(y, I64)))
    h.b.jump(after)
    h.start(after)
    return h.b.read(result)
