"""Making the flow of control simpler: known ways, empty blocks, small diamonds, chains."""

from __future__ import annotations

from prybee.compiler.ir import Block, Value
from prybee.compiler.numbers import compare
from prybee.compiler.passes.simplify import remove_edge

TYPE_CHECKING = False
if TYPE_CHECKING:
    from prybee.compiler.ir import Function

# A diamond of at most this many values becomes selects: one compare, then moves.
_MOST_SELECTS = 2


def thread_branches(function: Function) -> bool:
    """Where a block only branches on a phi, predecessors that bring a constant go straight on.

    This is what ``a && b`` and ``a || b`` leave behind.  True when anything changed; blocks must
    then be ordered and the function be simplified anew.
    """
    changed = False
    for block in function.blocks:
        if not block.phis or len(block.code) > 2 or block.code[-1].op != "branch":
            continue
        if any(pred.order >= block.order for pred in block.preds):
            continue  # the head of a loop: its entry would double
        phi, truths = _deciding_phi(block)
        if phi is None or not _used_only_here(block):
            continue
        for index in range(len(block.preds) - 1, -1, -1):
            truth = truths[index]
            if truth is not None:
                _go_straight(function, block, index, block.code[-1].aux[0 if truth else 1])
                changed = True
    return changed


def _deciding_phi(block: Block) -> tuple[Value | None, list[bool | None]]:
    """The phi that decides the block's branch, and per predecessor the truth where it is known."""
    cond = block.code[-1].args[0]
    if len(block.code) == 1:
        if cond.op == "phi" and cond.block is block:
            return cond, [bool(a.imm) if a.op == "const" else None for a in cond.args]
        return None, []
    if block.code[0] is not cond or cond.op != "icmp":
        return None, []
    phi, other = cond.args
    if phi.op != "phi" or phi.block is not block or other.op != "const":
        return None, []
    bits = cond.operand.bits
    return phi, [
        compare(cond.aux, a.imm, other.imm, bits) if a.op == "const" else None for a in phi.args
    ]


def _used_only_here(block: Block) -> bool:
    """Whether what the block defines serves only itself, and phis right behind it."""
    inside: dict[Value, int] = {}
    for v in block.code:
        for a in v.args:
            inside[a] = inside.get(a, 0) + 1
    for nxt in block.successors:
        index = nxt.preds.index(block)
        for phi in nxt.phis:
            a = phi.args[index]
            inside[a] = inside.get(a, 0) + 1
    return all(v.uses == inside.get(v, 0) for v in block.phis) and all(
        v.uses == inside.get(v, 0) for v in block.code
    )


def _go_straight(function: Function, block: Block, index: int, target: Block) -> None:
    pred = block.preds[index]
    mine = target.preds.index(block)
    brought = []
    for phi in target.phis:
        a = phi.args[mine]
        brought.append(a.args[index] if a.op == "phi" and a.block is block else a)
    remove_edge(pred, block)
    if pred in target.preds:
        # Two edges between the same blocks cannot be told apart by a phi.
        between = function.block("between")
        between.sealed = True
        jump = Value("jump", block.code[-1].type, [], aux=(target,))
        jump.id = function.number()
        jump.block = between
        between.code.append(jump)
        between.preds.append(pred)
        _retarget(pred, block, between)
        pred = between
    else:
        _retarget(pred, block, target)
    target.preds.append(pred)
    for phi, a in zip(target.phis, brought, strict=True):
        phi.args.append(a)
        a.uses += 1


def _retarget(pred: Block, old: Block, new: Block) -> None:
    last = pred.code[-1]
    last.aux = tuple([new if b is old else b for b in last.aux])


