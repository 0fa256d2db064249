"""Rewriting rules: constant folding, algebraic identities, strength reduction.

``RULES[op](maker, value)`` looks at one operation whose arguments are final.  It returns the value
that replaces it (made through ``maker`` where new operations are needed), or None to keep it,
perhaps changed in place.  Rules also keep ``width``, the number of low bits that may be set.

A mask is dropped only where ``width`` proves it useless from facts the kernel's verifier derives
as well (sizes of loads, masks, constant shifts), never from what the script's author knows.  So
results of divisions, of shifts by a variable count and of large products count as full: to the
verifier they are unknown numbers.
"""

from __future__ import annotations

from prybee.compiler.ir import (
    I1,
    I8,
    I16,
    I32,
    I64,
    INVERSE,
    SWAPPED,
)
from prybee.compiler.numbers import EVALUATE, compare, signed
from prybee.compiler.passes import fold_memory

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Protocol

    from prybee.compiler.ir import Function, Type, Value

    class Maker(Protocol):
        """What rules need of the pass that applies them (``simplify.Simplifier``)."""

        function: Function
        features: dict[str, bool]

        def make(self, op: str, kind: Type, *args: Value, **fields: Any) -> Value: ...
        def const(self, n: int, kind: Type = I64) -> Value: ...
        def decided(self, cond: Value) -> bool | None: ...

    Rule = Callable[[Maker, Value], Value | None]


def _log2(n: int) -> int:
    """The exponent of a power of two, -1 of any other number."""
    return n.bit_length() - 1 if n and n & (n - 1) == 0 else -1


def _constants(m: Maker, v: Value) -> Value | None:
    a, b = v.args
    if a.op == "const" and b.op == "const":
        bits = v.type.bits
        return m.const(EVALUATE[v.op](a.imm, b.imm, bits), v.type)
    return None


def _constant_right(v: Value) -> None:
    a, b = v.args
    if a.op == "const" or (b.op != "const" and a.id > b.id):
        v.args = [b, a]


def _add(m: Maker, v: Value) -> Value | None:
    _constant_right(v)
    a, b = v.args
    kind = v.type
    if b.op == "const":
        if a.op == "const":
            return m.const(a.imm + b.imm, kind)
        if b.imm == 0:
            return a
        if a.op == "add" and a.args[1].op == "const" and a.type is kind:
            return m.make("add", kind, a.args[0], m.const(a.args[1].imm + b.imm, kind))
    if b.op == "neg" and b.type is kind:
        return m.make("sub", kind, a, b.args[0])
    v.width = min(max(a.width, b.width) + 1, kind.bits)
    return None


def _sub(m: Maker, v: Value) -> Value | None:
    a, b = v.args
    kind = v.type
    if b.op == "const":
        return m.make("add", kind, a, m.const(-b.imm, kind))
    if a is b:
        return m.const(0, kind)
    if a.op == "const" and a.imm == 0:
        return m.make("neg", kind, b)
    if a.op == "const" and a.imm >= (1 << b.width) - 1:
        v.width = a.width  # no borrow
    return None


def _mul(m: Maker, v: Value) -> Value | None:
    _constant_right(v)
    a, b = v.args
    kind = v.type
    if b.op == "const":
        if a.op == "const":
            return m.const(a.imm * b.imm, kind)
        if b.imm == 0:
            return b
        if b.imm == 1:
            return a
        if b.imm == kind.mask:
            return m.make("neg", kind, a)
        shift = _log2(b.imm)
        if shift > 0:
            return m.make("shl", kind, a, m.const(shift, kind))
        if a.op == "mul" and a.args[1].op == "const" and a.type is kind:
            return m.make("mul", kind, a.args[0], m.const(a.args[1].imm * b.imm, kind))
    if a.width <= 32 and b.width <= 32:
        v.width = min(a.width + b.width, kind.bits)
    return None


def _udiv(m: Maker, v: Value) -> Value | None:
    a, b = v.args
    kind = v.type
    if b.op == "const":
        if a.op == "const":
            return _constants(m, v)
        if b.imm == 0:
            return b
        shift = _log2(b.imm)
        if shift >= 0:
            return m.make("lshr", kind, a, m.const(shift, kind))
        if a.width < b.imm.bit_length():
            return m.const(0, kind)
        if a.op == "udiv" and a.args[1].op == "const" and a.type is kind:
            product = a.args[1].imm * b.imm
            if product <= kind.mask:
                return m.make("udiv", kind, a.args[0], m.const(product, kind))
    return None


def _umod(m: Maker, v: Value) -> Value | None:
    a, b = v.args
    kind = v.type
    if b.op == "const":
        if a.op == "const":
            return _constants(m, v)
        if b.imm == 0:
            return a
        if _log2(b.imm) >= 0:
            return m.make("and", kind, a, m.const(b.imm - 1, kind))
        if a.width < b.imm.bit_length():
            return a
    return None


