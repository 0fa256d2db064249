"""Selection of comparisons, selects, branches, returns, and of the moves that phis become."""

from __future__ import annotations

from prybee.compiler.ir import I32, I64, INVERSE, Block, Value
from prybee.compiler.machine import (
    ALU32,
    ALU64,
    EXIT,
    JA,
    JEQ,
    JMP,
    JMP32,
    JNE,
    JSET,
    JUMP_CODES,
    LABEL,
    R0,
    RSH,
    Op,
    X,
)
from prybee.compiler.numbers import signed
from prybee.compiler.selection.arithmetic import extend
from prybee.compiler.selection.selector import Selector, fits


class Test:
    """A conditional jump without its target: jump when ``code`` holds of ``a`` and ``b``.

    ``b`` is -1 where the immediate ``n`` is compared with.
    """

    __slots__ = ("a", "b", "code", "n", "width")

    def __init__(self, width: int, code: int, a: int, b: int, n: int) -> None:
        self.width = width  # JMP or JMP32
        self.code = code
        self.a = a
        self.b = b
        self.n = n


def comparison(s: Selector, cond: Value, truth: bool) -> Test:
    """The test that jumps when the I1 ``cond`` is ``truth``; makes the operands' registers."""
    if cond.vreg >= 0 or cond not in s.lazy or cond.op != "icmp":
        return Test(JMP, JNE if truth else JEQ, s.reg(cond), -1, 0)
    pred = cond.aux if truth else INVERSE[cond.aux]
    a, b = cond.args
    bits = cond.operand.bits
    if a.op == "and" and a in s.lazy and pred == "ne" and b.op == "const" and b.imm == 0:
        return _bit_test(s, a, bits)
    if pred[0] == "s":
        return _signed_test(s, pred, a, b, bits)
    code = JUMP_CODES[pred]
    if b.op == "const":
        n = b.imm
        if bits == 32 and s.features["jmp32"] and (n > 0x7FFFFFFF or a in s.lazy):
            return Test(JMP32, code, s.low(a, 32), -1, signed(n, 32))
        n = signed(n, 64)
        if fits(n):
            return Test(JMP, code, s.reg(a), -1, n)
    elif bits == 32 and s.features["jmp32"] and (a in s.lazy or b in s.lazy):
        return Test(JMP32, code, s.low(a, 32), s.low(b, 32), 0)
    return Test(JMP, code, s.reg(a), s.reg(b), 0)


def _bit_test(s: Selector, a: Value, bits: int) -> Test:
    """``(x & mask) != 0`` is one instruction."""
    x, mask = a.args
    if mask.op != "const":
        return Test(JMP, JSET, s.reg(x), s.reg(mask), 0)
    if mask.imm <= 0x7FFFFFFF or not s.features["jmp32"]:
        return Test(JMP, JSET, s.low(x, min(bits, 32)), -1, mask.imm)
    return Test(JMP32, JSET, s.low(x, 32), -1, signed(mask.imm, 32))


def is_zero_test(s: Selector, cond: Value) -> bool:
    """Whether ``cond`` is ``(x & mask) == 0``, whose inverse is the cheaper test."""
    return (
        cond.op == "icmp" and cond.aux == "eq" and cond.args[0].op == "and"
        and cond.args[0] in s.lazy and cond in s.lazy
    )  # fmt: skip


def _signed_test(s: Selector, pred: str, a: Value, b: Value, bits: int) -> Test:
    code = JUMP_CODES[pred]
    if bits == 64:
        if b.op == "const" and fits(signed(b.imm, 64)):
            return Test(JMP, code, s.reg(a), -1, signed(b.imm, 64))
        return Test(JMP, code, s.reg(a), s.reg(b), 0)
    if bits == 32 and s.features["jmp32"]:
        if b.op == "const":
            return Test(JMP32, code, s.low(a, 32), -1, signed(b.imm, 32))
        return Test(JMP32, code, s.low(a, 32), s.low(b, 32), 0)
    left = _extended(s, a, bits)
    if b.op == "const":
        return Test(JMP, code, left, -1, signed(b.imm & ((1 << bits) - 1), bits))
    return Test(JMP, code, left, _extended(s, b, bits), 0)


