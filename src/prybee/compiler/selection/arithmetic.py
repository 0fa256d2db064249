"""Selection of arithmetic, conversions, pointers and calls."""

from __future__ import annotations

from prybee.compiler.ir import COMMUTATIVE, I32, I64, KERNEL, USER, CompilerError, Function, Value
from prybee.compiler.machine import (
    ADD,
    ALU32,
    ALU64,
    AND,
    ARSH,
    CALL,
    DIV,
    END,
    LSH,
    MOD,
    MOV32_X,
    MOVSX,
    MUL,
    NEG,
    OR,
    PSEUDO_CALL,
    PSEUDO_KFUNC_CALL,
    R0,
    RSH,
    SUB,
    XOR,
    X,
)
from prybee.compiler.numbers import signed
from prybee.compiler.selection.selector import Selector, fits

_ALU = {
    "add": ADD, "sub": SUB, "mul": MUL, "udiv": DIV, "sdiv": DIV, "umod": MOD, "smod": MOD,
    "and": AND, "or": OR, "xor": XOR, "shl": LSH, "lshr": RSH, "ashr": ARSH,
}  # fmt: skip
_SIGNED_DIVISION = frozenset(("sdiv", "smod"))
# Results that stay canonical in a type narrower than the 32 bits they are computed in.  (So do
# those of unsigned division, but the verifier does not see it.)
_STAYS_NARROW = frozenset(("and", "or", "xor", "lshr"))


def binary(s: Selector, v: Value) -> None:
    """``d = a; d op= b``."""
    a, b = v.args
    op = v.op
    kind = v.type
    if op in COMMUTATIVE and b.op != "const" and a.uses > 1 and b.uses == 1:
        a, b = b, a  # the one that dies here lends its register
    if kind is I64:
        if b.op == "const":
            if op == "and" and _mask(s, v, a, b.imm):
                return
            n = signed(b.imm, 64)
            if fits(n):
                d = s.define(v)
                s.into(d, a)
                off = 1 if op in _SIGNED_DIVISION else 0
                s.emit(ALU64 | _ALU[op], d, 0, off, n, (d,), d)
                return
        r = s.reg(b)
        d = s.define(v)
        s.into(d, a)
        off = 1 if op in _SIGNED_DIVISION else 0
        s.emit(ALU64 | _ALU[op] | X, d, r, off, 0, (d, r), d)
        return
    narrow = kind is not I32
    if op == "ashr" and narrow:
        _ashr_narrow(s, v)
        return
    if narrow and op in ("shl", "lshr") and b.op != "const":
        # the count is taken modulo the width
        r = s.new()
        s.into(r, b)
        s.emit(ALU32 | AND, r, 0, 0, kind.bits - 1, (r,), r)
    elif b.op == "const":
        r = -1
    else:
        r = s.reg(b)
    d = s.define(v)
    s.into(d, a)
    if r < 0:
        s.emit(ALU32 | _ALU[op], d, 0, 0, signed(b.imm, 32), (d,), d)
    else:
        s.emit(ALU32 | _ALU[op] | X, d, r, 0, 0, (d, r), d)
    if narrow and op not in _STAYS_NARROW:
        s.emit(ALU32 | AND, d, 0, 0, kind.mask, (d,), d)


def _mask(s: Selector, v: Value, a: Value, mask: int) -> bool:
    """``a & mask`` by a 32-bit operation, which clears the upper half for nothing."""
    if mask == 0xFFFFFFFF:
        r = s.low(a, 32)
        d = s.define(v)
        s.emit(MOV32_X, d, r, 0, 0, (r,), d)
        return True
    if mask <= 0xFFFFFFFF:
        d = s.define(v)
        s.into(d, a)
        s.emit(ALU32 | AND, d, 0, 0, signed(mask, 32), (d,), d)
        return True
    return False


def _ashr_narrow(s: Selector, v: Value) -> None:
    a, b = v.args
    r = -1
    if b.op != "const":
        r = s.new()
        s.into(r, b)
        s.emit(ALU32 | AND, r, 0, 0, v.type.bits - 1, (r,), r)
    d = s.define(v)
    s.into(d, a)
    extend(s, d, v.type.bits)
    if r < 0:
        s.emit(ALU64 | ARSH, d, 0, 0, b.imm, (d,), d)
    else:
        s.emit(ALU64 | ARSH | X, d, r, 0, 0, (d, r), d)
    s.emit(ALU32 | AND, d, 0, 0, v.type.mask, (d,), d)


