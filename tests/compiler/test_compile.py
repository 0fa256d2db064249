"""Properties of compilation as a whole: determinism, limits, misuse, speed of growth."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from prybee.compiler.builder import Builder
from prybee.compiler.compile import Options, compile_module
from prybee.compiler.helpers import NAMES, helper, helper_name
from prybee.compiler.ir import CTX, I1, I8, I32, I64, KERNEL, MAP, STACK, CompilerError, Module, Ptr
from prybee.compiler.passes.scratch import TooLarge
from tests.compiler import kernel
from tests.compiler.harness import MAPS, agree, compiled, execute, kernel_maps, module_of
from tests.counting import calls

if TYPE_CHECKING:
    from collections.abc import Callable

    from prybee.compiler.ir import Value


def busy(b: Builder, ctx: Value) -> Value:
    """A program with everything that ordering could depend on: spills, phis, slots, callbacks."""
    from tests.compiler.test_random import builder_of

    tree: list[Any] = []
    for n in range(12):
        tree += [
            ("binary", ("add", "mul", "xor", "sdiv", "shl")[n % 5], n, n + 1, n + 2, n + 3),
            ("select", n, n + 1, n + 2, n + 3, n, "slt"),
            ("if", n, n + 1, n + 2, "ult", n, [("call", n, n, n)], [("update", n, n)]),
            ("loop", 2, [("load_at", n, 0, n), ("store", n, n, n)]),
        ]
    tree += [("callback", 3, 1, 2, tree[:4]), ("each", 1, 2, tree[4:7])]
    return builder_of(tree, True)(b, ctx)


def digest() -> str:
    """A hash of all that compiling ``busy`` gives."""
    program = compiled(busy)
    return hashlib.sha256(repr(program).encode()).hexdigest()


def test_same_bytes_whatever_the_hash_seed() -> None:
    found = set()
    for seed in ("0", "1", "4711"):
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": "src:."}
        done = subprocess.run(
            [sys.executable, "-c", "from tests.compiler.test_compile import *; print(digest())"],
            capture_output=True, text=True, env=environment, check=True,
        )  # fmt: skip
        found.add(done.stdout)
    assert len(found) == 1
    assert found == {digest() + "\n"}


@pytest.mark.live
def test_the_busy_program_runs() -> None:
    agree(busy, range(1, 13))


def long_program(blocks: int) -> Callable[[Builder, Value], Value]:
    """Many branches in a row, all of which may skip to the end."""

    def build(b: Builder, ctx: Value) -> Value:
        end = b.block("end")
        total = b.variable(I64)
        b.write(total, b.load(I64, ctx, 0))
        out = b.map_value("out")
        for n in range(blocks):
            nxt = b.block("next")
            b.store(out, n % 16 * 8, b.add(b.read(total), n))
            b.branch(b.icmp("eq", b.load(I64, out, 0), 1_000_000 + n), end, nxt)
            b.seal(nxt)
            b.position_at(nxt)
            b.write(total, b.add(b.mul(b.read(total), 3), n))
        b.jump(end)
        b.seal(end)
        b.position_at(end)
        return b.read(total)

    return build


@pytest.mark.live
@pytest.mark.slow
def test_jumps_beyond_16_bits() -> None:
    """More instructions than a short jump spans."""
    agree(long_program(4500), [3])


@pytest.mark.slow
def test_long_programs_need_long_jumps() -> None:
    with pytest.raises(CompilerError, match="more than a jump of this kernel spans"):
        compiled(long_program(4500), features={"v4": False})


@pytest.mark.slow
def test_steps_grow_with_size() -> None:
    """Eight times the program takes eight times the steps (times: bench/measures/large.py)."""
    short, long = (calls(lambda n=n: compiled(long_program(n))) for n in (200, 1600))
    assert long < 8.4 * short


def handler(b: Builder, ctx: Value) -> None:
    """A keyed histogram of a latency, some forty operations: what a probe typically does."""
    pid = b.call("get_current_pid_tgid")
    key = b.slot(8, 8, "key")
    b.store(key, 0, b.and_(pid, 0xFFFFFFFF))
    start = b.call("map_lookup_elem", [b.map_ref("hash"), key])
    found, end = b.block("found"), b.block("end")
    b.branch(b.icmp("ne", start, 0), found, end)
    b.seal(found)
    b.position_at(found)
    rest = b.or_(b.sub(b.call("ktime_get_ns"), b.load(I64, start, 0)), 1)
    total = b.const(0)
    for bits in (32, 16, 8, 4, 2):
        high = b.select(b.icmp("uge", rest, 1 << bits), b.const(bits), b.const(0))
        rest = b.lshr(rest, high)
        total = b.add(total, high)
    bucket = b.and_(b.add(total, b.lshr(rest, 1)), 15)
    place = b.ptr_add(b.map_value("out"), b.shl(bucket, 3))
    b.store(place, 0, b.add(b.load(I64, place, 0), 1))
    b.call("map_delete_elem", [b.map_ref("hash"), key])
    b.jump(end)
    b.seal(end)
    b.position_at(end)


@pytest.mark.live
def test_the_handler_runs() -> None:
    agree(handler)


def test_a_handler_compiles_in_few_steps() -> None:
    """Some sixty for each operation (times are in bench/measures/start.py and its kin)."""
    module = module_of(handler)
    operations = sum(len(block.code) for block in module.functions[0].blocks)
    assert 35 <= operations <= 50
    assert calls(lambda: compile_module(module)) < 100 * operations


@pytest.mark.live
@pytest.mark.parametrize("limit", [8, 32, 512])
def test_objects_move_to_the_scratch(limit: int) -> None:
    """What does not fit the stack, or is larger than asked for, lives in the per-CPU map."""

    def build(b: Builder, ctx: Value) -> None:
        slots = [b.slot(size, 8, f"s{size}") for size in (8, 24, 64, 200, 600)]
        for n, slot in enumerate(slots):
            b.store(slot, 0, b.add(b.load(I64, ctx, 0), n))
        for n, slot in enumerate(slots):
            b.copy(b.map_value("out"), n * 8, slot, 0, 8)

    have = execute(build, [100], stack_limit_object=limit)
    assert have.out[:40] == b"".join((100 + n).to_bytes(8, "little") for n in range(5))


def test_scratch_region() -> None:
    def build(b: Builder, ctx: Value) -> None:
        room = b.slot(700, 8)
        b.zero(room, 0, 700)
        b.copy(b.map_value("out"), 0, room, 0, 8)

    first = compiled(build)
    assert first.scratch_size == 704
    assert compiled(build, scratch_base=704).scratch_size == 1408


def test_scratch_entries() -> None:
    """What does not fit one entry goes on in the next; no object lies in two."""

    def build(b: Builder, ctx: Value) -> None:
        rooms = [b.slot(15000, 8) for _ in range(5)]
        for n, room in enumerate(rooms):
            b.store(room, 14992, b.add(b.load(I64, ctx, 0), n))
        for n, room in enumerate(rooms):
            b.copy(b.map_value("out"), n * 8, room, 14992, 8)

    program = compiled(build)
    assert program.scratch_size == 2 * 32768 + 15000
    with pytest.raises(TooLarge) as refused:
        compiled(lambda b, ctx: b.zero(b.slot(40000, 8), 0, 40000))
    assert refused.value.size == 40000


def test_stack_is_shared_by_callees() -> None:
    """A callback's frame and its caller's count together: large objects move away."""

    def build(b: Builder, ctx: Value) -> Value:
        from prybee.compiler.ir import FRAME

        fn = b.function.module.function("body", [I64, Ptr(FRAME)], I64)
        inner = Builder(fn)
        room = inner.slot(300, 8)
        inner.zero(room, 0, 300)
        inner.call("trace_printk", [room, 300])
        inner.ret(0)
        own = b.slot(300, 8)
        b.zero(own, 0, 300)
        b.call("loop", [b.const(3), b.function_address(fn), own, 0])
        return b.load(I64, own, 0)

    program = compiled(build)
    assert program.stack <= 512
    assert program.scratch_size >= 300


@pytest.mark.live
def test_a_callback_that_never_runs() -> None:
    """What folding leaves unreferenced is not part of the program."""

    def build(b: Builder, ctx: Value) -> Value:
        from prybee.compiler.ir import FRAME

        fn = b.function.module.function("body", [I64, Ptr(FRAME)], I64)
        Builder(fn).ret(0)
        frame = b.slot(8, 8)
        b.zero(frame, 0, 8)
        return b.call("loop", [b.const(0), b.function_address(fn), frame, 0])

    assert len(compiled(build).functions) == 1
    assert execute(build).result == 0


# -- misuse ----------------------------------------------------------------------------------------


def test_recursion() -> None:
    module = Module("again")
    f = module.function("again", [Ptr(CTX)], I64)
    b = Builder(f)
    b.ret(b.call_function(f, [f.params[0]]))
    with pytest.raises(CompilerError, match="again calls itself"):
        compile_module(module)


MISUSE: dict[str, tuple[Callable[[Builder, Value], Any], str]] = {
    "load through a user pointer": (
        lambda b, ctx: b.load(I64, b.int_to_ptr(b.load(I64, ctx, 0), "user"), 0),
        "load through a user pointer: only helpers may follow it",
    ),
    "load through a number": (
        lambda b, ctx: b.load(I64, b.load(I64, ctx, 0), 0), "load through an i64",
    ),
    "store to the context": (
        lambda b, ctx: b.store(ctx, 0, 1), "store through a ctx pointer",
    ),
    "widths differ": (
        lambda b, ctx: b.add(b.load(I64, ctx, 0), b.load(I32, ctx, 0)), "add of i64 and i32",
    ),
    "pointers added": (lambda b, ctx: b.add(ctx, ctx), r"add of ctx\* and ctx\*"),
    "two numbers": (lambda b, ctx: b.add(1, 2), "two Python numbers"),
    "unknown helper": (lambda b, ctx: b.call("map_lokup_elem"), "nearest: map_lookup_elem"),
    "six arguments": (lambda b, ctx: b.call("loop", [0] * 6), "at most 5"),
    "unknown comparison": (lambda b, ctx: b.icmp("lt", ctx, 0), "no comparison is called 'lt'"),
    "branch on a number": (
        lambda b, ctx: b.branch(b.const(1), b.block(), b.block()), "branch on i64",
    ),
    "beyond a slot": (
        lambda b, ctx: b.store(b.slot(8, 8, "room"), 8, 1), "offset 8 of room, which has 8 bytes",
    ),
    "narrowing zext": (lambda b, ctx: b.zext(b.load(I64, ctx, 0), I8), "zext i64 to i8"),
    "widening trunc": (lambda b, ctx: b.trunc(b.load(I8, ctx, 0), I64), "trunc i8 to i64"),
    "a number into a stack pointer": (
        lambda b, ctx: b.int_to_ptr(b.const(0), STACK), "cannot become a stack pointer",
    ),
    "atomic on a byte": (
        lambda b, ctx: b.atomic_add(b.map_value("out"), 0, b.const(1, I8), I8), "atomic_add of i8",
    ),
    "empty slot": (lambda b, ctx: b.slot(0), "slot of 0 bytes"),
    "after the end": (lambda b, ctx: (b.ret(0), b.load(I64, ctx, 0)), "load after the end"),
    "jump to a sealed block": (
        lambda b, ctx: b.jump(b.function.blocks[0]), "jump to the sealed block entry",
    ),
    "select of two types": (
        lambda b, ctx: b.select(b.const(1, I1), b.const(1, I8), b.const(1, I32)), "select i1",
    ),
    "bswap of a byte": (lambda b, ctx: b.bswap(b.load(I8, ctx, 0), 16), "bswap of 16 bits of i8"),
    "follow a kernel pointer": (
        lambda b, ctx: b.copy(b.slot(8), 0, b.int_to_ptr(b.load(I64, ctx, 0), KERNEL), 0, 8),
        "copy through a kernel pointer",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", MISUSE)
def test_misuse(name: str) -> None:
    build, words = MISUSE[name]
    with pytest.raises(CompilerError, match=words):
        compiled(build)


def test_block_without_end() -> None:
    module = Module("open")
    f = module.function("open", [Ptr(CTX)], I64)
    b = Builder(f)
    nxt = b.block("nxt")
    b.jump(nxt)
    b.seal(nxt)
    b.position_at(nxt)
    b.load(I64, f.params[0], 0)
    with pytest.raises(CompilerError, match="block nxt does not end in a jump, branch or return"):
        compile_module(module)


def test_module_misuse() -> None:
    module = Module("twice")
    module.function("f", [Ptr(CTX)], I64)
    with pytest.raises(CompilerError, match="two functions named f"):
        module.function("f")
    with pytest.raises(CompilerError, match="at most 5 parameters"):
        module.function("g", [I64] * 6)
    with pytest.raises(CompilerError, match="needs a function"):
        compile_module(Module("empty"))


def test_old_kernel_without_fetching_atomics() -> None:
    def build(b: Builder, ctx: Value) -> Value:
        return b.atomic_xchg(b.map_value("out"), 0, b.load(I64, ctx, 0))

    with pytest.raises(CompilerError, match="no atomic xchg"):
        compiled(build, features={"atomics": False})


def test_helpers() -> None:
    assert helper("map_lookup_elem").number == 1
    assert helper("cgrp_storage_delete").number == 211 == len(NAMES)
    assert helper_name(181) == "loop"
    assert helper_name(0) == helper_name(212) == ""


@pytest.mark.live
def test_helper_numbers_are_the_kernels() -> None:
    """The verifier names a helper that it does not allow; all names must be ours."""
    import re
    import struct

    kernel.needs_kernel()
    for number in (50, 51, 60, 100, 121, 150, 170, 200, 205):
        image = struct.pack("<BBhi", 0x85, 0, 0, number) + bytes.fromhex("9500000000000000")
        with pytest.raises(kernel.Refused) as refused:
            kernel.Program(image)
        if number > 120 and f"invalid func unknown#{number}" in refused.value.log:
            continue  # younger than this kernel
        found = re.search(r"(?:call|func) bpf_(\w+)#", refused.value.log)
        assert found is not None, refused.value.log
        assert found[1] == helper_name(number)


def test_maps_of_the_harness_are_known() -> None:
    """A relocation names a map that exists."""
    used = {r.symbol for r in compiled(busy).relocations}
    assert used <= set(MAPS)


def test_options_are_data() -> None:
    assert Options() == Options()
    assert module_of(busy).functions[0].types == (Ptr(CTX),)
    assert Ptr(MAP) is Ptr(MAP)


@pytest.mark.live
def test_kernel_maps_are_clean() -> None:
    kernel.needs_kernel()
    assert kernel_maps()["out"][bytes(4)] == bytes(128)