def _extended(s: Selector, v: Value, bits: int) -> int:
    d = s.new()
    s.into(d, v)
    if bits > 1:
        extend(s, d, bits)
    else:
        s.emit(ALU64 | 0x80, d, 0, 0, 0, (d,), d)  # a true I1 reads as -1
    return d


def jump_if(s: Selector, test: Test, target: Block | Op | int) -> None:
    """Emit the test."""
    if test.b < 0:
        op = s.emit(test.width | test.code, test.a, 0, 0, test.n, (test.a,), -1)
    else:
        op = s.emit(test.width | X | test.code, test.a, test.b, 0, 0, (test.a, test.b), -1)
    op.target = target


def icmp(s: Selector, v: Value) -> None:
    """A comparison needed as a number: 0 or 1."""
    a, b = v.args
    kind = v.operand
    if b.op == "const" and b.imm == 0 and v.aux == "slt" and kind in (I64, I32):
        # the sign bit itself
        d = s.define(v)
        s.into(d, a)
        alu = ALU64 if kind is I64 else ALU32
        s.emit(alu | RSH, d, 0, 0, kind.bits - 1, (d,), d)
        return
    lazy = v in s.lazy
    s.lazy.add(v)
    test = comparison(s, v, True)
    if not lazy:
        s.lazy.discard(v)
    d = s.define(v)
    s.move_constant(d, 1)
    skip(s, test, d, 0)


def skip(s: Selector, test: Test, d: int, constant: int, r: int = -1) -> None:
    """Unless the test holds, ``d = constant``, or ``d = r`` where a register is given."""
    label = Op(LABEL, 0, 0, 0, 0, (), -1, s.span)
    jump_if(s, test, label)
    if r >= 0:
        s.move(d, r)
    else:
        s.move_constant(d, constant)
    op = s.ops[-1]
    op.uses = (*op.uses, d)  # the old value survives where the move is skipped
    s.ops.append(label)


def select(s: Selector, v: Value) -> None:
    """A move, and another under a condition."""
    cond, a, d = v.args
    operands = cond.args if cond in s.lazy and cond.op == "icmp" else []
    swap = _first_score(d, operands) - _first_score(a, operands)
    if swap > 0 or (swap == 0 and is_zero_test(s, cond)):
        first, second, truth = d, a, False
    else:
        first, second, truth = a, d, True
    hold = -1 if second.op == "const" else s.reg(second)
    r = s.define(v)
    test = comparison(s, cond, truth)
    kept = first.vreg
    s.into(r, first)
    if kept >= 0:
        # the register just copied serves the test as well, and is free sooner
        if test.a == kept:
            test.a = r
        if test.b == kept:
            test.b = r
    skip(s, test, r, second.imm, hold)


def _first_score(v: Value, operands: list[Value]) -> int:
    """How good ``v`` is as the one moved first: best when its register ends here."""
    if v.op == "const":
        return 0
    return 2 if v.uses <= (2 if v in operands else 1) else 1


# -- ends of blocks -------------------------------------------------------------------------------


def _copies(s: Selector, block: Block, target: Block) -> dict[int, int]:
    """Give ``target``'s phis what they receive from ``block``; returns which registers were copied
    to which."""
    index = s.edge(block, target)
    moves: dict[int, int] = {}
    made: list[tuple[int, Value]] = []
    for phi in target.phis:
        a = phi.args[index]
        if a.vreg >= 0:
            if a.vreg != phi.vreg:
                moves[phi.vreg] = a.vreg
        else:
            made.append((phi.vreg, a))
    # what is made on the spot may read registers that the moves overwrite: take it first
    early = []
    for d, a in made:
        if a.op in ("const", "slot", "map_ref", "map_value", "function"):
            early.append((d, a, -1))
        else:
            early.append((d, a, s.reg(a)))
    copied = {src: d for d, src in moves.items()}
    _parallel(s, moves)
    for d, a, r in early:
        if r >= 0:
            s.move(d, r)
        else:
            s.into(d, a)
    return copied


