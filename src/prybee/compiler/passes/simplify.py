"""One walk down the dominator tree: folding, common subexpressions, decided branches, dead code."""

from __future__ import annotations

from prybee.compiler.helpers import PURE, QUERY
from prybee.compiler.ir import ARITHMETIC, CTX, I64, INVERSE, Block, Value
from prybee.compiler.passes.fold import RULES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from prybee.compiler.ir import Function, Type
    from prybee.diagnostics import Span

# Operations whose equals may be shared: these, loads from the context, and pure calls.
_SHARED = ARITHMETIC


class Simplifier:
    """Applies the rules of ``fold.py`` and shares equal operations (dominator-based numbering).

    ``changed`` tells whether the flow of control was changed, so that blocks must be ordered and
    the walk be repeated.
    """

    __slots__ = ("block", "changed", "facts", "features", "function", "out", "span", "table")

    def __init__(self, function: Function, features: dict[str, bool]) -> None:
        self.function = function
        self.features = features
        self.table: dict[tuple[Any, ...], Value] = {}
        # condition -> (block from where on it is decided, its truth)
        self.facts: dict[tuple[str, int, int], tuple[Block, bool]] = {}
        self.changed = False
        self.out: list[Value] = []
        self.block = function.blocks[0]
        self.span: Span | None = None

    def const(self, n: int, kind: Type = I64) -> Value:
        """A constant of the function."""
        return self.function.const(n, kind)

    def make(self, op: str, kind: Type, *args: Value, **fields: Any) -> Value:
        """A new operation at the current place, simplified itself."""
        value = Value(op, kind, list(args), **fields)
        value.id = self.function.number()
        value.span = self.span
        return self.visit(value)

    def visit(self, v: Value) -> Value:
        """The value to use in place of ``v``: another, or ``v`` itself, appended to the block."""
        op = v.op
        rule = RULES.get(op)
        if rule is not None:
            self.span = v.span
            other = rule(self, v)
            if other is not None:
                return other
        if op in _SHARED or (
            (op == "load" and v.args[0].type.space == CTX) or (op == "call" and v.aux.kind == PURE)
        ):
            key = (op, v.type, v.imm, v.off, v.aux, v.operand, *[a.id for a in v.args])
            found = self.table.get(key)
            block = self.block
            if found is not None:
                home = found.block
                assert home is not None
                if home.enter <= block.enter <= home.leave:
                    return found
            self.table[key] = v
        v.block = self.block
        self.out.append(v)
        return v

    def run(self, preorder: list[Block]) -> None:
        """Simplify all blocks, given in dominator preorder."""
        visit = self.visit
        for block in preorder:
            self.block = block
            if block.phis:
                self._phis(block)
            if len(block.preds) == 1:
                self._learn(block.preds[0], block)
            self.out = out = []
            for v in block.code:
                args = v.args
                for i, a in enumerate(args):
                    if a.forward is not None:
                        while a.forward is not None:
                            a = a.forward
                        args[i] = a
                if v.op == "branch":
                    self._branch(v)
                    out.append(v)
                    continue
                r = visit(v)
                if r is not v:
                    v.forward = r
            block.code = out
        for block in preorder:
            for phi in block.phis:
                args = phi.args
                for i, a in enumerate(args):
                    while a.forward is not None:
                        a = a.forward
                    args[i] = a

    def _phis(self, block: Block) -> None:
        keep = []
        seen: dict[tuple[int, ...], Value] = {}
        for phi in block.phis:
            if phi.forward is not None:
                continue
            only: Value | None = None
            width = 0
            args = phi.args
            for i, a in enumerate(args):
                while a.forward is not None:
                    a = a.forward
                args[i] = a
                if a.width > width:
                    width = a.width
                if a is phi or a is only:
                    continue
                # `phi` itself stands for "more than one".
                only = a if only is None else phi
            if only is None:
                phi.forward = self.const(0, phi.type)
                continue
            if only is not phi:
                phi.forward = only
                continue
            key = tuple([a.id for a in args])
            twin = seen.get(key)
            if twin is not None and twin.type is phi.type:
                phi.forward = twin
                continue
            seen[key] = phi
            # Round a loop, later arguments have not been seen yet.
            if not any(p.order >= block.order for p in block.preds):
                phi.width = width
            keep.append(phi)
        block.phis = keep

    def _learn(self, pred: Block, block: Block) -> None:
        """On the way into ``block`` a condition was found true or false: remember."""
        last = pred.code[-1]
        if last.op != "branch":
            return
        cond = last.args[0]
        truth = last.aux[0] is block
        self._fact(cond, block, truth)

    def _fact(self, cond: Value, block: Block, truth: bool) -> None:
        stack = [cond]
        while stack:
            c = stack.pop()
            if c.op == "icmp":
                a, b = c.args
                self.facts[c.aux, a.id, b.id] = (block, truth)
                self.facts[INVERSE[c.aux], a.id, b.id] = (block, not truth)
            else:
                self.facts["", c.id, 0] = (block, truth)
                if (c.op == "and" and truth) or (c.op == "or" and not truth):
                    stack.extend(c.args)

    def decided(self, cond: Value) -> bool | None:
        """The truth of a condition where it is known."""
        if cond.op == "const":
            return bool(cond.imm)
        if cond.op == "icmp":
            a, b = cond.args
            known = self.facts.get((cond.aux, a.id, b.id))
        else:
            known = self.facts.get(("", cond.id, 0))
        if known is not None:
            home, truth = known
            if home.enter <= self.block.enter <= home.leave:
                return truth
        return None

    def _branch(self, v: Value) -> None:
        cond = v.args[0]
        if cond.op == "xor" and cond.args[1].op == "const":
            v.args[0] = cond = cond.args[0]
            v.aux = (v.aux[1], v.aux[0])
            v.imm = -v.imm
        truth = self.decided(cond)
        if truth is None:
            return
        taken, dropped = v.aux if truth else (v.aux[1], v.aux[0])
        v.op = "jump"
        v.args = []
        v.imm = 0
        v.aux = (taken,)
        remove_edge(self.block, dropped)
        self.changed = True


