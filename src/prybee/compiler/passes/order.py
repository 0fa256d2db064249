"""Which blocks are reachable, in what order they stand, who dominates whom, what is a loop."""

from __future__ import annotations

from prybee.compiler.ir import CompilerError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from prybee.compiler.ir import Block, Function


def order_blocks(function: Function) -> list[Block]:
    """Drop unreachable blocks and order the rest; compute dominators and loop depths.

    Afterwards ``function.blocks`` is in reverse post-order with rarely run blocks last, and each
    block's ``order``, ``idom``, ``depth`` (in the dominator tree), ``enter``/``leave`` (its
    interval in that tree's preorder), ``loop`` (nesting depth) and ``cold`` are set.

    Returns:
        The blocks in preorder of the dominator tree, which is a topological order too.

    Raises:
        CompilerError: a loop is entered other than through its head (no language of ours makes
            such loops).
    """
    blocks = function.blocks
    for block in blocks:
        block.order = -1
        block.loop = 0
    entry = blocks[0]
    if len(entry.code) and not entry.code[-1].aux and not entry.preds:
        entry.order = entry.enter = entry.leave = entry.depth = 0
        function.blocks = [entry]
        return function.blocks
    sequence, loops = _reverse_postorder(entry)
    if loops:
        _loop_depths(sequence)
        sequence, loops = _reverse_postorder(entry)
    for block in sequence:
        _prune_preds(block)
    _dominators(function, sequence)
    _mark_cold(sequence)
    function.blocks = [b for b in sequence if not b.cold] + [b for b in sequence if b.cold]
    return _dominator_preorder(sequence)


def _reverse_postorder(entry: Block) -> tuple[list[Block], bool]:
    """The reachable blocks, the first successor's side before the second's; loops contiguous.

    Also whether any edge goes backwards.
    """
    post: list[Block] = []
    loops = False
    seen = {entry}
    open_: set[Block] = set()
    stack: list[tuple[Block, list[Block]]] = [(entry, _preferred(entry))]
    open_.add(entry)
    while stack:
        block, todo = stack[-1]
        if todo:
            nxt = todo.pop()
            if nxt not in seen:
                seen.add(nxt)
                open_.add(nxt)
                stack.append((nxt, _preferred(nxt)))
            elif nxt in open_:
                loops = True
        else:
            stack.pop()
            open_.discard(block)
            post.append(block)
    post.reverse()
    for index, block in enumerate(post):
        block.order = index
    return post, loops


def _preferred(block: Block) -> list[Block]:
    """Successors, the one whose code shall stand nearest first (they are visited from the end)."""
    code = block.code
    if not code:
        raise CompilerError(f"{block.function.name}: block {block.name} is empty")
    last = code[-1]
    if last.op == "branch":
        then, other = last.aux
        if then.loop != other.loop:
            return [then, other] if then.loop > other.loop else [other, then]
        return [other, then] if last.imm < 0 else [then, other]
    if last.op == "jump":
        return [last.aux[0]]
    if last.op != "ret":
        raise CompilerError(
            f"{block.function.name}: block {block.name} does not end in a jump, branch or return"
        )
    return []


def _loop_depths(sequence: list[Block]) -> None:
    """Count, for each block, the natural loops around it.  Needs ``order``."""
    backs: dict[Block, list[Block]] = {}
    for block in sequence:
        for nxt in block.successors:
            if nxt.order <= block.order:
                backs.setdefault(nxt, []).append(block)
    for head, tails in backs.items():
        body = {head}
        stack = list(tails)
        while stack:
            block = stack.pop()
            if block not in body:
                body.add(block)
                stack.extend(p for p in block.preds if p.order >= head.order)
        for block in body:
            block.loop += 1


def _prune_preds(block: Block) -> None:
    preds = block.preds
    for pred in preds:
        if pred.order < 0:
            break
    else:
        return
    keep = [i for i, pred in enumerate(preds) if pred.order >= 0]
    block.preds = [preds[i] for i in keep]
    for phi in block.phis:
        phi.args = [phi.args[i] for i in keep]


def lowest_common(a: Block, b: Block) -> Block:
    """The nearest block that dominates both."""
    while a is not b:
        if a.depth < b.depth:
            a, b = b, a
        # a is the deeper, or as deep
        if a.depth == b.depth:
            if a.skip is b.skip:
                assert a.idom is not None
                assert b.idom is not None
                a, b = a.idom, b.idom
            else:
                a, b = a.skip, b.skip
        elif a.skip.depth >= b.depth:
            a = a.skip
        else:
            assert a.idom is not None
            a = a.idom
    return a


def _dominators(function: Function, sequence: list[Block]) -> None:
    """One round of Cooper, Harvey and Kennedy suffices where loops have a single entry.

    ``skip`` are skew-binary ancestors (Myers 1983): common ancestors in logarithmic time.
    """
    entry = sequence[0]
    entry.idom = None
    entry.depth = 0
    entry.skip = entry
    for block in sequence[1:]:
        mine = block.order
        idom: Block | None = None
        for pred in block.preds:
            if pred.order < mine:
                idom = pred if idom is None else lowest_common(idom, pred)
        assert idom is not None
        block.idom = idom
        block.depth = idom.depth + 1
        far = idom.skip
        if idom.depth - far.depth == far.depth - far.skip.depth:
            block.skip = far.skip
        else:
            block.skip = idom
    for block in sequence:
        for pred in block.preds:
            if pred.order >= block.order and lowest_common(pred, block) is not block:
                raise CompilerError(f"{function.name}: the loop at {block.name} has a second entry")


def _dominator_preorder(sequence: list[Block]) -> list[Block]:
    children: dict[Block, list[Block]] = {}
    for block in reversed(sequence):
        if block.idom is not None:
            children.setdefault(block.idom, []).append(block)
    result: list[Block] = []
    stack = [sequence[0]]
    while stack:
        block = stack.pop()
        block.enter = len(result)
        result.append(block)
        # children are listed from the last in order, so the first is popped first
        stack.extend(children.get(block, ()))
    for block in result:
        block.leave = block.enter
    for block in reversed(result):
        idom = block.idom
        if idom is not None and block.leave > idom.leave:
            idom.leave = block.leave
    return result


def _mark_cold(sequence: list[Block]) -> None:
    """A block is cold when every way to it is unlikely or comes from a cold block."""
    for block in sequence:
        block.cold = False
    for block in sequence[1:]:
        mine = block.order
        for pred in block.preds:
            if pred.order >= mine or pred.cold:
                continue
            last = pred.code[-1]
            if last.op == "branch" and last.imm and last.aux[0 if last.imm < 0 else 1] is block:
                continue
            break
        else:
            block.cold = True