def _sdiv_rule(m: Maker, v: Value) -> Value | None:
    a, b = v.args
    kind = v.type
    bits = kind.bits
    if b.op == "const":
        if a.op == "const":
            return _constants(m, v)
        if b.imm == 0:
            return b
        if b.imm == 1:
            return a
        if b.imm == kind.mask:
            return m.make("neg", kind, a)
    if a.width < bits and b.width < bits:
        return m.make("udiv", kind, a, b)
    if kind is not I64:
        return _wide(m, v)
    if b.op == "const":
        shift = _log2(b.imm)
        if 0 < shift < bits - 1:
            # Round toward zero: add 2^shift - 1 to a negative dividend.
            sign = m.make("ashr", kind, a, m.const(bits - 1, kind))
            bias = m.make("lshr", kind, sign, m.const(bits - shift, kind))
            total = m.make("add", kind, a, bias)
            return m.make("ashr", kind, total, m.const(shift, kind))
    if not m.features["v4"]:
        zero = m.const(0)
        flip = m.make("icmp", I1, m.make("xor", kind, a, b), zero, aux="slt", operand=kind)
        quotient = m.make("udiv", kind, _magnitude(m, a), _magnitude(m, b))
        return m.make("select", kind, flip, m.make("neg", kind, quotient), quotient)
    return None


def _smod_rule(m: Maker, v: Value) -> Value | None:
    a, b = v.args
    kind = v.type
    bits = kind.bits
    if b.op == "const":
        if a.op == "const":
            return _constants(m, v)
        if b.imm == 0:
            return a
        if b.imm in (1, kind.mask):
            return m.const(0, kind)
    if a.width < bits and b.width < bits:
        return m.make("umod", kind, a, b)
    if kind is not I64:
        return _wide(m, v)
    if not m.features["v4"]:
        flip = m.make("icmp", I1, a, m.const(0), aux="slt", operand=kind)
        rest = m.make("umod", kind, _magnitude(m, a), _magnitude(m, b))
        return m.make("select", kind, flip, m.make("neg", kind, rest), rest)
    return None


def _magnitude(m: Maker, x: Value) -> Value:
    if x.op == "const":
        return m.const(abs(signed(x.imm, 64)))
    below = m.make("icmp", I1, x, m.const(0), aux="slt", operand=I64)
    return m.make("select", I64, below, m.make("neg", I64, x), x)


def _wide(m: Maker, v: Value) -> Value:
    """A signed division of a narrow type, done in 64 bits."""
    a = m.make("sext", I64, v.args[0], operand=v.type)
    b = m.make("sext", I64, v.args[1], operand=v.type)
    return m.make("trunc", v.type, m.make(v.op, I64, a, b))


def _and(m: Maker, v: Value) -> Value | None:
    _constant_right(v)
    a, b = v.args
    kind = v.type
    if b.op == "const":
        mask = b.imm
        if a.op == "const":
            return m.const(a.imm & mask, kind)
        if mask == 0:
            return b
        if mask & ((1 << a.width) - 1) == (1 << a.width) - 1:
            return a
        if a.op == "and" and a.args[1].op == "const":
            return m.make("and", kind, a.args[0], m.const(a.args[1].imm & mask, kind))
        v.width = mask.bit_length()
        return None
    if a is b:
        return a
    v.width = min(a.width, b.width)
    return None


def _or(m: Maker, v: Value) -> Value | None:
    _constant_right(v)
    a, b = v.args
    kind = v.type
    if b.op == "const":
        if a.op == "const":
            return m.const(a.imm | b.imm, kind)
        if b.imm == 0:
            return a
        if b.imm == kind.mask:
            return b
    if a is b:
        return a
    v.width = max(a.width, b.width)
    return None


def _xor(m: Maker, v: Value) -> Value | None:
    _constant_right(v)
    a, b = v.args
    kind = v.type
    if a is b:
        return m.const(0, kind)
    if b.op == "const":
        if a.op == "const":
            return m.const(a.imm ^ b.imm, kind)
        if b.imm == 0:
            return a
        if b.imm == 1 and a.type is I1:
            if a.op == "icmp":
                return _inverted(m, a)
            if a.op == "xor" and a.args[1].op == "const":
                return m.make("xor", kind, a.args[0], m.const(a.args[1].imm ^ 1, kind))
    v.width = max(a.width, b.width)
    return None


def _inverted(m: Maker, v: Value) -> Value:
    return m.make("icmp", I1, *v.args, aux=INVERSE[v.aux], operand=v.operand)


