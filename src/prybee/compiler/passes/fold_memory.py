"""Rewriting rules of pointers, memory and calls; see :mod:`prybee.compiler.passes.fold`."""

from __future__ import annotations

from prybee.compiler.numbers import signed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from prybee.compiler.ir import Value
    from prybee.compiler.passes.fold import Maker, Rule


def _ptr_add(m: Maker, v: Value) -> Value | None:
    p, n = v.args
    if n.op == "const":
        if n.imm == 0:
            return p
        if p.op == "ptr_add" and p.args[1].op == "const":
            return m.make("ptr_add", v.type, p.args[0], m.const(p.args[1].imm + n.imm))
    return None


def _ptr_to_int(m: Maker, v: Value) -> Value | None:
    p = v.args[0]
    if p.op == "const":
        return m.const(p.imm)
    if p.op == "int_to_ptr":
        return p.args[0]
    return None


def _int_to_ptr(m: Maker, v: Value) -> Value | None:
    a = v.args[0]
    if a.op == "ptr_to_int" and a.args[0].type is v.type:
        return a.args[0]
    v.width = a.width
    return None


def _map_value(m: Maker, v: Value) -> Value | None:
    if v.imm == 0:
        return None
    # One base per map: its address is loaded once for neighbouring accesses.
    base = m.make("map_value", v.type, aux=v.aux)
    return m.make("ptr_add", v.type, base, m.const(v.imm))


def _origin(p: Value) -> tuple[Value, int]:
    """The pointer that ``p`` is a constant distance from, and the distance in bytes."""
    distance = 0
    while p.op == "ptr_add" and p.args[1].op == "const":
        distance += signed(p.args[1].imm, 64)
        p = p.args[0]
    return p, distance


def _base(m: Maker, v: Value) -> Value | None:
    v.args[0], distance = _origin(v.args[0])
    v.off += distance
    return None


def _load(m: Maker, v: Value) -> Value | None:
    if not v.imm:
        v.width = v.operand.bits
    return _base(m, v)


def _store(m: Maker, v: Value) -> Value | None:
    """Only the low bits reach memory: what merely clears or extends the rest is skipped."""
    _base(m, v)
    mask = v.operand.mask
    x = v.args[1]
    while x.op == "trunc" or x.op == "sext" or x.op == "and":
        if x.op == "and":
            if x.args[1].op != "const" or x.args[1].imm & mask != mask:
                break
        elif (x.operand if x.op == "sext" else x.type).bits < v.operand.bits:
            break
        x = x.args[0]
    if x.op == "const" and x.type.bits > v.operand.bits:
        x = m.const(x.imm, v.operand)
    v.args[1] = x
    return None


def _copy(m: Maker, v: Value) -> Value | None:
    _base(m, v)
    v.args[1], distance = _origin(v.args[1])
    v.aux += distance
    return None


_32_BITS = frozenset(("get_smp_processor_id", "get_prandom_u32"))


def _call(m: Maker, v: Value) -> Value | None:
    name = v.aux.name
    if name in _32_BITS:
        v.width = 32
    elif name == "loop" and v.args[0].op == "const" and not v.args[0].imm:
        # Its verifier then never looks at the callback, removes it as dead code, and stumbles over
        # the reference that is left (EFAULT, "No program to jit"; seen on 6.18).
        return m.const(0)
    return None


RULES: dict[str, Rule] = {
    "ptr_add": _ptr_add, "ptr_to_int": _ptr_to_int, "int_to_ptr": _int_to_ptr,
    "map_value": _map_value, "load": _load, "store": _store, "atomic": _base,
    "zero": _base, "copy": _copy, "call": _call,
}  # fmt: skip
