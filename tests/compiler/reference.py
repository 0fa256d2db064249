"""A reference interpreter of SSA form: slow, plain, and sharing no code with the compiler.

It runs a module as the builder left it, before any pass.  Memory is byte arrays whose bytes know
whether they were ever written: reading one that was not is an error, so that no test relies on
what the frame happened to hold.
"""

from __future__ import annotations

import os
import struct
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from prybee.compiler.ir import Block, Function, Module, Type, Value

M64 = (1 << 64) - 1


class Memory:
    """Bytes, and which of them are defined."""

    def __init__(self, data: bytes | bytearray, defined: bool = True, name: str = "") -> None:
        self.data = bytearray(data)
        self.defined = bytearray([defined]) * len(data)
        self.name = name

    def read(self, at: int, size: int) -> bytes:
        assert 0 <= at <= at + size <= len(self.data), f"{self.name}: read of {size} at {at}"
        assert all(self.defined[at : at + size]), f"{self.name}: undefined bytes read at {at}"
        return bytes(self.data[at : at + size])

    def write(self, at: int, data: bytes) -> None:
        assert 0 <= at <= at + len(data) <= len(self.data), f"{self.name}: write at {at}"
        self.data[at : at + len(data)] = data
        self.defined[at : at + len(data)] = b"\1" * len(data)


class Pointer:
    """An address within a memory."""

    def __init__(self, memory: Memory, offset: int) -> None:
        self.memory = memory
        self.offset = offset

    def __add__(self, n: int) -> Pointer:
        return Pointer(self.memory, self.offset + n)

    def read(self, size: int) -> bytes:
        return self.memory.read(self.offset, size)

    def write(self, data: bytes) -> None:
        self.memory.write(self.offset, data)


class ArrayMap:
    def __init__(self, value_size: int, entries: int) -> None:
        self.values = [Memory(bytes(value_size), name="array") for _ in range(entries)]

    def lookup(self, key: bytes) -> Memory | None:
        n = int.from_bytes(key[:4], "little")
        return self.values[n] if n < len(self.values) else None

    def update(self, key: bytes, value: bytes, flags: int) -> int:
        found = self.lookup(key)
        if found is None:
            return -7
        found.write(0, value)
        return 0

    def delete(self, key: bytes) -> int:
        return -22

    def items(self) -> list[tuple[bytes, Memory]]:
        return [(n.to_bytes(4, "little"), m) for n, m in enumerate(self.values)]


class HashMap:
    def __init__(self, key_size: int, value_size: int) -> None:
        self.key_size = key_size
        self.value_size = value_size
        self.entries: dict[bytes, Memory] = {}

    def lookup(self, key: bytes) -> Memory | None:
        return self.entries.get(key)

    def update(self, key: bytes, value: bytes, flags: int) -> int:
        if flags == 1 and key in self.entries:
            return -17
        if flags == 2 and key not in self.entries:
            return -2
        self.entries[key] = Memory(value, name="hash value")
        return 0

    def delete(self, key: bytes) -> int:
        return 0 if self.entries.pop(key, None) is not None else -2

    def items(self) -> list[tuple[bytes, Memory]]:
        return list(self.entries.items())


def signed(n: int, bits: int) -> int:
    n &= (1 << bits) - 1
    return n - (1 << bits) if n >= 1 << (bits - 1) else n


def divide(a: int, b: int) -> int:
    """C's division."""
    q = abs(a) // abs(b)
    return -q if (a < 0) != (b < 0) else q