def _shift_count(m: Maker, v: Value) -> int:
    """The constant count, in range; -1 where it is not constant."""
    b = v.args[1]
    if b.op != "const":
        return -1
    count = b.imm % v.type.bits
    if count != b.imm:
        v.args[1] = m.const(count, v.type)
    return count


def _shl(m: Maker, v: Value) -> Value | None:
    count = _shift_count(m, v)
    if count < 0:
        return None
    a = v.args[0]
    kind = v.type
    if a.op == "const":
        return m.const(a.imm << count, kind)
    if count == 0:
        return a
    if a.op == "shl" and a.args[1].op == "const" and a.type is kind:
        total = a.args[1].imm + count
        if total >= kind.bits:
            return m.const(0, kind)
        return m.make("shl", kind, a.args[0], m.const(total, kind))
    if a.op == "lshr" and a.args[1].op == "const" and a.args[1].imm == count and a.type is kind:
        return m.make("and", kind, a.args[0], m.const(kind.mask << count, kind))
    v.width = min(a.width + count, kind.bits)
    return None


def _lshr(m: Maker, v: Value) -> Value | None:
    count = _shift_count(m, v)
    a = v.args[0]
    kind = v.type
    if count < 0:
        return None
    if a.op == "const":
        return m.const(a.imm >> count, kind)
    if count == 0:
        return a
    if count >= a.width:
        return m.const(0, kind)
    if a.op == "lshr" and a.args[1].op == "const" and a.type is kind:
        total = a.args[1].imm + count
        return m.make("lshr", kind, a.args[0], m.const(total, kind))
    if a.op == "shl" and a.args[1].op == "const" and a.args[1].imm == count and a.type is kind:
        return m.make("and", kind, a.args[0], m.const(kind.mask >> count, kind))
    v.width = a.width - count
    return None


_NARROW = {8: I8, 16: I16, 32: I32}


def _ashr(m: Maker, v: Value) -> Value | None:
    count = _shift_count(m, v)
    a = v.args[0]
    kind = v.type
    if a.width < kind.bits:
        return m.make("lshr", kind, a, v.args[1])
    if count < 0:
        return None
    if a.op == "const":
        return m.const(signed(a.imm, kind.bits) >> count, kind)
    if count == 0:
        return a
    if a.op == "shl" and a.args[1].op == "const" and a.args[1].imm == count and kind is I64:
        narrow = _NARROW.get(64 - count)
        if narrow is not None:
            return m.make("sext", I64, a.args[0], operand=narrow)
    if a.op == "ashr" and a.args[1].op == "const" and a.type is kind:
        total = min(a.args[1].imm + count, kind.bits - 1)
        return m.make("ashr", kind, a.args[0], m.const(total, kind))
    return None


def _neg(m: Maker, v: Value) -> Value | None:
    a = v.args[0]
    if a.op == "const":
        return m.const(-a.imm, v.type)
    if a.op == "neg" and a.type is v.type:
        return a.args[0]
    return None