def tidy_blocks(function: Function) -> tuple[bool, bool]:
    """Skip empty blocks, turn small diamonds into selects, join chains.

    Returns:
        Whether anything changed, so that blocks must be ordered anew; and whether values changed,
        so that the function must be simplified anew.
    """
    changed = values = False
    entry = function.blocks[0]
    for block in function.blocks:
        if (
            len(block.code) == 1
            and block.code[0].op == "jump"
            and not block.phis
            and block is not entry
            and _skip_empty(block)
        ):
            changed = True
    for block in function.blocks:
        if (
            block.code[-1].op == "branch"
            and (block.preds or block is entry)
            and _diamond_to_selects(function, block)
        ):
            changed = values = True
    for block in function.blocks:
        if not block.preds and block is not entry:
            continue
        code = block.code
        while code[-1].op == "jump":
            nxt = code[-1].aux[0]
            if len(nxt.preds) != 1 or nxt is entry or nxt is block:
                break
            values = values or bool(nxt.phis)
            _append(block, nxt)
            code = block.code
            changed = True
    return changed, values


def _skip_empty(block: Block) -> bool:
    target = block.code[0].aux[0]
    if target is block or not block.preds:
        return False
    if target.phis and any(pred in target.preds for pred in block.preds):
        return False
    if any(pred.order >= block.order for pred in block.preds):
        return False
    index = target.preds.index(block)
    for phi in target.phis:
        phi.args.extend([phi.args[index]] * len(block.preds))
    for pred in block.preds:
        _retarget(pred, block, target)
        last = pred.code[-1]
        if last.op == "branch" and last.aux[0] is last.aux[1]:
            # only without phis, see above
            last.op = "jump"
            last.aux = (target,)
            last.args[0].uses -= 1
            last.args = []
            last.imm = 0
        else:
            target.preds.append(pred)
    remove_edge(block, target)
    block.preds = []
    return True


def _diamond_to_selects(function: Function, block: Block) -> bool:
    """``c ? a : b`` written with blocks: both sides empty, or one side empty and one missing."""
    last = block.code[-1]
    then, other = last.aux
    if last.imm:
        return False  # the author knows which side is rare: keep it aside
    first = _through(then, block)
    second = _through(other, block)
    if first is None and second is None:
        return False
    join = first or then
    if join is not (second or other) or not join.phis or len(join.phis) > _MOST_SELECTS:
        return False
    if join.order <= block.order:
        return False
    a_edge = then if first else block
    b_edge = other if second else block
    ia, ib = join.preds.index(a_edge), join.preds.index(b_edge)
    cond = last.args[0]
    code = block.code
    code.pop()
    brought = []
    for phi in join.phis:
        select = Value("select", phi.type, [cond, phi.args[ia], phi.args[ib]], span=phi.span)
        select.id = function.number()
        select.block = block
        select.uses = 1
        select.width = max(phi.args[ia].width, phi.args[ib].width)
        code.append(select)
        cond.uses += 1
        brought.append(select)
    cond.uses -= 1
    for edge in (a_edge, b_edge):
        remove_edge(edge, join)
    for edge in (then, other):
        if edge is not join:
            edge.preds = []
    join.preds.append(block)
    for phi, select in zip(join.phis, brought, strict=True):
        phi.args.append(select)
    last.op = "jump"
    last.args = []
    last.aux = (join,)
    code.append(last)
    return True


def _through(block: Block, pred: Block) -> Block | None:
    """Where an empty block that only ``pred`` enters leads."""
    if len(block.code) == 1 and block.code[0].op == "jump" and block.preds == [pred]:
        return block.code[0].aux[0]  # type: ignore[no-any-return]
    return None


def _append(block: Block, nxt: Block) -> None:
    """Join ``nxt``, whose only predecessor is ``block``, to it."""
    for phi in nxt.phis:
        phi.forward = phi.args[0]
        phi.args[0].uses += phi.uses - 1
    block.code.pop()
    block.code.extend(nxt.code)
    for v in nxt.code:
        v.block = block
    for after in nxt.successors:
        preds = after.preds
        preds[preds.index(nxt)] = block
    nxt.preds = []
    nxt.code = nxt.code[-1:]
    nxt.phis = []
