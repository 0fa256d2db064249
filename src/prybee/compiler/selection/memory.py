"""Selection of loads, stores, atomics, clearing and copying."""

from __future__ import annotations

from prybee.compiler.helpers import NUMBERS
from prybee.compiler.ir import CTX, FRAME, STACK, CompilerError, Value
from prybee.compiler.machine import (
    ALU64,
    ARSH,
    ATOMIC,
    CALL,
    LDX,
    LDXS,
    LSH,
    R0,
    ST,
    STX,
)
from prybee.compiler.numbers import signed
from prybee.compiler.selection.selector import Selector

# Above these sizes a helper is called.  probe_read_kernel copies any memory, and from address 0,
# which is never readable, it only clears its destination.
UNROLL_ZERO = 256
UNROLL_COPY = 128

_ATOMIC = {"add": 0x00, "or": 0x40, "and": 0x50, "xor": 0xA0, "xchg": 0xE1, "cmpxchg": 0xF1}
_FETCH = 0x01

# A callback's context is in its caller's frame; the verifier wants aligned loads of a program's
# context whatever the machine (tp_prog_is_valid_access and its like, kernel/trace/bpf_trace.c).
_ALIGNED = (STACK, FRAME, CTX)


def load(s: Selector, v: Value) -> None:
    """Read memory."""
    bits = v.operand.bits
    base, off, frame = s.address(v.args[0], v.off)
    d = s.define(v)
    if v.imm and bits < 64:
        if s.features["v4"]:
            s.emit(LDXS[bits], d, base, off, 0, (base,), d).frame = frame
            return
        s.emit(LDX[bits], d, base, off, 0, (base,), d).frame = frame
        s.emit(ALU64 | LSH, d, 0, 0, 64 - bits, (d,), d)
        s.emit(ALU64 | ARSH, d, 0, 0, 64 - bits, (d,), d)
        return
    s.emit(LDX[bits], d, base, off, 0, (base,), d).frame = frame


def store(s: Selector, v: Value) -> None:
    """Write memory: constants directly where they fit."""
    p, x = v.args
    bits = v.operand.bits
    if x.op == "const":
        n = signed(x.imm & v.operand.mask, bits)
        if -0x80000000 <= n <= 0x7FFFFFFF:
            base, off, frame = s.address(p, v.off)
            s.emit(ST[bits], base, 0, off, n, (base,), -1).frame = frame
            return
    r = s.low(x, bits)
    base, off, frame = s.address(p, v.off)
    s.emit(STX[bits], base, r, off, 0, (base, r), -1).frame = frame


def atomic(s: Selector, v: Value) -> None:
    """Read-modify-write."""
    kind = v.aux
    bits = v.operand.bits
    if kind == "cmpxchg":
        r = s.reg(v.args[2])
        base, off, frame = s.address(v.args[0], v.off)
        s.into(R0, v.args[1])
        code = _ATOMIC[kind]
        s.emit(ATOMIC[bits], base, r, off, code, (base, r, R0), R0).frame = frame
        if v.uses:
            s.move(s.define(v), R0)
        return
    fetch = v.imm and (v.uses or kind == "xchg")
    if (fetch or kind != "add") and not s.features["atomics"]:
        raise CompilerError(
            f"{s.function.name}: this kernel has no atomic {kind}{' with fetch' if fetch else ''}"
        )
    if not fetch:
        r = s.low(v.args[1], bits)
        base, off, frame = s.address(v.args[0], v.off)
        s.emit(ATOMIC[bits], base, r, off, _ATOMIC[kind], (base, r), -1).frame = frame
        return
    base, off, frame = s.address(v.args[0], v.off)
    d = s.define(v)
    s.into(d, v.args[1])
    s.emit(ATOMIC[bits], base, d, off, _ATOMIC[kind] | _FETCH, (base, d), d).frame = frame


def alignment(p: Value, off: int, unaligned: bool) -> tuple[int, int]:
    """(a, n): the address ``p + off`` is ``n`` more than a multiple of ``a``, at most 8.

    Accesses of the stack and of the context must be aligned on every kernel.  Elsewhere, where the
    machine does not mind (``unaligned``), any address counts as aligned; where it does, objects
    start at multiples of 8.
    """
    if unaligned and p.type.space not in _ALIGNED:
        return 8, 0
    while p.op == "ptr_add":
        n = p.args[1]
        if n.op != "const":
            return 1, 0
        off += n.imm
        p = p.args[0]
    return (p.aux.align if p.op == "slot" else 8), off & 7


def pieces(size: int, *alignments: tuple[int, int]) -> list[tuple[int, int]]:
    """Cut ``size`` bytes into (offset, bytes) accesses of 8, 4, 2 and 1 bytes, as wide as the
    alignments of all addresses involved allow."""
    result = []
    at = 0
    widest = min([a for a, _ in alignments])
    while at < size:
        width = widest
        while width > size - at or any((n + at) % width for _, n in alignments):
            width >>= 1
        result.append((at, width))
        at += width
    return result


def zero(s: Selector, v: Value) -> None:
    """Clear memory."""
    p = v.args[0]
    size = v.imm
    if size > UNROLL_ZERO and s.features["probe_read_kernel"]:
        s.into(1, _moved(s, p, v.off))
        s.move_constant(2, size)
        s.move_constant(3, 0)
        _read_kernel(s)
        return
    base, off, frame = s.address(p, v.off)
    for at, width in pieces(size, alignment(p, v.off, s.features["unaligned"])):
        s.emit(ST[width * 8], base, 0, off + at, 0, (base,), -1).frame = frame


def copy(s: Selector, v: Value) -> None:
    """Copy memory."""
    dst, src = v.args
    size = v.imm
    if size > UNROLL_COPY and s.features["probe_read_kernel"]:
        s.into(1, _moved(s, dst, v.off))
        s.into(3, _moved(s, src, v.aux))
        s.move_constant(2, size)
        _read_kernel(s)
        return
    unaligned = s.features["unaligned"]
    to, to_off, to_frame = s.address(dst, v.off)
    base, off, frame = s.address(src, v.aux)
    cuts = pieces(size, alignment(dst, v.off, unaligned), alignment(src, v.aux, unaligned))
    for at, width in cuts:
        r = s.new()
        s.emit(LDX[width * 8], r, base, off + at, 0, (base,), r).frame = frame
        s.emit(STX[width * 8], to, r, to_off + at, 0, (to, r), -1).frame = to_frame


def _moved(s: Selector, p: Value, off: int) -> Value:
    """``p + off`` as a value made at its use."""
    if off == 0:
        return p
    moved = Value("ptr_add", p.type, [p, s.function.const(off)])
    s.lazy.add(moved)
    return moved


def _read_kernel(s: Selector) -> None:
    s.emit(CALL, 0, 0, 0, NUMBERS["probe_read_kernel"], (1, 2, 3), R0)
    s.cache.clear()


TABLE = {"load": load, "store": store, "atomic": atomic, "zero": zero, "copy": copy}