BINARY = {
    "add": lambda a, b, n: a + b,
    "sub": lambda a, b, n: a - b,
    "mul": lambda a, b, n: a * b,
    "udiv": lambda a, b, n: 0 if b == 0 else a // b,
    "umod": lambda a, b, n: a if b == 0 else a % b,
    "sdiv": lambda a, b, n: 0 if b == 0 else divide(signed(a, n), signed(b, n)),
    "smod": lambda a, b, n: (
        a if b == 0 else signed(a, n) - signed(b, n) * divide(signed(a, n), signed(b, n))
    ),
    "and": lambda a, b, n: a & b,
    "or": lambda a, b, n: a | b,
    "xor": lambda a, b, n: a ^ b,
    "shl": lambda a, b, n: a << (b % n),
    "lshr": lambda a, b, n: a >> (b % n),
    "ashr": lambda a, b, n: signed(a, n) >> (b % n),
}
COMPARE = {
    "eq": lambda a, b: a == b,
    "ne": lambda a, b: a != b,
    "lt": lambda a, b: a < b,
    "le": lambda a, b: a <= b,
    "gt": lambda a, b: a > b,
    "ge": lambda a, b: a >= b,
}


class Interpreter:
    """Runs a module; ``maps`` are its maps by name."""

    def __init__(self, module: Module, maps: dict[str, Any] | None = None) -> None:
        self.module = module
        self.maps = maps or {}
        self.steps = 0

    def run(self, arguments: list[int] | tuple[int, ...] = ()) -> int:
        """The entry function's result, given the context's u64 words."""
        entry = self.module.functions[0]
        words = [*arguments, *[0] * (12 - len(arguments))]
        context = Pointer(Memory(struct.pack("<12Q", *words), name="ctx"), 0)
        return self.call(entry, [context] if entry.types else [])

    def call(self, function: Function, arguments: list[Any]) -> Any:
        values: dict[Value, Any] = dict(zip(function.params, arguments, strict=True))
        block, previous = function.blocks[0], None
        while True:
            self.steps += 1
            assert self.steps < 100_000, "runs too long"
            if block.phis:
                assert previous is not None
                index = block.preds.index(previous)
                live = [phi for phi in block.phis if phi.forward is None]
                fresh = [self.value(values, phi.args[index]) for phi in live]
                values.update(zip(live, fresh, strict=True))
            nxt: Block | None = None
            for v in block.code:
                if v.op == "ret":
                    return self.value(values, v.args[0])
                if v.op == "jump":
                    nxt = v.aux[0]
                elif v.op == "branch":
                    nxt = v.aux[0 if self.value(values, v.args[0]) else 1]
                else:
                    args = [self.value(values, a) for a in v.args]
                    result = self.step(v, args)
                    if isinstance(result, int):
                        result &= v.type.mask
                    values[v] = result
            previous, block = block, nxt  # type: ignore[assignment]

    def value(self, values: dict[Value, Any], v: Value) -> Any:
        while v.forward is not None:
            v = v.forward
        return v.imm if v.op == "const" else values[v]

    def step(self, v: Value, args: list[Any]) -> Any:
        op = v.op
        if op in BINARY:
            return BINARY[op](args[0], args[1], v.type.bits)
        return getattr(self, f"op_{op}")(v, *args)

    # -- operations -----------------------------------------------------------------------------

    def op_neg(self, v: Value, a: int) -> int:
        return -a

    def op_bswap(self, v: Value, a: int) -> int:
        size = v.imm // 8
        return int.from_bytes((a & ((1 << v.imm) - 1)).to_bytes(size, "little"), "big")

    def op_zext(self, v: Value, a: int) -> int:
        return a

    def op_trunc(self, v: Value, a: int) -> int:
        return a

    def op_sext(self, v: Value, a: int) -> int:
        return signed(a, v.operand.bits)

    def op_icmp(self, v: Value, a: Any, b: Any) -> int:
        if isinstance(a, Pointer) or isinstance(b, Pointer):
            assert v.aux in ("eq", "ne")
            same = isinstance(a, Pointer) and isinstance(b, Pointer) and (
                a.memory is b.memory and a.offset == b.offset
            )  # fmt: skip
            return int(same == (v.aux == "eq"))
        if v.aux[0] == "s":
            a, b = signed(a, v.operand.bits), signed(b, v.operand.bits)
            return int(COMPARE[v.aux[1:]](a, b))
        return int(COMPARE[v.aux if v.aux in COMPARE else v.aux[1:]](a, b))

    def op_select(self, v: Value, c: int, a: Any, b: Any) -> Any:
        return a if c else b

    def op_ptr_add(self, v: Value, p: Pointer, n: int) -> Pointer:
        return p + signed(n, 64)

    def op_load(self, v: Value, p: Pointer) -> int:
        n = int.from_bytes((p + v.off).read(v.operand.bits // 8), "little")
        return signed(n, v.operand.bits) if v.imm else n

    def op_store(self, v: Value, p: Pointer, x: int) -> None:
        size = v.operand.bits // 8
        (p + v.off).write((x & v.operand.mask).to_bytes(size, "little"))

    def op_atomic(self, v: Value, p: Pointer, *xs: int) -> int:
        p += v.off
        size, mask = v.operand.bits // 8, v.operand.mask
        old = int.from_bytes(p.read(size), "little")
        kind = v.aux
        if kind == "xchg":
            new = xs[0]
        elif kind == "cmpxchg":
            new = xs[1] if old == xs[0] & mask else old
        else:
            new = BINARY[kind](old, xs[0], v.operand.bits)
        p.write((new & mask).to_bytes(size, "little"))
        return old

    def op_slot(self, v: Value) -> Pointer:
        # One object per function activation would need frames; tests build slots in entry blocks.
        return Pointer(Memory(bytes(v.aux.size), False, v.aux.name), 0)

    def op_zero(self, v: Value, p: Pointer) -> None:
        (p + v.off).write(bytes(v.imm))

    def op_copy(self, v: Value, d: Pointer, s: Pointer) -> None:
        (d + v.off).write((s + v.aux).read(v.imm))

    def op_map_ref(self, v: Value) -> Any:
        return self.maps[v.aux]

    def op_map_value(self, v: Value) -> Pointer:
        return Pointer(self.maps[v.aux].values[0], v.imm)

    def op_function(self, v: Value) -> Any:
        return v.aux

    def op_call_function(self, v: Value, *args: Any) -> Any:
        return self.call(v.aux, list(args))

    def op_call(self, v: Value, *args: Any) -> Any:
        return getattr(self, f"helper_{v.aux.name}")(*args)

    # -- helpers --------------------------------------------------------------------------------

    def helper_get_current_pid_tgid(self) -> int:
        return os.getpid() << 32 | threading.get_native_id()

    def helper_map_lookup_elem(self, map_: Any, key: Pointer) -> Any:
        found = map_.lookup(key.read(getattr(map_, "key_size", 4)))
        return 0 if found is None else Pointer(found, 0)

    def helper_map_update_elem(self, map_: Any, key: Pointer, value: Pointer, flags: int) -> int:
        size = getattr(map_, "value_size", 0) or len(map_.values[0].data)
        data = value.read(size)
        return map_.update(key.read(getattr(map_, "key_size", 4)), data, flags)

    def helper_map_delete_elem(self, map_: Any, key: Pointer) -> int:
        return map_.delete(key.read(getattr(map_, "key_size", 4)))

    def helper_probe_read_kernel(self, d: Pointer, size: int, s: Pointer) -> int:
        d.write(s.read(size))
        return 0

    def helper_loop(self, count: int, function: Function, context: Any, flags: int) -> int:
        for n in range(count):
            if self.call(function, [n, context]):
                return n + 1
        return count

    def helper_for_each_map_elem(
        self, map_: Any, function: Function, context: Any, flags: int
    ) -> int:
        done = 0
        for key, memory in map_.items():
            done += 1
            key_at = Pointer(Memory(key, name="key"), 0)
            if self.call(function, [map_, key_at, Pointer(memory, 0), context]):
                break
        return done


def canonical(n: int, kind: Type) -> int:
    """``n`` as the IR keeps it."""
    return n & kind.mask