def _bswap(m: Maker, v: Value) -> Value | None:
    a = v.args[0]
    bits = v.imm
    if a.op == "const":
        n = a.imm & ((1 << bits) - 1)
        return m.const(int.from_bytes(n.to_bytes(bits // 8, "little"), "big"), v.type)
    if a.op == "bswap" and a.imm == bits:
        return m.make("and", v.type, a.args[0], m.const((1 << bits) - 1, v.type))
    v.width = bits
    return None


def _zext(m: Maker, v: Value) -> Value | None:
    # Canonical form has zeros above the width: the same register serves.
    a = v.args[0]
    return m.const(a.imm, v.type) if a.op == "const" else a


def _sext(m: Maker, v: Value) -> Value | None:
    a = v.args[0]
    source = v.operand
    if a.op == "const":
        return m.const(signed(a.imm & source.mask, source.bits), v.type)
    if a.width < source.bits:
        return a
    if source is I1:
        return m.make("neg", v.type, a)  # wants the bit alone: what follows looks through masks
    if a.op == "and" and a.args[1].op == "const" and a.args[1].imm & source.mask == source.mask:
        return m.make("sext", v.type, a.args[0], operand=source)
    if a.op == "trunc" and a.type.bits >= source.bits:
        return m.make("sext", v.type, a.args[0], operand=source)
    if v.type is not I64:
        return m.make("trunc", v.type, m.make("sext", I64, a, operand=source))
    if a.op == "sext" and a.operand.bits <= source.bits:
        return m.make("sext", I64, a.args[0], operand=a.operand)
    if a.op == "load" and a.imm and a.operand.bits <= source.bits:
        return a
    return None


def _trunc(m: Maker, v: Value) -> Value | None:
    a = v.args[0]
    kind = v.type
    if a.op == "const":
        return m.const(a.imm, kind)
    if a.width <= kind.bits:
        return a
    if a.op == "trunc":
        return m.make("trunc", kind, a.args[0])
    if a.op == "sext" and a.operand.bits >= kind.bits:
        return m.make("trunc", kind, a.args[0])
    if a.op == "and" and a.args[1].op == "const" and a.args[1].imm & kind.mask == kind.mask:
        return m.make("trunc", kind, a.args[0])
    v.width = kind.bits
    return None


_UNSIGNED = {"slt": "ult", "sle": "ule", "sgt": "ugt", "sge": "uge"}
_NEVER_NULL = frozenset(("slot", "map_value", "map_ref", "function"))


def _icmp(m: Maker, v: Value) -> Value | None:
    a, b = v.args
    kind = v.operand
    bits = kind.bits
    pred = v.aux
    v.width = 1
    if a.op == "const":
        if b.op == "const":
            return m.const(int(compare(pred, a.imm, b.imm, bits)), I1)
        a, b = b, a
        pred = SWAPPED[pred]
    elif b.op != "const" and a.id > b.id:
        a, b = b, a
        pred = SWAPPED[pred]
    if a is b:
        return m.const(int(compare(pred, 0, 0, bits)), I1)
    if pred in _UNSIGNED and a.width < bits and b.width < bits:
        pred = _UNSIGNED[pred]
    if b.op == "const":
        n = b.imm
        result = _icmp_constant(m, v, pred, a, n, kind)
        if result is not None:
            return result
        if n == 0:
            pred = {"ugt": "ne", "ule": "eq"}.get(pred, pred)
        elif n == 1 and pred in ("ult", "uge"):
            pred = "eq" if pred == "ult" else "ne"
            b = m.const(0, b.type)
        v.args = [a, b]
        v.aux = pred
        if b.imm == 0 and pred in ("eq", "ne"):
            if a.op in ("xor", "sub") and a.type is kind:
                return m.make("icmp", I1, *a.args, aux=pred, operand=kind)
            if a.op in _NEVER_NULL or (a.op == "ptr_add" and a.args[0].op in _NEVER_NULL):
                return m.const(int(pred == "ne"), I1)
        return None
    v.args = [a, b]
    v.aux = pred
    return None


def _icmp_constant(m: Maker, v: Value, pred: str, a: Value, n: int, kind: Type) -> Value | None:
    """Comparison of ``a`` with the constant ``n``."""
    top = (1 << a.width) - 1
    if pred == "eq" or pred == "ne":
        if n > top:
            return m.const(int(pred == "ne"), I1)
        if a.width == 1 and a.type is I1:
            # a == 1, a != 0: the bool itself; a == 0, a != 1: its inverse
            return a if (n == 1) == (pred == "eq") else m.make("xor", I1, a, m.const(1, I1))
        if a.op == "add" and a.args[1].op == "const" and a.type is kind:
            moved = m.const(n - a.args[1].imm, kind)
            return m.make("icmp", I1, a.args[0], moved, aux=pred, operand=kind)
        if a.op == "neg" and a.type is kind:
            return m.make("icmp", I1, a.args[0], m.const(-n, kind), aux=pred, operand=kind)
        return None
    if pred == "ult":
        if n == 0:
            return m.const(0, I1)
        if n > top:
            return m.const(1, I1)
    elif pred == "ule":
        if n >= top:
            return m.const(1, I1)
    elif pred == "ugt":
        if n >= top:
            return m.const(0, I1)
    elif pred == "uge":
        if n == 0:
            return m.const(1, I1)
        if n > top:
            return m.const(0, I1)
    return None


def _select(m: Maker, v: Value) -> Value | None:
    c, a, d = v.args
    truth = m.decided(c)
    if truth is not None:
        return a if truth else d
    if a is d:
        return a
    if a.op == "const" and d.op == "const" and a.imm + d.imm == 1:
        return c if a.imm else m.make("xor", I1, c, m.const(1, I1))
    if c.op == "xor" and c.args[1].op == "const":
        return m.make("select", v.type, c.args[0], d, a)
    v.width = max(a.width, d.width)
    return None


RULES: dict[str, Rule] = {
    "add": _add, "sub": _sub, "mul": _mul, "udiv": _udiv, "umod": _umod,
    "sdiv": _sdiv_rule, "smod": _smod_rule, "and": _and, "or": _or, "xor": _xor,
    "shl": _shl, "lshr": _lshr, "ashr": _ashr, "neg": _neg, "bswap": _bswap,
    "zext": _zext, "sext": _sext, "trunc": _trunc, "icmp": _icmp, "select": _select,
    **fold_memory.RULES,
}  # fmt: skip
