"""Random programs: what the kernel computes is what the interpreter computes.

A program is a tree of small statements over a set of variables.  Operand numbers are taken modulo
what there is, so every tree is a program, and hypothesis can make failing ones small.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from prybee.compiler.builder import Builder
from prybee.compiler.ir import FRAME, I1, I8, I16, I32, I64, INVERSE, MAP, MAP_VALUE, STACK, Ptr
from tests.compiler import kernel
from tests.compiler.harness import agree
from tests.patience import FACTOR

if TYPE_CHECKING:
    from prybee.compiler.builder import Variable
    from prybee.compiler.ir import Value

pytestmark = pytest.mark.live

WIDTHS = (I8, I16, I32, I64)
OPERATIONS = ("add", "sub", "mul", "udiv", "sdiv", "umod", "smod", "and_", "or_", "xor",
              "shl", "lshr", "ashr")  # fmt: skip
PREDICATES = sorted(INVERSE)
ATOMICS = ("add", "or", "and", "xor", "xchg", "cmpxchg")
PER_WIDTH = 4
ROOM = 64  # bytes of each memory

small = st.integers(0, 15)
numbers = st.one_of(
    st.integers(-3, 70),
    st.sampled_from([0x7F, 0x80, 0xFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF,
                     1 << 32, 1 << 62, 1 << 63, (1 << 64) - 1]),
    st.integers(0, (1 << 64) - 1),
)  # fmt: skip

simple = st.one_of(
    st.tuples(st.just("const"), small, numbers),
    st.tuples(st.just("binary"), st.sampled_from(OPERATIONS), small, small, small, small),
    st.tuples(st.just("constant"), st.sampled_from(OPERATIONS), small, small, small, numbers),
    st.tuples(st.just("unary"), st.sampled_from(("neg", "not_", "bswap")), small, small, small),
    st.tuples(st.just("convert"), st.sampled_from(("zext", "sext", "trunc")), small, small),
    st.tuples(st.just("select"), small, small, small, small, small, st.sampled_from(PREDICATES)),
    st.tuples(st.just("bool"), small, small, small, st.sampled_from(PREDICATES)),
    st.tuples(st.just("store"), small, small, small),
    st.tuples(st.just("store_constant"), small, small, small, numbers),
    st.tuples(st.just("load"), small, small, small, st.booleans()),
    st.tuples(st.just("load_at"), small, small, small),
    st.tuples(st.just("store_at"), small, small, small),
    st.tuples(st.just("copy"), small, small, small),
    st.tuples(st.just("zero"), small, small, small),
    st.tuples(st.just("atomic"), st.sampled_from(ATOMICS), small, small, small, st.booleans()),
    st.tuples(st.just("pid"), small),
    st.tuples(st.just("lookup"), small, small),
    st.tuples(st.just("update"), small, small),
    st.tuples(st.just("find"), small, small),
    st.tuples(st.just("remove"), small),
    st.tuples(st.just("call"), small, small, small),
)


def statements(depth: int) -> Any:
    """Lists of statements with others inside, ``depth`` levels deep."""
    if depth == 0:
        return st.lists(simple, min_size=0, max_size=6)
    inner = statements(depth - 1)
    one = st.one_of(
        simple,
        simple,
        st.tuples(
            st.just("if"), small, small, small, st.sampled_from(PREDICATES), small, inner, inner
        ),
        st.tuples(st.just("loop"), st.integers(0, 3), inner),
        st.tuples(st.just("callback"), st.integers(0, 3), small, small, inner),
        st.tuples(st.just("each"), small, small, inner),
    )
    return st.lists(one, min_size=0, max_size=8)


class Maker:
    """Builds the function of a tree."""

    def __init__(self, b: Builder, ctx: Value | None) -> None:
        self.b = b
        self.variables: dict[Any, list[Variable]] = {}
        for kind in WIDTHS:
            self.variables[kind] = [b.variable(kind) for _ in range(PER_WIDTH)]
        self.memories: list[Value] = []
        self.depth = 0
        self.loops = 0

    @property
    def all(self) -> list[tuple[Any, Variable]]:
        return [(kind, v) for kind in WIDTHS for v in self.variables[kind]]

    def get(self, n: int, kind: Any) -> Value:
        return self.b.read(self.variables[kind][n % PER_WIDTH])

    def put(self, n: int, kind: Any, value: Value) -> None:
        self.b.write(self.variables[kind][n % PER_WIDTH], value)

    def memory(self, n: int) -> Value:
        return self.memories[n % len(self.memories)]

    def block(self, tree: list[Any]) -> None:
        for statement in tree:
            getattr(self, "do_" + statement[0])(*statement[1:])

    # -- statements -----------------------------------------------------------------------------

    def do_const(self, d: int, n: int) -> None:
        kind = WIDTHS[d % 4]
        self.put(d // 4, kind, self.b.const(n, kind))

    def do_binary(self, op: str, w: int, d: int, x: int, y: int) -> None:
        kind = WIDTHS[w % 4]
        self.put(d, kind, getattr(self.b, op)(self.get(x, kind), self.get(y, kind)))

    def do_constant(self, op: str, w: int, d: int, x: int, n: int) -> None:
        kind = WIDTHS[w % 4]
        value, const = self.get(x, kind), self.b.const(n, kind)
        if d >= 8:
            value, const = const, value
        self.put(d, kind, getattr(self.b, op)(value, const))

    def do_unary(self, op: str, w: int, d: int, x: int) -> None:
        kind = WIDTHS[w % 4]
        value = self.get(x, kind)
        if op == "bswap":
            if kind is I8:
                return
            self.put(d, kind, self.b.bswap(value, min(kind.bits, (16, 32, 64)[d % 3])))
        else:
            self.put(d, kind, getattr(self.b, op)(value))

    def do_convert(self, op: str, d: int, x: int) -> None:
        a, c = WIDTHS[d % 4], WIDTHS[x % 4]
        if (op == "trunc") != (c.bits > a.bits):
            a, c = c, a
        if a is not c and (op == "trunc") == (c.bits > a.bits):
            self.put(d // 4, a, getattr(self.b, op)(self.get(x // 4, c), a))

    def condition(self, w: int, x: int, y: int, pred: str) -> Value:
        kind = WIDTHS[w % 4]
        right = self.b.const(y - 8, kind) if y >= 12 else self.get(y, kind)
        return self.b.icmp(pred, self.get(x, kind), right)

    def do_select(self, w: int, d: int, x: int, y: int, v: int, pred: str) -> None:
        kind = WIDTHS[v % 4]
        c = self.condition(w, x, y, pred)
        self.put(d, kind, self.b.select(c, self.get(x, kind), self.get(d + y, kind)))

    def do_bool(self, d: int, x: int, y: int, pred: str) -> None:
        kind = WIDTHS[d % 4]
        c = self.condition(y, x, y + 1, pred)
        if x % 3 == 0:
            c = self.b.or_(c, self.condition(d, y, x, "ult"))
        elif x % 3 == 1:
            c = self.b.not_(self.b.and_(c, self.condition(d, y, x, "sge")))
        self.put(d, kind, (self.b.zext if y % 2 else self.b.sext)(c, kind))

    def do_store(self, m: int, at: int, x: int) -> None:
        kind = WIDTHS[x % 4]
        size = kind.bits // 8
        self.b.store(self.memory(m), min(at * 4 // size * size, ROOM - 8), self.get(x // 4, kind))

    def do_store_constant(self, m: int, at: int, w: int, n: int) -> None:
        kind = WIDTHS[w % 4]
        size = kind.bits // 8
        self.b.store(self.memory(m), min(at * 4 // size * size, ROOM - 8), self.b.const(n), kind)

    def do_load(self, d: int, m: int, at: int, signed: bool) -> None:
        kind = WIDTHS[d % 4]
        size = kind.bits // 8
        at = min(at * 4 // size * size, ROOM - 8)
        value = self.b.load(kind, self.memory(m), at, signed=signed)
        self.put(d // 4, I64 if signed else kind, value)

    def place(self, m: int, x: int) -> Value:
        index = self.b.and_(self.get(x, I64), 7)
        return self.b.ptr_add(self.memory(m), self.b.shl(index, 3))

    def do_load_at(self, d: int, m: int, x: int) -> None:
        kind = WIDTHS[d % 4]
        self.put(d // 4, kind, self.b.load(kind, self.place(m, x), 0))

    def do_store_at(self, m: int, x: int, y: int) -> None:
        whole = (
            self.memory(m).type.space in (FRAME, STACK) and not kernel.reads_what_was_overwritten()
        )
        self.b.store(self.place(m, x), 0, self.get(y // 4, I64 if whole else WIDTHS[y % 4]))

    def do_copy(self, m: int, n: int, size: int) -> None:
        if self.memory(m) is not self.memory(n):
            off = size % 3 * 8
            self.b.copy(self.memory(m), off, self.memory(n), 24 - off, size * 2 + 1)

    def do_zero(self, m: int, off: int, size: int) -> None:
        self.b.zero(self.memory(m), off, size * 3)

    def do_atomic(self, kind: str, m: int, at: int, x: int, fetch: bool) -> None:
        width = (I32, I64)[x % 2]
        p, off, value = self.memory(m), at % 8 * 8, self.get(x, width)
        if kind == "cmpxchg":
            self.put(at, width, self.b.atomic_cmpxchg(p, off, self.get(x + 1, width), value, width))
        elif kind == "xchg":
            self.put(at, width, self.b.atomic_xchg(p, off, value, width))
        else:
            old = getattr(self.b, f"atomic_{kind}")(p, off, value, width, fetch)
            if fetch:
                self.put(at, width, old)

    def do_pid(self, d: int) -> None:
        self.put(d, I64, self.b.call("get_current_pid_tgid"))

    def when(self, c: Value, then: Any, otherwise: Any = None, likely: bool | None = None) -> None:
        b = self.b
        yes, no, after = b.block("yes"), b.block("no"), b.block("after")
        b.branch(c, yes, no, likely)
        for block, work in ((yes, then), (no, otherwise)):
            b.seal(block)
            b.position_at(block)
            if work is not None:
                work()
            b.jump(after)
        b.seal(after)
        b.position_at(after)

    def lookup(self, x: int) -> Value:
        key = self.b.slot(4, 4, "key")
        self.b.store(key, 0, self.b.and_(self.get(x, I32), 7))
        return self.b.call("map_lookup_elem", [self.b.map_ref("table"), key])

    def do_lookup(self, d: int, x: int) -> None:
        p = self.lookup(x)
        b = self.b

        def found() -> None:
            self.put(d, I64, b.add(b.load(I64, p, 8), 1))
            b.store(p, 0, self.get(x + 1, I64))

        self.when(b.icmp("ne", p, 0), found, None, True if d % 2 else None)

    def do_update(self, d: int, x: int) -> None:
        b = self.b
        key, value = b.slot(8, 8, "key"), b.slot(16, 8, "value")
        b.store(key, 0, b.const(x % 4))
        b.store(value, 0, self.get(x, I64))
        b.store(value, 8, b.zext(self.get(x, I8), I64))
        done = b.call("map_update_elem", [b.map_ref("hash"), key, value, d % 2])
        self.put(d, I64, b.sext(done, I64))

    def do_find(self, d: int, x: int) -> None:
        b = self.b
        key = b.slot(8, 8, "key")
        b.store(key, 0, b.const(x % 4))
        p = b.call("map_lookup_elem", [b.map_ref("hash"), key])
        self.when(
            b.icmp("eq", p, 0),
            lambda: self.put(d, I64, b.const(x)),
            lambda: self.put(d, I64, b.load(I64, p, x % 2 * 8)),
        )

    def do_remove(self, x: int) -> None:
        b = self.b
        key = b.slot(8, 8, "key")
        b.store(key, 0, b.const(x % 4))
        b.call("map_delete_elem", [b.map_ref("hash"), key])

    def do_call(self, d: int, x: int, y: int) -> None:
        module = self.b.function.module
        fn = next((f for f in module.functions if f.name == "subprogram"), None)
        if fn is None:
            fn = module.function("subprogram", [I64, I32], I64)
            inner = Builder(fn)
            pid = inner.call("get_current_pid_tgid")
            z = inner.add(inner.mul(fn.params[0], 3), inner.zext(fn.params[1], I64))
            inner.ret(inner.xor(z, pid))
        self.put(d, I64, self.b.call_function(fn, [self.get(x, I64), self.get(y, I32)]))

    def do_if(
        self, w: int, x: int, y: int, pred: str, more: int, then: list[Any], other: list[Any]
    ) -> None:
        c = self.condition(w, x, y, pred)
        if more % 4 == 1:
            c = self.b.and_(c, self.condition(y, w, x, "ne"))
        elif more % 4 == 2:
            c = self.b.or_(c, self.condition(y, w, x, "slt"))
        likely = (None, None, True, False)[more // 4]
        self.when(c, lambda: self.block(then), lambda: self.block(other), likely)

    def do_loop(self, count: int, body: list[Any]) -> None:
        if self.loops >= 2:
            return
        self.loops += 1
        b = self.b
        i = b.variable(I64, "i")
        b.write(i, 0)
        head, inside, after = b.block("head"), b.block("inside"), b.block("after")
        b.jump(head)
        b.position_at(head)
        b.branch(b.icmp("ult", b.read(i), count), inside, after)
        b.seal(inside)
        b.position_at(inside)
        self.block(body)
        b.write(i, b.add(b.read(i), 1))
        b.jump(head)
        b.seal(head)
        b.seal(after)
        b.position_at(after)
        self.loops -= 1

    def do_callback(self, count: int, m: int, x: int, body: list[Any]) -> None:
        """bpf_loop over a body with variables of its own, sharing one memory."""
        if self.depth:
            return
        fn = self.b.function.module.function(
            f"body{len(self.b.function.module.functions)}", [I64, Ptr(FRAME)], I64
        )
        frame = self.frame()
        self.inside(fn, fn.params[1], fn.params[0], body, x)
        ran = self.b.call("loop", [self.b.const(count), self.b.function_address(fn), frame, 0])
        self.put(m, I64, ran)
        self.put(m + 1, I64, self.b.load(I64, frame, 8))

    def do_each(self, m: int, x: int, body: list[Any]) -> None:
        """for_each_map_elem over the table."""
        if self.depth:
            return
        fn = self.b.function.module.function(
            f"each{len(self.b.function.module.functions)}",
            [Ptr(MAP), Ptr(MAP_VALUE), Ptr(MAP_VALUE), Ptr(FRAME)],
            I64,
        )
        frame = self.frame()
        self.inside(fn, fn.params[3], fn.params[2], body, x)
        call = [self.b.map_ref("table"), self.b.function_address(fn), frame, 0]
        self.put(m, I64, self.b.zext(self.b.call("for_each_map_elem", call), I64))
        self.put(m + 1, I64, self.b.load(I64, frame, 8))

    def frame(self) -> Value:
        frame = self.b.slot(ROOM, 8, "frame")
        self.b.zero(frame, 0, ROOM)
        self.b.store(frame, 16, self.get(0, I64))
        self.b.store(frame, 24, self.get(1, I64))
        return frame

    def inside(self, fn: Any, frame: Value, given: Value, body: list[Any], stop: int) -> None:
        b = Builder(fn)
        inner = Maker(b, None)
        inner.depth = 1
        for n, (kind, variable) in enumerate(inner.all):
            b.write(variable, b.trunc(b.load(I64, frame, 16 + n % 4 * 8), kind))
        if not given.type.space:
            inner.put(0, I64, given)
            inner.memories = [frame, b.map_value("out")]
        else:
            inner.put(0, I64, b.load(I64, given, 0))
            inner.memories = [frame, b.map_value("out", 8)]
        inner.block(body)
        total = b.load(I64, frame, 8)
        for _, variable in inner.all:
            total = b.add(b.mul(total, 3), b.zext(b.read(variable), I64))
        b.store(frame, 8, total)
        b.ret(b.zext(b.icmp("eq", b.and_(total, 7), stop % 9), I64))


def builder_of(tree: list[Any], large: bool = False) -> Any:
    """What builds the program of a tree."""

    def build(b: Builder, ctx: Value) -> Value:
        maker = Maker(b, ctx)
        for n, (kind, variable) in enumerate(maker.all):
            value = b.load(I64, ctx, 8 * (n % 12))
            b.write(variable, b.trunc(value, kind))
        room = b.slot(2000 if large else ROOM, 8, "room")
        b.zero(room, 0, ROOM)
        maker.memories = [room, b.map_value("out"), b.map_value("out", ROOM - 8)]
        maker.block(tree)
        total = b.const(0)
        for _, variable in maker.all:
            total = b.add(b.mul(total, 31), b.zext(b.read(variable), I64))
        for at in range(0, ROOM, 8):
            total = b.xor(b.mul(total, 7), b.load(I64, room, at))
        b.store(b.map_value("out"), 120, total)
        return b.zext(b.trunc(total, I1), I64)

    return build


arguments = st.lists(numbers.map(lambda n: n & (1 << 64) - 1), min_size=12, max_size=12)
# In an emulated guest an example takes many seconds.
SLOWER = FACTOR**1.4
relaxed = settings(
    deadline=None,
    max_examples=round(150 / SLOWER),
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


@given(statements(2), arguments, st.booleans())
@relaxed
def test_random_programs(tree: list[Any], args: list[int], large: bool) -> None:
    agree(builder_of(tree, large), args)


@given(st.lists(simple, max_size=30), arguments)
@relaxed
def test_random_straight_lines(tree: list[Any], args: list[int]) -> None:
    agree(builder_of(tree), args)


@given(statements(1), arguments)
@settings(relaxed, max_examples=round(60 / SLOWER))
def test_random_programs_for_older_kernels(tree: list[Any], args: list[int]) -> None:
    """Without cpu v4 and without 32-bit jumps."""
    agree(builder_of(tree), args, features={"v4": False, "jmp32": False})