def remove_edge(pred: Block, block: Block) -> None:
    """Take ``pred`` out of ``block``'s predecessors, with what the phis received from there."""
    index = block.preds.index(pred)
    del block.preds[index]
    for phi in block.phis:
        del phi.args[index]


def remove_dead(function: Function) -> None:
    """Drop operations whose results nobody needs; count the uses of the others."""
    work: list[Value] = []
    blocks = function.blocks
    for param in function.params:
        param.uses = 0
    for block in blocks:
        for phi in block.phis:
            phi.uses = 0
        for v in block.code:
            v.uses = 0
    for block in blocks:
        for v in block.code:
            op = v.op
            if op in _SHARED or op == "load" or op == "slot":
                continue
            if op == "call" and (v.aux.kind == PURE or (v.aux.kind == QUERY and _only_result(v))):
                continue
            for a in v.args:
                if not a.uses:
                    a.uses = 1
                    work.append(a)
                else:
                    a.uses += 1
    while work:
        for a in work.pop().args:
            if not a.uses:
                a.uses = 1
                work.append(a)
            else:
                a.uses += 1
    for block in blocks:
        if block.phis:
            block.phis = [phi for phi in block.phis if phi.uses]
        block.code = [v for v in block.code if v.uses or not _droppable(v)]


def _only_result(v: Value) -> bool:
    """Whether a query's one product is its result (it writes no memory)."""
    return not any(letter in "Wwox" for letter in v.aux.args)


def _droppable(v: Value) -> bool:
    op = v.op
    if op in _SHARED or op == "load" or op == "slot":
        return True
    return op == "call" and (v.aux.kind == PURE or (v.aux.kind == QUERY and _only_result(v)))