def _parallel(s: Selector, moves: dict[int, int]) -> None:
    """Moves that happen at once, one after the other; a circle goes over a spare register."""
    readers: dict[int, int] = {}
    for src in moves.values():
        readers[src] = readers.get(src, 0) + 1
    ready = [d for d in moves if d not in readers]
    while moves:
        while ready:
            d = ready.pop()
            src = moves.pop(d)
            s.move(d, src)
            readers[src] -= 1
            if not readers[src]:
                del readers[src]
                if src in moves:
                    ready.append(src)
        if moves:
            d = next(iter(moves))
            spare = s.new()
            s.move(spare, d)
            for other, src in moves.items():
                if src == d:
                    moves[other] = spare
            readers[spare] = readers.pop(d)
            ready.append(d)


def _goto(s: Selector, target: Block) -> None:
    s.emit(JA, 0, 0, 0, 0, (), -1).target = target


def jump(s: Selector, v: Value) -> None:
    """Unconditional."""
    block = v.block
    assert block is not None
    target = v.aux[0]
    if target.phis:
        _copies(s, block, target)
    _goto(s, target)


def branch(s: Selector, v: Value) -> None:
    """Conditional.  The phis' moves of both ways come before the test: on the other way their
    registers are not in use.  Only back to a loop's head that does not hold, and the moves get a
    block of their own."""
    block = v.block
    assert block is not None
    then, other = v.aux
    cond = v.args[0]
    copied: dict[int, int] = {}
    ways: list[Block | MBlockOf] = [then, other]
    for index, target in enumerate((then, other)):
        if not target.phis:
            continue
        if target.order <= block.order:
            ways[index] = MBlockOf(target)
        else:
            copied.update(_copies(s, block, target))
    _decide(s, cond, ways[0], ways[1], copied)
    for way in ways:
        if isinstance(way, MBlockOf):
            way.index = s.begin(block.loop).index
            _copies(s, block, way.target)
            _goto(s, way.target)
            for op in way.jumps:
                op.target = way.index


class MBlockOf:
    """A block yet to be made on the edge to ``target``, and the jumps that shall lead to it."""

    __slots__ = ("index", "jumps", "target")

    def __init__(self, target: Block) -> None:
        self.target = target
        self.index = -1
        self.jumps: list[Op] = []


def _decide(
    s: Selector,
    cond: Value,
    then: Block | MBlockOf,
    other: Block | MBlockOf,
    copied: dict[int, int],
) -> None:
    """Jump to ``then`` if ``cond`` holds, else to ``other``."""
    # A tree of ands and ors is a chain of tests: (condition, its truth, where to go then)
    chain: list[tuple[Value, bool, Block | MBlockOf]] = []
    _chain(s, cond, then, other, chain)
    last = len(chain) - 1
    for index, (leaf, truth, target) in enumerate(chain):
        test = comparison(s, leaf, truth)
        if test.a in copied:
            test.a = copied[test.a]
        if test.b in copied:
            test.b = copied[test.b]
        jump_if(s, test, -1)
        _aim(s.ops[-1], target)
        if index != last:
            s.begin(s.current.loop)
    op = s.emit(JA, 0, 0, 0, 0, (), -1)
    _aim(op, other if chain[-1][1] else then)


def _aim(op: Op, target: Block | MBlockOf) -> None:
    if isinstance(target, MBlockOf):
        target.jumps.append(op)
    else:
        op.target = target


def _chain(
    s: Selector,
    cond: Value,
    then: Block | MBlockOf,
    other: Block | MBlockOf,
    chain: list[tuple[Value, bool, Block | MBlockOf]],
) -> None:
    """Flatten ``and`` towards ``other``; the rest is tested as it is."""
    if cond in s.lazy and cond.op in ("and", "or"):
        leaves: list[Value] = []
        stack = [cond]
        while stack:
            v = stack.pop()
            if v in s.lazy and v.op == cond.op:
                stack.extend(reversed(v.args))
            else:
                leaves.append(v)
        if cond.op == "and":
            chain.extend([(leaf, False, other) for leaf in leaves[:-1]])
        else:
            chain.extend([(leaf, True, then) for leaf in leaves[:-1]])
        cond = leaves[-1]
    if is_zero_test(s, cond):
        chain.append((cond, False, other))
    else:
        chain.append((cond, True, then))


def ret(s: Selector, v: Value) -> None:
    """Return."""
    s.into(R0, v.args[0])
    s.emit(EXIT, 0, 0, 0, 0, (R0,), -1)


TABLE = {"icmp": icmp, "select": select, "jump": jump, "branch": branch, "ret": ret}
