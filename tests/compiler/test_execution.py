"""Each operation of the intermediate form, run by the kernel and by the interpreter."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from prybee.compiler.ir import I1, I8, I16, I32, I64, INVERSE, STACK, Ptr
from tests.compiler.harness import OUT, agree, execute

if TYPE_CHECKING:
    from collections.abc import Callable

    from prybee.compiler.builder import Builder
    from prybee.compiler.ir import Type, Value

pytestmark = pytest.mark.live

WIDTHS = (I8, I16, I32, I64)
BINARY = ("add", "sub", "mul", "udiv", "sdiv", "umod", "smod", "and_", "or_", "xor",
          "shl", "lshr", "ashr")  # fmt: skip
# Pairs that sit on the edges of the widths.
PAIRS = (
    (0, 0), (1, 0), (7, 3), (100, 7), (0x7F, 1), (0x80, 0xFF), (0xFF, 0x80), (0x7FFF, 2),
    (0x8000, 0xFFFF), (0x7FFFFFFF, 1), (0x80000000, 0xFFFFFFFF), (0xFFFFFFFF, 31),
    (0x8000000000000000, 0xFFFFFFFFFFFFFFFF), (0x7FFFFFFFFFFFFFFF, 63), (0xFFFFFFFFFFFFFFF9, 2),
    (0x0123456789ABCDEF, 0x11), (0xFFFFFFFFFFFFFFFF, 0x8000000000000000), (5, 64), (5, 33),
)  # fmt: skip


def argument(b: Builder, ctx: Value, n: int, kind: Type) -> Value:
    """Argument ``n`` of the context, as a value nothing is known about."""
    return b.trunc(b.load(I64, ctx, 8 * n), kind)


@pytest.mark.parametrize("kind", WIDTHS, ids=str)
@pytest.mark.parametrize("op", BINARY)
def test_binary(op: str, kind: Type) -> None:
    """Results of unknown operands; all pairs in one program each way round."""
    for a, c in PAIRS:

        def build(b: Builder, ctx: Value) -> None:
            x, y = argument(b, ctx, 0, kind), argument(b, ctx, 1, kind)
            out = b.map_value("out")
            b.store(out, 0, b.zext(getattr(b, op)(x, y), I64))
            b.store(out, 8, b.zext(getattr(b, op)(y, x), I64))
            b.store(out, 16, b.sext(getattr(b, op)(x, y), I64))

        agree(build, [a, c])


@pytest.mark.parametrize("v4", [True, False], ids=["v4", "v3"])
@pytest.mark.parametrize("kind", WIDTHS, ids=str)
@pytest.mark.parametrize("op", BINARY)
def test_binary_with_constants(op: str, kind: Type, v4: bool) -> None:
    """Constants on either side, folding included."""
    constants = (0, 1, 2, 3, 7, 8, 10, 0x7F, 0x80, 0xFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000,
                 0xFFFFFFFF, 0x8000000000000000, 0xFFFFFFFFFFFFFFFF, 1000, 1 << 40)  # fmt: skip
    for n in (5, 0x80, 0xFFF9, 0xFFFFFFF9, 0x8000000000000000, 0x123456789ABCDEF):

        def build(b: Builder, ctx: Value) -> Value:
            x = argument(b, ctx, 0, kind)
            total = b.const(0)
            for c in constants:
                const = b.const(c, kind)
                left = b.zext(getattr(b, op)(x, const), I64)
                right = b.zext(getattr(b, op)(const, x), I64)
                both = b.zext(getattr(b, op)(const, b.const(3, kind)), I64)
                total = b.add(b.mul(total, 31), b.xor(left, b.add(b.mul(right, 17), both)))
            b.store(b.map_value("out"), 0, total)
            return total

        agree(build, [n], features={"v4": v4})


@pytest.mark.parametrize("jmp32", [True, False])
@pytest.mark.parametrize("kind", WIDTHS, ids=str)
@pytest.mark.parametrize("pred", sorted(INVERSE))
def test_comparison(pred: str, kind: Type, jmp32: bool) -> None:
    """As a number, in a select, in a branch; with registers and with constants."""
    values = [0, 1, 0x7F, 0x80, 0xFF, 0x8000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 1 << 63]

    for n in (0, 1, 0x80, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 1 << 63, (1 << 64) - 1):

        def build(b: Builder, ctx: Value) -> Value:
            x = argument(b, ctx, 0, kind)
            y = argument(b, ctx, 1, kind)
            bits = b.const(0)
            for operand in [y, *[b.const(v, kind) for v in values]]:
                c = b.icmp(pred, x, operand)
                bits = b.or_(b.shl(bits, 1), b.zext(c, I64))
                bits = b.add(bits, b.select(c, b.const(3), bits))
                then, after = b.block("then"), b.block("after")
                variable = b.variable(I64)
                b.write(variable, bits)
                b.branch(b.icmp(pred, operand, x), then, after)
                b.seal(then)
                b.position_at(then)
                b.write(variable, b.add(b.xor(b.read(variable), 0x5555), x_wide(b, x)))
                b.jump(after)
                b.seal(after)
                b.position_at(after)
                bits = b.read(variable)
            b.store(b.map_value("out"), 0, bits)
            return bits

        agree(build, [n, 0x80], features={"jmp32": jmp32})


def x_wide(b: Builder, x: Value) -> Value:
    return b.zext(x, I64)


@pytest.mark.parametrize("v4", [True, False])
def test_conversions(v4: bool) -> None:
    for n in (0, 1, 0x7F, 0x80, 0xFF80, 0x8000, 0x80000000, 0xFFFFFFFF, 0xFEDCBA9876543210):

        def build(b: Builder, ctx: Value) -> None:
            x = b.load(I64, ctx, 0)
            out = b.map_value("out")
            at = 0
            for kind in (I1, I8, I16, I32):
                narrow = b.trunc(x, kind)
                b.store(out, at, b.zext(narrow, I64))
                b.store(out, at + 8, b.sext(narrow, I64))
                at += 16
            b.store(out, at, b.zext(b.sext(b.trunc(x, I8), I16), I64))
            b.store(out, at + 8, b.zext(b.not_(b.trunc(x, I16)), I64))
            b.store(out, at + 16, b.zext(b.neg(b.trunc(x, I8)), I64))
            b.store(out, at + 24, b.neg(x))

        agree(build, [n], features={"v4": v4})


def test_bswap() -> None:
    def build(b: Builder, ctx: Value) -> None:
        x = b.load(I64, ctx, 0)
        out = b.map_value("out")
        b.store(out, 0, b.bswap(x, 16))
        b.store(out, 8, b.bswap(x, 32))
        b.store(out, 16, b.bswap(x, 64))
        b.store(out, 24, b.zext(b.bswap(b.trunc(x, I32), 32), I64))
        b.store(out, 32, b.bswap(b.bswap(x, 32), 32))

    agree(build, [0x0123456789ABCDEF])


@pytest.mark.parametrize("space", ["slot", "map"])
@pytest.mark.parametrize("v4", [True, False])
def test_memory(space: str, v4: bool) -> None:
    """Every width, both extensions, constants and registers, odd offsets where they are allowed."""

    def build(b: Builder, ctx: Value) -> None:
        x = b.load(I64, ctx, 0)
        out = b.map_value("out")
        p = b.slot(64, 8) if space == "slot" else b.ptr_add(out, 64)
        b.zero(p, 0, 64)
        for at, kind in ((0, I8), (1, I8), (2, I16), (4, I32), (8, I64)):
            b.store(p, at, b.trunc(x, kind), kind)
        b.store(p, 16, b.const(-2), I64)
        b.store(p, 24, b.const(0x1122334455667788), I64)
        b.store(p, 32, x, I16)
        b.store(p, 34, b.const(0xFFFF), I16)
        b.store(p, 36, b.const(0xFFFFFFFF, I32))
        total = b.const(0)
        for at, kind in ((0, I8), (1, I8), (2, I16), (4, I32), (34, I16), (36, I32)):
            total = b.add(b.mul(total, 7), b.zext(b.load(kind, p, at), I64))
            total = b.add(b.mul(total, 7), b.load(kind, p, at, signed=True))
        b.store(out, 0, total)
        b.store(out, 8, b.load(I64, p, 8))
        b.store(out, 16, b.zext(b.load(I1, p, 0), I64))
        b.copy(out, 24, p, 3 if space == "map" else 0, 29)

    agree(build, [0xFEDCBA98_76543210], features={"v4": v4})


@pytest.mark.parametrize("size", [1, 3, 7, 8, 12, 31, 64, 100, 127])
@pytest.mark.parametrize("align", [1, 2, 4, 8])
def test_copy_and_zero(size: int, align: int) -> None:
    def build(b: Builder, ctx: Value) -> None:
        out = b.map_value("out")
        a, c = b.slot(size, align, "a"), b.slot(size + 1, align, "c")
        for i in range(size):
            b.store(a, i, b.const(i * 7 + 1, I8))
        b.zero(c, 0, size + 1)
        b.copy(c, 1, a, 0, size)
        b.copy(out, 0, c, 0, size + 1)
        b.zero(out, size // 2, max(1, size // 4))

    agree(build)


def test_large_copy_and_zero() -> None:
    """Sizes at which a helper does it, in the per-CPU scratch."""

    def build(b: Builder, ctx: Value) -> None:
        a, c = b.slot(1000, 8, "a"), b.slot(1008, 8, "c")
        b.zero(a, 0, 1000)
        b.store(a, 992, b.load(I64, ctx, 0))
        b.store(a, 8, b.const(77))
        b.zero(c, 0, 1008)
        b.copy(c, 8, a, 0, 1000)
        b.copy(b.map_value("out"), 0, c, 960, 48)
        b.store(b.map_value("out"), 64, b.load(I64, c, 16))

    agree(build, [0x1234567890])


def test_variable_index() -> None:
    def build(b: Builder, ctx: Value) -> None:
        out = b.map_value("out")
        n = b.and_(b.load(I64, ctx, 0), 7)
        p = b.ptr_add(out, b.mul(n, 8))
        b.store(p, 0, b.const(99))
        b.store(p, 64, b.const(98), I8)
        b.store(out, 120, b.load(I64, p, 0))

    for n in range(9):
        agree(build, [n])


def test_variable_index_of_the_stack() -> None:
    def build(b: Builder, ctx: Value) -> None:
        out = b.map_value("out")
        p = b.slot(64, 8)
        b.zero(p, 0, 64)
        q = b.ptr_add(p, b.shl(b.and_(b.load(I64, ctx, 0), 7), 3))
        b.store(q, 0, b.const(99))
        b.copy(out, 0, p, 0, 64)
        b.store(out, 120, b.load(I64, q, 0))

    for n in range(9):
        agree(build, [n])


@pytest.mark.needs("atomics")
@pytest.mark.parametrize("kind", [I32, I64], ids=str)
@pytest.mark.parametrize("fetch", [True, False])
def test_atomics(kind: Type, fetch: bool) -> None:
    def build(b: Builder, ctx: Value) -> None:
        out = b.map_value("out")
        x = b.trunc(b.load(I64, ctx, 0), kind)
        at = 0
        for op in (b.atomic_add, b.atomic_or, b.atomic_and, b.atomic_xor):
            b.store(out, at, b.const(0xF0F0F0F0F0F0F0F0), I64)
            old = op(out, at, x, kind, fetch)
            if fetch:
                b.store(out, at + 8, b.zext(old, I64))
            at += 16
        b.store(out, at, b.const(11), I64)
        b.store(out, at + 8, b.zext(b.atomic_xchg(out, at, x, kind), I64))
        b.store(out, at + 16, b.zext(b.atomic_cmpxchg(out, at, x, b.const(5, kind), kind), I64))
        b.store(out, at + 24, b.zext(b.atomic_cmpxchg(out, at, x, b.const(6, kind), kind), I64))

    agree(build, [0x123456789ABCDEF])


def test_loop() -> None:
    """A bounded loop with two variables that change places."""

    def build(b: Builder, ctx: Value) -> Value:
        i, x, y = (b.variable(I64, name) for name in "ixy")
        b.write(i, 0)
        b.write(x, b.load(I64, ctx, 0))
        b.write(y, b.load(I64, ctx, 8))
        head, body, after = b.block("head"), b.block("body"), b.block("after")
        b.jump(head)
        b.position_at(head)
        b.branch(b.icmp("ult", b.read(i), 10), body, after)
        b.seal(body)
        b.position_at(body)
        old = b.read(x)
        b.write(x, b.read(y))
        b.write(y, b.add(old, b.read(y)))
        b.write(i, b.add(b.read(i), 1))
        b.jump(head)
        b.seal(head)
        b.seal(after)
        b.position_at(after)
        b.store(b.map_value("out"), 0, b.read(x))
        return b.read(y)

    assert agree(build, [0, 1]).result == 89


def test_calls_and_maps() -> None:
    def build(b: Builder, ctx: Value) -> None:
        out = b.map_value("out")
        key, value = b.slot(8, 8, "key"), b.slot(16, 8, "value")
        b.store(key, 0, b.load(I64, ctx, 0))
        b.store(value, 0, b.call("get_current_pid_tgid"))
        b.store(value, 8, b.const(42))
        table = b.map_ref("hash")
        b.store(out, 0, b.sext(b.call("map_update_elem", [table, key, value, 1]), I64))
        b.store(out, 8, b.sext(b.call("map_update_elem", [table, key, value, 1]), I64))
        for at in (16, 32):
            p = b.call("map_lookup_elem", [table, key])
            found, after = b.block("found"), b.block("after")
            b.branch(b.icmp("ne", p, 0), found, after, likely=True)
            b.seal(found)
            b.position_at(found)
            b.copy(out, at, p, 0, 16)
            b.atomic_add(p, 8, b.const(1))
            b.jump(after)
            b.seal(after)
            b.position_at(after)
        b.store(key, 0, b.const(1))
        b.store(out, 48, b.sext(b.call("map_delete_elem", [table, key]), I64))
        b.store(out, 56, b.zext(b.icmp("eq", b.call("map_lookup_elem", [table, key]), 0), I64))

    assert agree(build, [7]).out[24] == 42


def test_and_or_trees() -> None:
    """Conditions of several comparisons, as branches and as numbers."""
    for n in range(16):

        def build(b: Builder, ctx: Value) -> Value:
            bits = [b.load(I64, ctx, 8 * i) for i in range(4)]
            p, q, r, s = (b.icmp("ne", bit, 0) for bit in bits)
            total = b.variable(I64)
            b.write(total, 0)
            trees: list[Callable[[], Value]] = [
                lambda: b.and_(b.and_(p, q), b.or_(r, s)),
                lambda: b.or_(b.and_(p, r), b.not_(b.and_(q, s))),
                lambda: b.xor(b.or_(p, q), b.and_(r, b.not_(s))),
                lambda: b.not_(b.or_(b.or_(p, q), b.or_(r, s))),
            ]
            for index, tree in enumerate(trees):
                then, other, after = b.block("then"), b.block("other"), b.block("after")
                b.branch(tree(), then, other)
                for block, add in ((then, 1 << index), (other, 1 << (index + 8))):
                    b.seal(block)
                    b.position_at(block)
                    b.write(total, b.add(b.read(total), add))
                    b.store(b.map_value("out"), 8 * index, b.const(add))
                    b.jump(after)
                b.seal(after)
                b.position_at(after)
                b.write(total, b.add(b.shl(b.read(total), 1), b.zext(tree(), I64)))
            return b.read(total)

        agree(build, [n & 1, n & 2, n & 4, n & 8])


def test_many_values_at_once() -> None:
    """More than registers hold, over a call."""

    def build(b: Builder, ctx: Value) -> Value:
        values = [b.add(b.load(I64, ctx, 8 * (i % 12)), i) for i in range(30)]
        values.append(b.call("get_current_pid_tgid"))
        total = b.const(0)
        for i, v in enumerate(values):
            total = b.add(b.mul(total, 31), b.xor(v, values[(i * 7) % 30]))
        b.store(b.map_value("out"), 0, total)
        return total

    agree(build, [i * 0x1234567 for i in range(12)])


def test_swap_in_a_loop_under_pressure() -> None:
    """Phis that exchange values need a spare register, and so many that some are spilled."""

    def build(b: Builder, ctx: Value) -> None:
        variables = [b.variable(I64, f"v{i}") for i in range(14)]
        for i, v in enumerate(variables):
            b.write(v, b.load(I64, ctx, 8 * (i % 12)))
        i = b.variable(I64, "i")
        b.write(i, 0)
        head, body, after = b.block("head"), b.block("body"), b.block("after")
        b.jump(head)
        b.position_at(head)
        b.branch(b.icmp("ult", b.read(i), 5), body, after)
        b.seal(body)
        b.position_at(body)
        now = [b.read(v) for v in variables]
        for n, v in enumerate(variables):
            b.write(v, now[(n * 3 + 1) % 14])
        b.write(i, b.add(b.read(i), 1))
        b.jump(head)
        b.seal(head)
        b.seal(after)
        b.position_at(after)
        out = b.map_value("out")
        for n, v in enumerate(variables):
            b.store(out, 8 * n, b.read(v))

    agree(build, list(range(100, 112)))


def test_subprogram() -> None:
    def build(b: Builder, ctx: Value) -> Value:
        from prybee.compiler.builder import Builder

        fn = b.function.module.function("mix", [I64, I64, Ptr(STACK)], I64)
        inner = Builder(fn)
        inner.store(fn.params[2], 0, inner.xor(fn.params[0], fn.params[1]))
        inner.ret(inner.add(inner.mul(fn.params[0], 3), fn.params[1]))
        room = b.slot(8, 8)
        x, y = b.load(I64, ctx, 0), b.load(I64, ctx, 8)
        first = b.call_function(fn, [x, y, room])
        seen = b.load(I64, room, 0)
        second = b.call_function(fn, [first, x, room])
        out = b.map_value("out")
        b.store(out, 0, first)
        b.store(out, 8, second)
        b.store(out, 16, seen)
        b.store(out, 24, b.load(I64, room, 0))
        return second

    agree(build, [5, 9])


def callback(b: Builder, name: str, params: list[Type], body: Callable[..., Any]) -> Any:
    from prybee.compiler.builder import Builder

    fn = b.function.module.function(name, params, I64)
    inner = Builder(fn)
    inner.ret(body(inner, *fn.params))
    return fn


def test_loop_callback() -> None:
    from prybee.compiler.ir import FRAME

    def build(b: Builder, ctx: Value) -> Value:
        def body(inner: Builder, n: Value, frame: Value) -> Value:
            total = inner.add(inner.load(I64, frame, 0), n)
            inner.store(frame, 0, total)
            return inner.zext(inner.icmp("ugt", total, 100), I64)

        frame = b.slot(16, 8)
        b.zero(frame, 0, 16)
        fn = callback(b, "body", [I64, Ptr(FRAME)], body)
        ran = b.call("loop", [b.const(50), b.function_address(fn), frame, 0])
        b.store(b.map_value("out"), 0, ran)
        return b.load(I64, frame, 0)

    assert agree(build).result == 105


def test_map_callback() -> None:
    from prybee.compiler.ir import FRAME, MAP, MAP_VALUE

    def build(b: Builder, ctx: Value) -> Value:
        key, value = b.slot(8, 8), b.slot(16, 8)
        b.store(value, 8, b.const(1))
        for n in range(5):
            b.store(key, 0, b.const(n))
            b.store(value, 0, b.const(n * n))
            b.call("map_update_elem", [b.map_ref("hash"), key, value, 0])

        def body(inner: Builder, m: Value, k: Value, v: Value, frame: Value) -> Value:
            got = inner.mul(inner.load(I64, k, 0), inner.load(I64, v, 0))
            inner.store(frame, 0, inner.add(inner.load(I64, frame, 0), got))
            return inner.const(0)

        frame = b.slot(8, 8)
        b.store(frame, 0, b.const(0))
        kinds = [Ptr(MAP), Ptr(MAP_VALUE), Ptr(MAP_VALUE), Ptr(FRAME)]
        fn = callback(b, "each", kinds, body)
        b.call("for_each_map_elem", [b.map_ref("hash"), b.function_address(fn), frame, 0])
        return b.load(I64, frame, 0)

    assert agree(build).result == 100


def test_query_in_a_pointer() -> None:
    """A pointer becomes a number that the verifier lets out."""

    def build(b: Builder, ctx: Value) -> Value:
        p = b.slot(8, 8)
        b.store(p, 0, b.const(1))
        n = b.ptr_to_int(b.map_value("out", 8))
        b.store(b.map_value("out"), 0, b.const(0))
        return b.and_(n, 7)

    assert execute(build).result == 0


def test_out_is_as_large_as_assumed() -> None:
    assert OUT == 128
