"""From allocated machine operations to eBPF bytes: jumps shortened, offsets resolved."""

from __future__ import annotations

from struct import Struct

from prybee.compiler.ir import CompilerError, Function
from prybee.compiler.machine import (
    ADD,
    ALU64,
    EXIT,
    FP,
    INVERSE_JUMP,
    JA,
    JA32,
    LABEL,
    LDDW,
    LEA,
    MOV64_K,
    MOV64_X,
    MOVSX,
    PSEUDO_FUNC,
    PSEUDO_MAP_FD,
    PSEUDO_MAP_VALUE,
    Op,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from prybee.compiler.machine import MBlock
    from prybee.diagnostics import Span

_pack = Struct("<BBhi").pack
_PSEUDO = {
    "map": PSEUDO_MAP_FD,
    "map_value": PSEUDO_MAP_VALUE,
    "function": PSEUDO_FUNC,
}
_TWO_SLOTS = frozenset((LDDW, LEA))
_FAR = 0x7F00  # jumps beyond this many instructions take the 32-bit form


class Code:
    """A function's instructions.

    Attributes:
        parts: the encoded instructions, in order.
        count: how many 8-byte instruction slots they fill.
        references: (slot, kind, symbol, addend) to be filled in by the module or the loader.
        lines: (slot, span) wherever the place in the script changes.
    """

    __slots__ = ("count", "lines", "parts", "references")

    def __init__(self) -> None:
        self.parts: list[bytes] = []
        self.count = 0
        self.references: list[tuple[int, str, str | Function, int]] = []
        self.lines: list[tuple[int, Span]] = []


def emit_function(name: str, blocks: list[MBlock], features: dict[str, bool]) -> Code:
    """Encode a function whose registers and frame are settled.

    Raises:
        CompilerError: a jump is too far for a kernel without 32-bit jumps.
    """
    for block in blocks:
        ops = [
            op for op in block.ops if op.code != MOV64_X or op.dst != op.src
        ]  # moves that coalescing made idle
        if not ops or ops[-1].code not in (JA, EXIT):
            jump = Op(JA, 0, 0, 0, 0, (), -1, None)
            jump.target = block.index + 1
            ops.append(jump)
        block.ops = ops
    _thread(blocks)
    order = _tidy(blocks)
    order = _tidy(order)
    return _encode(name, order, features)


def _thread(blocks: list[MBlock]) -> None:
    """Jumps to a block that only jumps on go straight to where that leads."""
    leads: list[int] = []
    for block in blocks:
        target = block.index
        for _ in range(len(blocks)):
            ops = blocks[target].ops
            if len(ops) != 1 or ops[0].code != JA:
                break
            target = ops[0].target
        leads.append(target)
    for block in blocks:
        for op in block.ops:
            if type(op.target) is int:
                op.target = leads[op.target]


def _tidy(blocks: list[MBlock]) -> list[MBlock]:
    """Drop blocks nothing leads to and jumps to what follows; end by returning, not by jumping to
    a return."""
    by_index = {block.index: block for block in blocks}
    reached = {blocks[0].index}
    todo = [blocks[0]]
    while todo:
        for op in todo.pop().ops:
            target = op.target
            if type(target) is int and target not in reached:
                reached.add(target)
                todo.append(by_index[target])
    order = [block for block in blocks if block.index in reached]
    for position, block in enumerate(order):
        following = order[position + 1].index if position + 1 < len(order) else -1
        ops = block.ops
        last = ops[-1]
        if last.code != JA:
            continue
        test = ops[-2] if len(ops) > 1 and type(ops[-2].target) is int else None
        if (
            test is not None
            and test.target == following != last.target
            and (test.code & 0xF0) in INVERSE_JUMP
        ):
            test.code = test.code & 0x0F | INVERSE_JUMP[test.code & 0xF0]
            test.target, last.target = last.target, following
        if last.target == following:
            # kept as the mark of falling through until the end; encoded as nothing
            if test is not None and test.target == following:
                del ops[-2]
            continue
        final = by_index[last.target].ops
        if final[-1].code == EXIT and (
            len(final) == 1 or (len(final) == 2 and final[0].code == MOV64_K)
        ):
            ops[-1:] = final
    return order


def _encode(name: str, order: list[MBlock], features: dict[str, bool]) -> Code:
    far: set[Op] = set()
    while True:
        starts, labels, count = _place(order, far)
        if count <= _FAR:
            break
        more = _far_jumps(order, starts, far)
        if not more:
            break
        if not features["v4"]:
            raise CompilerError(
                f"{name}: {count} instructions are more than a jump of this kernel spans"
            )
        far |= more
    code = Code()
    code.count = count
    parts = code.parts
    append = parts.append
    at = 0
    span = None
    for position, block in enumerate(order):
        following = order[position + 1].index if position + 1 < len(order) else -1
        for op in block.ops:
            opcode = op.code
            if op.span is not span and op.span is not None and opcode != LABEL:
                span = op.span
                code.lines.append((at, span))
            target = op.target
            if target is not None:
                if opcode == JA:
                    if target == following:
                        continue
                    if op in far:
                        append(_pack(JA32, 0, 0, starts[target] - at - 1))
                    else:
                        append(_pack(JA, 0, starts[target] - at - 1, 0))
                    at += 1
                    continue
                place = labels[target] if type(target) is Op else starts[target]
                if op in far:
                    # over the next, which skips the long jump
                    append(_pack(opcode, op.dst | op.src << 4, 1, op.imm))
                    append(_pack(JA, 0, 1, 0))
                    append(_pack(JA32, 0, 0, place - at - 3))
                    at += 3
                    continue
                append(_pack(opcode, op.dst | op.src << 4, place - at - 1, op.imm))
                at += 1
            elif opcode == LDDW:
                symbol = op.symbol
                if symbol is None:
                    n = op.imm & 0xFFFFFFFFFFFFFFFF
                    append(_pack(LDDW, op.dst, 0, _signed32(n)))
                    append(_pack(0, 0, 0, _signed32(n >> 32)))
                else:
                    kind, what, addend = symbol
                    code.references.append((at, kind, what, addend))
                    append(_pack(LDDW, op.dst | _PSEUDO[kind] << 4, 0, 0))
                    append(_pack(0, 0, 0, addend if kind == "map_value" else 0))
                at += 2
            elif opcode == LEA:
                assert op.frame is not None
                append(_pack(MOV64_X, op.dst | FP << 4, 0, 0))
                append(_pack(ALU64 | ADD, op.dst, 0, op.frame.offset + op.imm))
                at += 2
            elif opcode == LABEL:
                pass
            elif opcode == MOVSX:
                append(_pack(MOV64_X, op.dst | op.src << 4, op.off, 0))
                at += 1
            else:
                off = op.off if op.frame is None else op.off + op.frame.offset
                if op.symbol is not None:
                    code.references.append((at, *op.symbol))
                append(_pack(opcode, op.dst | op.src << 4, off, op.imm))
                at += 1
    return code


def _signed32(n: int) -> int:
    n &= 0xFFFFFFFF
    return n - (1 << 32) if n > 0x7FFFFFFF else n


def _place(order: list[MBlock], far: set[Op]) -> tuple[dict[int, int], dict[Op, int], int]:
    """Instruction offsets of blocks and of the labels within them; and the total."""
    starts: dict[int, int] = {}
    labels: dict[Op, int] = {}
    at = 0
    for position, block in enumerate(order):
        starts[block.index] = at
        following = order[position + 1].index if position + 1 < len(order) else -1
        for op in block.ops:
            code = op.code
            if code in _TWO_SLOTS:
                at += 2
            elif code == LABEL:
                labels[op] = at
            elif code == JA:
                if op.target != following:
                    at += 1
            elif op in far:
                at += 3
            else:
                at += 1
    return starts, labels, at


def _far_jumps(order: list[MBlock], starts: dict[int, int], far: set[Op]) -> set[Op]:
    """Jumps that need the long form and have not got it, by a safe margin."""
    found: set[Op] = set()
    for block in order:
        here = starts[block.index]
        for op in block.ops:
            if type(op.target) is int and op not in far:
                distance = abs(starts[op.target] - here) + 2 * len(block.ops)
                if distance > _FAR:
                    found.add(op)
    return found
