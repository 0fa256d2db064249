"""Moving what only some paths need to those paths (partial dead code elimination).

A pid fetched for a record that is seldom sent is then fetched only when it is sent.
"""

from __future__ import annotations

from prybee.compiler.helpers import PURE
from prybee.compiler.ir import ARITHMETIC, CTX
from prybee.compiler.passes.order import lowest_common

TYPE_CHECKING = False
if TYPE_CHECKING:
    from prybee.compiler.ir import Block, Function, Value


def _movable(v: Value) -> bool:
    op = v.op
    if op in ARITHMETIC:
        # Moving what joins two values would keep two alive on the way instead of one.
        return len([a for a in v.args if a.block is not None]) < 2
    return (op == "load" and v.args[0].type.space == CTX) or (op == "call" and v.aux.kind == PURE)


def _use(
    where: dict[Value, tuple[Block, Value]],
    a: Value,
    block: Block,
    root: Value,
    position: dict[Value, int],
) -> None:
    """Note that ``a`` is needed in ``block``, right before ``root``."""
    known = where.get(a)
    if known is None:
        where[a] = (block, root)
        return
    there, stand = known
    if there is block:
        if position[root] < position[stand]:
            where[a] = (block, root)
        return
    common = lowest_common(there, block)
    if common is block:
        where[a] = (block, root)
    elif common is not there:
        where[a] = (common, common.code[-1])


def sink(function: Function, preorder: list[Block]) -> None:
    """Move operations without effect down to the block that dominates all their uses.

    Never into a loop.  Within that block they stand right before their first use.
    """
    if len(preorder) < 2:
        return
    # value -> (block all uses are in or below, the operation of that block to stand before)
    where: dict[Value, tuple[Block, Value]] = {}
    position = {v: index for block in preorder for index, v in enumerate(block.code)}
    for block in preorder:
        for phi in block.phis:
            for pred, a in zip(block.preds, phi.args, strict=True):
                if a.block is not None:
                    _use(where, a, pred, pred.code[-1], position)
    before: dict[Value, list[Value]] = {}
    moved: set[Value] = set()
    for block in reversed(preorder):
        for v in reversed(block.code):
            home, root = block, v
            if v in where and _movable(v):
                target, stand = where[v]
                if target is not block:
                    while target.loop > block.loop and target is not block:
                        assert target.idom is not None
                        target = target.idom
                        stand = target.code[-1]
                    if target is not block:
                        before.setdefault(stand, []).append(v)
                        moved.add(v)
                        home, root = target, stand
            for a in v.args:
                if a.block is not None:
                    _use(where, a, home, root, position)
    if not moved:
        return
    for block in preorder:
        code: list[Value] = []
        for v in block.code:
            if v in moved:
                continue
            if v in before:
                for early in reversed(before[v]):
                    early.block = block
                    code.append(early)
            code.append(v)
        block.code = code
