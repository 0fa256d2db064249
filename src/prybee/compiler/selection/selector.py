"""From SSA form to machine operations: operands, values and blocks.

Cheap things are not given registers of their own but made again at each use: constants, addresses
of frame objects, a pointer plus a constant, maps, comparisons that a branch or select consumes.
"""

from __future__ import annotations

from prybee.compiler.ir import I1, CompilerError
from prybee.compiler.machine import (
    ADD,
    ALU64,
    FIRST_VIRTUAL,
    FP,
    LDDW,
    LEA,
    MOV64_K,
    MOV64_X,
    FrameObject,
    MBlock,
    Op,
)
from prybee.compiler.numbers import signed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from prybee.compiler.ir import Block, Function, Slot, Value
    from prybee.diagnostics import Span

_LOW, _HIGH = -0x80000000, 0x7FFFFFFF


def fits(n: int) -> bool:
    """Whether a signed number fits an instruction's immediate."""
    return _LOW <= n <= _HIGH


class Selector:
    """Selects one function's machine operations into ``blocks``.

    ``table`` maps each SSA operation to the function that emits it.
    """

    __slots__ = (
        "blocks", "cache", "current", "edges", "features", "frames", "function", "lazy", "ops",
        "order", "registers", "span", "starts", "table",
    )  # fmt: skip

    def __init__(
        self,
        function: Function,
        features: Mapping[str, bool],
        table: Mapping[str, Callable[[Selector, Value], None]],
    ) -> None:
        self.function = function
        self.features = features
        self.table = table
        self.registers = FIRST_VIRTUAL
        self.blocks: list[MBlock] = []
        self.ops: list[Op] = []
        self.current: MBlock
        self.span: Span | None = None
        self.frames: dict[Slot, FrameObject] = {}
        # values made again at each use (beside those whose operation says so)
        self.lazy: set[Value] = set()
        # LDDW results of this block that are still in a register: they do not outlive a call
        self.cache: dict[Any, int] = {}
        # SSA block -> index of its first machine block; jumps are patched from these
        self.starts: dict[Block, int] = {}
        # SSA block with phis -> predecessor -> its place among their arguments
        self.edges: dict[Block, dict[Block, int]] = {}

    # -- registers and blocks -------------------------------------------------------------------

    def new(self) -> int:
        """A fresh virtual register."""
        n = self.registers
        self.registers = n + 1
        return n

    def edge(self, block: Block, target: Block) -> int:
        """Which argument of ``target``'s phis comes from ``block``."""
        found = self.edges.get(target)
        if found is None:
            found = self.edges[target] = {pred: i for i, pred in enumerate(target.preds)}
        return found[block]

    def begin(self, loop: int) -> MBlock:
        """Start a new machine block, which the current one falls into."""
        block = MBlock(len(self.blocks), loop)
        self.blocks.append(block)
        self.current = block
        self.ops = block.ops
        self.cache.clear()
        return block

    def emit(
        self, code: int, dst: int, src: int, off: int, imm: int, uses: tuple[int, ...], defn: int
    ) -> Op:
        """Append an operation."""
        op = Op(code, dst, src, off, imm, uses, defn, self.span)
        self.ops.append(op)
        return op

    def move(self, dst: int, src: int) -> None:
        """``dst = src``."""
        self.ops.append(Op(MOV64_X, dst, src, 0, 0, (src,), dst, self.span))

    def move_constant(self, dst: int, n: int) -> None:
        """``dst = n`` for a number taken as 64 unsigned bits."""
        n = signed(n & 0xFFFFFFFFFFFFFFFF, 64)
        if _LOW <= n <= _HIGH:
            self.ops.append(Op(MOV64_K, dst, 0, 0, n, (), dst, self.span))
        else:
            self.ops.append(Op(LDDW, dst, 0, 0, n, (), dst, self.span))

    def constant(self, n: int) -> int:
        """A register holding ``n``; wide ones are shared within a block."""
        n = signed(n & 0xFFFFFFFFFFFFFFFF, 64)
        if _LOW <= n <= _HIGH:
            d = self.new()
            self.ops.append(Op(MOV64_K, d, 0, 0, n, (), d, self.span))
            return d
        cached = self.cache.get(n)
        if cached is None:
            cached = self.cache[n] = self.new()
            self.ops.append(Op(LDDW, cached, 0, 0, n, (), cached, self.span))
        return cached

    # -- operands -------------------------------------------------------------------------------

    def reg(self, v: Value) -> int:
        """The register that holds ``v`` in canonical form, made now if it is not kept."""
        if v.vreg >= 0:
            return v.vreg
        op = v.op
        if op == "const":
            return self.constant(v.imm)
        if op == "map_value":
            key = (v.aux, v.imm)
            cached = self.cache.get(key)
            if cached is None:
                cached = self.cache[key] = self.new()
                self.into(cached, v)
            return cached
        if v in self.lazy and op in self.table:
            self.table[op](self, v)
            d = v.vreg
            v.vreg = -1  # belongs to this use only
            return d
        d = self.new()
        self.into(d, v)
        return d

    def into(self, d: int, v: Value) -> None:
        """Put ``v`` into register ``d``."""
        if v.vreg >= 0:
            self.move(d, v.vreg)
            return
        op = v.op
        if op == "const":
            self.move_constant(d, v.imm)
        elif op == "ptr_add":
            self._address_into(d, v)
        elif op == "slot":
            self._frame_address(d, v, 0)
        elif op == "map_ref":
            self.emit(LDDW, d, 0, 0, 0, (), d).symbol = ("map", v.aux, 0)
        elif op == "map_value":
            self.emit(LDDW, d, 0, 0, 0, (), d).symbol = ("map_value", v.aux, v.imm)
        elif op == "function":
            self.emit(LDDW, d, 0, 0, 0, (), d).symbol = ("function", v.aux, 0)
        elif v in self.lazy:
            self.move(d, self.reg(v))
        else:
            raise CompilerError(f"{self.function.name}: %{v.id} ({op}) is used before it is made")

    def _address_into(self, d: int, v: Value) -> None:
        """A pointer plus constants."""
        base, off = v, 0
        while base.op == "ptr_add" and base.vreg < 0:
            off += signed(base.args[1].imm, 64)
            base = base.args[0]
        if base.op == "slot":
            self._frame_address(d, base, off)
            return
        if base.op == "map_value" and (base.aux, base.imm) not in self.cache:
            self.emit(LDDW, d, 0, 0, 0, (), d).symbol = ("map_value", base.aux, base.imm + off)
            return
        self.into(d, base) if base.op != "map_value" else self.move(d, self.reg(base))
        if off:
            self.add_constant(d, off)

    def add_constant(self, d: int, n: int) -> None:
        """``d += n``."""
        if fits(n):
            self.emit(ALU64 | ADD, d, 0, 0, n, (d,), d)
        else:
            r = self.constant(n)
            self.emit(ALU64 | ADD | 8, d, r, 0, 0, (d, r), d)

    def _frame_address(self, d: int, slot: Value, off: int) -> None:
        frame = self.frame(slot.aux)
        if d >= FIRST_VIRTUAL:
            frame.escapes = True
        self.emit(LEA, d, FP, 0, off, (), d).frame = frame

    def frame(self, slot: Slot) -> FrameObject:
        """The frame object of a slot."""
        found = self.frames.get(slot)
        if found is None:
            found = self.frames[slot] = FrameObject(slot.size, slot.align, slot.name)
        return found

    def low(self, v: Value, bits: int) -> int:
        """A register whose low ``bits`` are those of ``v``; the others may be anything."""
        while v.vreg < 0 and v.op == "trunc" and v.type.bits >= bits and v in self.lazy:
            v = v.args[0]
        return self.reg(v)

    def address(self, p: Value, off: int) -> tuple[int, int, FrameObject | None]:
        """Base register, offset and perhaps frame object of the memory at ``p + off``."""
        while p.op == "ptr_add" and p.vreg < 0 and p.args[1].op == "const":
            off += signed(p.args[1].imm, 64)
            p = p.args[0]
        if p.op == "slot":
            slot = p.aux
            if off < 0 or off >= slot.size:
                raise CompilerError(
                    f"{self.function.name}: access at offset {off} of {slot.name}, "
                    f"which has {slot.size} bytes"
                )
            return FP, off, self.frame(slot)
        if -0x8000 <= off <= 0x7FFF:
            return self.reg(p), off, None
        d = self.new()
        self.into(d, p)
        self.add_constant(d, off)
        return d, 0, None

    def define(self, v: Value) -> int:
        """A fresh register for the result of ``v``."""
        d = v.vreg = self.registers
        self.registers = d + 1
        return d

    # -- the walk -------------------------------------------------------------------------------

    def run(self) -> list[MBlock]:
        """Select the whole function."""
        function = self.function
        blocks = function.blocks
        find_lazy(function, self.lazy)
        for param in function.params:
            param.vreg = -1
        for block in blocks:
            for phi in block.phis:
                phi.vreg = self.new()
        table = self.table
        first = True
        for block in blocks:
            self.starts[block] = self.begin(block.loop).index
            if first:
                first = False
                for index, param in enumerate(function.params):
                    if param.uses:
                        self.move(self.define(param), index + 1)
            lazy = self.lazy
            for v in block.code:
                if v not in lazy:
                    self.span = v.span
                    table[v.op](self, v)
        self._link()
        return self.blocks

    def _link(self) -> None:
        """Resolve jump targets to machine blocks, and list each block's neighbours."""
        blocks = self.blocks
        starts = self.starts
        for block in blocks:
            succs = block.succs
            falls = True
            for op in block.ops:
                target = op.target
                if target is None or isinstance(target, Op):
                    continue
                if not isinstance(target, int):
                    op.target = target = starts[target]
                if target not in succs:
                    succs.append(target)
            last = block.ops[-1].code if block.ops else 0
            falls = last not in (0x05, 0x95)
            if falls and block.index + 1 not in succs:
                succs.append(block.index + 1)
            for nxt in succs:
                blocks[nxt].preds.append(block.index)