def extend(s: Selector, d: int, bits: int) -> None:
    """Sign-extend the low ``bits`` of ``d`` to 64."""
    if s.features["v4"]:
        s.emit(MOVSX, d, d, bits, 0, (d,), d)
    else:
        s.emit(ALU64 | LSH, d, 0, 0, 64 - bits, (d,), d)
        s.emit(ALU64 | ARSH, d, 0, 0, 64 - bits, (d,), d)


def negate(s: Selector, v: Value) -> None:
    """Two's complement."""
    d = s.define(v)
    s.into(d, v.args[0])
    kind = v.type
    s.emit((ALU64 if kind is I64 else ALU32) | NEG, d, 0, 0, 0, (d,), d)
    if kind.bits < 32:
        s.emit(ALU32 | AND, d, 0, 0, kind.mask, (d,), d)


def bswap(s: Selector, v: Value) -> None:
    """Reverse bytes: the host is little-endian, so "to big-endian" does it on every kernel."""
    d = s.define(v)
    s.into(d, v.args[0])
    s.emit(ALU32 | END | X, d, 0, 0, v.imm, (d,), d)


def sext(s: Selector, v: Value) -> None:
    """Sign extension to 64 bits."""
    bits = v.operand.bits
    r = s.low(v.args[0], bits)
    d = s.define(v)
    if s.features["v4"]:
        s.emit(MOVSX, d, r, bits, 0, (r,), d)
    else:
        s.move(d, r)
        extend(s, d, bits)


def trunc(s: Selector, v: Value) -> None:
    """Clear what is above the width."""
    bits = v.type.bits
    if bits == 32:
        r = s.low(v.args[0], 32)
        d = s.define(v)
        s.emit(MOV32_X, d, r, 0, 0, (r,), d)
        return
    d = s.define(v)
    s.move(d, s.low(v.args[0], bits))
    s.emit(ALU32 | AND, d, 0, 0, v.type.mask, (d,), d)


def ptr_add(s: Selector, v: Value) -> None:
    """A pointer plus a variable; the constant case is made at its uses."""
    p, n = v.args
    r = s.reg(n)
    d = s.define(v)
    s.into(d, p)
    s.emit(ALU64 | ADD | X, d, r, 0, 0, (d, r), d)


def ptr_to_int(s: Selector, v: Value) -> None:
    """The number behind a pointer.

    Kernel and user addresses are numbers to the verifier already.  Of a typed pointer it knows the
    type; negating twice makes it forget (BPF_NEG yields an unknown scalar for privileged users).
    """
    p = v.args[0]
    if p.type.space in (KERNEL, USER):
        v.vreg = s.reg(p)
        return
    d = s.define(v)
    s.into(d, p)
    s.emit(ALU64 | NEG, d, 0, 0, 0, (d,), d)
    s.emit(ALU64 | NEG, d, 0, 0, 0, (d,), d)


def alias(s: Selector, v: Value) -> None:
    """The same register under another type."""
    v.vreg = s.reg(v.args[0])


def arguments(s: Selector, args: list[Value]) -> tuple[int, ...]:
    """Put arguments into r1…r5: first what is in registers, then what is made on the spot."""
    for index, a in enumerate(args):
        if a.vreg >= 0:
            s.move(index + 1, a.vreg)
    for index, a in enumerate(args):
        if a.vreg < 0:
            s.into(index + 1, a)
    return tuple(range(1, len(args) + 1))


def _called(s: Selector, v: Value) -> None:
    s.cache.clear()
    if v.uses:
        s.move(s.define(v), R0)


def call(s: Selector, v: Value) -> None:
    """A BPF helper."""
    uses = arguments(s, v.args)
    s.emit(CALL, 0, 0, 0, v.aux.number, uses, R0)
    _called(s, v)


def kfunc(s: Selector, v: Value) -> None:
    """A kernel function; the loader fills in its BTF id."""
    uses = arguments(s, v.args)
    s.emit(CALL, 0, PSEUDO_KFUNC_CALL, 0, 0, uses, R0).symbol = ("kfunc", v.aux, 0)
    _called(s, v)


def call_function(s: Selector, v: Value) -> None:
    """A function of this module."""
    uses = arguments(s, v.args)
    fn = v.aux
    if not isinstance(fn, Function):
        raise CompilerError(f"{s.function.name}: call of {fn!r}")
    s.emit(CALL, 0, PSEUDO_CALL, 0, 0, uses, R0).symbol = ("function", fn, 0)
    _called(s, v)


TABLE = {
    **dict.fromkeys(_ALU, binary),
    "neg": negate,
    "bswap": bswap,
    "sext": sext,
    "zext": alias,
    "trunc": trunc,
    "ptr_add": ptr_add,
    "ptr_to_int": ptr_to_int,
    "int_to_ptr": alias,
    "call": call,
    "kfunc": kfunc,
    "call_function": call_function,
}
