"""Large objects move from the stack to a per-CPU map: one lookup, where they are first needed."""

from __future__ import annotations

from prybee.compiler.helpers import helper
from prybee.compiler.ir import (
    I1,
    I32,
    I64,
    MAP,
    MAP_VALUE,
    STACK,
    VOID,
    Block,
    CompilerError,
    Ptr,
    Slot,
    Value,
)
from prybee.compiler.passes.order import lowest_common

TYPE_CHECKING = False
if TYPE_CHECKING:
    from prybee.compiler.ir import Function


# A per-CPU value may be as large as PCPU_MIN_UNIT_SIZE (kernel/bpf/arraymap.c).
ENTRY = 32 << 10

_RESERVES = "ringbuf_reserve"
_GIVES_BACK = frozenset(("ringbuf_submit", "ringbuf_discard"))


class TooLarge(CompilerError):
    """An object that has no room in an entry; ``size`` in bytes."""

    def __init__(self, name: str, size: int) -> None:
        self.size = size
        super().__init__(f"{name} needs {size} bytes, of {ENTRY} at most")


def move_to_scratch(function: Function, slots: set[Slot], map_name: str, offset: int) -> int:
    """Place ``slots`` at ``offset`` and up in the per-CPU array ``map_name``.

    Offsets count through its entries of :data:`ENTRY` bytes; no object lies in two.  Each entry
    is looked up before its first use, outside loops; where the kernel finds none (it always does,
    but its verifier wants to see the question asked), the function returns 0.

    Returns:
        The first free offset behind them.

    Raises:
        TooLarge: an object is larger than an entry.
    """
    entries: dict[int, set[Slot]] = {}
    starts: dict[Slot, int] = {}
    for slot in sorted(slots, key=lambda s: s.number):
        size = (slot.size + 7) & -8
        if size > ENTRY:
            raise TooLarge(slot.name, slot.size)
        if offset // ENTRY != (offset + size - 1) // ENTRY:
            offset = (offset // ENTRY + 1) * ENTRY
        starts[slot] = offset % ENTRY
        entries.setdefault(offset // ENTRY, set()).add(slot)
        offset += size
    for entry, group in entries.items():
        _move(function, group, starts, map_name, entry)
    return offset


def _move(
    function: Function, slots: set[Slot], starts: dict[Slot, int], map_name: str, entry: int
) -> None:
    """Place ``slots`` where ``starts`` says in one entry of the map."""
    where, stand = _first_needed(function, slots)
    if where is None:
        return
    base, rest = _split(function, where, stand, map_name, entry)
    for block in function.blocks:
        moved = [v for v in block.code if v.op == "slot" and v.aux in slots]
        if moved:
            block.code = [v for v in block.code if v.op != "slot" or v.aux not in slots]
        for v in moved:
            v.op = "ptr_add"
            v.type = base.type
            v.args = [base, function.const(starts[v.aux])]
            v.block = rest
            v.aux.place = "scratch"
            rest.code.insert(0, v)
            v.aux = None
            base.uses += 1


def _first_needed(function: Function, slots: set[Slot]) -> tuple[Block | None, Value | None]:
    """The block, outside loops, that dominates all uses; and its operation to stand before."""
    where: Block | None = None
    stand: Value | None = None
    for block in function.blocks:
        for phi in block.phis:
            for pred, a in zip(block.preds, phi.args, strict=True):
                if a.op == "slot" and a.aux in slots:
                    where = pred if where is None else lowest_common(where, pred)
        for v in block.code:
            for a in v.args:
                if a.op == "slot" and a.aux in slots:
                    where = block if where is None else lowest_common(where, block)
    if where is None:
        return None, None
    while where.loop:
        assert where.idom is not None
        where = where.idom
    for v in where.code:
        stand = v
        if any(a.op == "slot" and a.aux in slots for a in v.args):
            break
    reserve = _reservation(where, stand)
    while reserve is not None:
        # Where the lookup finds nothing the function ends, and must have nothing to give back.
        where, stand = reserve.block, reserve
        assert where is not None
        while where.loop:
            assert where.idom is not None
            where = where.idom
            stand = where.code[-1]
        reserve = _reservation(where, stand)
    return where, stand


def _reservation(block: Block, stand: Value | None) -> Value | None:
    """The call that has reserved room in the ring buffer which is still held before ``stand``."""
    code = block.code[: block.code.index(stand)] if stand is not None else block.code
    only = True
    while True:
        for v in reversed(code):
            name = v.aux.name if v.op == "call" and v.aux is not None else ""
            if name in _GIVES_BACK:
                return None
            if name == _RESERVES:
                return v if only else None
        above = block.idom
        if above is None or above is block:
            return None
        # A block with other ways in lies behind the test of what was reserved, and its use.
        only = block.preds == [above]
        block, code = above, above.code


def _split(
    function: Function, block: Block, stand: Value | None, map_name: str, entry: int
) -> tuple[Value, Block]:
    """Cut ``block`` before ``stand``, with the lookup between; returns its result and the rest."""
    index = block.code.index(stand) if stand is not None else len(block.code) - 1
    rest = function.block("scratch")
    fail = function.block("no_scratch")
    function.blocks.remove(rest)
    function.blocks.insert(function.blocks.index(block) + 1, rest)
    rest.code = block.code[index:]
    for v in rest.code:
        v.block = rest
    block.code = block.code[:index]
    for nxt in rest.successors:
        nxt.preds[nxt.preds.index(block)] = rest
    rest.preds = [block]
    fail.preds = [block]
    rest.sealed = fail.sealed = True
    rest.order = block.order  # no edge compares the two
    rest.cold = block.cold
    rest.idom = fail.idom = block
    fail.order = 1 << 30
    fail.cold = True

    def emit(op: str, kind: object, args: list[Value], **fields: object) -> Value:
        v = Value(op, kind, args, **fields)  # type: ignore[arg-type]
        v.id = function.number()
        v.block = block
        v.uses = 1
        block.code.append(v)
        return v

    slot = Slot(len(function.slots), 4, 4, "scratch_key")
    function.slots.append(slot)
    key = emit("slot", Ptr(STACK), [], aux=slot)
    key.uses = 2
    emit("store", VOID, [key, function.const(entry, I32)], operand=I32)
    map_ = emit("map_ref", Ptr(MAP), [], aux=map_name)
    base = emit("call", Ptr(MAP_VALUE), [map_, key], aux=helper("map_lookup_elem"))
    found = emit("icmp", I1, [base, function.const(0)], aux="ne", operand=I64)
    emit("branch", VOID, [found], imm=1, aux=(rest, fail))
    back = Value("ret", VOID, [function.const(0)])
    back.id = function.number()
    back.block = fail
    fail.code.append(back)
    return base, rest