_ALWAYS_LAZY = frozenset(("slot", "map_ref", "map_value", "function"))


def find_lazy(function: Function, lazy: set[Value]) -> None:
    """Collect the values that are made at their uses instead of where they stand.

    A comparison is, when branches and selects alone consume it; so is the truncation of a value
    with one use, and the tree of ands and ors over comparisons that decides a branch.
    """
    kept: set[Value] = set()  # comparisons needed as numbers
    for block in function.blocks:
        for phi in block.phis:
            for a in phi.args:
                if a.op == "icmp" or a.op == "trunc":
                    kept.add(a)
        for v in block.code:
            op = v.op
            v.vreg = -1
            if op in _ALWAYS_LAZY:
                lazy.add(v)
            elif op == "icmp":
                lazy.add(v)
                a, b = v.args
                if a.op == "and" and a.uses == 1 and b.op == "const" and b.imm == 0:
                    mask = a.args[1]
                    if v.aux in ("eq", "ne") and (
                        mask.op != "const" or mask.imm <= 0x7FFFFFFF or v.operand.bits == 32
                    ):
                        lazy.add(a)  # one jump-if-any-bit-set
            elif op == "ptr_add":
                if v.args[1].op == "const":
                    lazy.add(v)
            elif op == "trunc" and v.uses == 1 and v.type is not I1:
                lazy.add(v)
            if op == "branch":
                _decision(v.args[0], lazy)
                continue
            for i, a in enumerate(v.args):
                if a.op == "icmp" and not (op == "select" and i == 0) and v not in lazy:
                    kept.add(a)
    # An and/or of comparisons came before its branch in the block: its arguments were kept.
    for v in lazy:
        if v.type is I1 and v.op in ("and", "or"):
            for a in v.args:
                if a.op == "icmp" and a.uses == 1:
                    kept.discard(a)
    lazy -= kept


def _decision(cond: Value, lazy: set[Value]) -> None:
    """Mark the and/or tree under a branch's condition as made by the branch."""
    stack = [cond]
    while stack:
        v = stack.pop()
        if v.type is I1 and v.uses == 1 and v.op in ("and", "or") and v.args[1].op != "const":
            lazy.add(v)
            stack.extend(v.args)
