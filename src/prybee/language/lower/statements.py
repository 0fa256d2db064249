"""Lowering of statements: one function per node class."""

from __future__ import annotations

from prybee.language import tree
from prybee.language.lower.assignments import (
    assign_map,
    assign_scratch,
    declaration,
    increment,
)
from prybee.language.lower.loops import lower_for, lower_unroll, lower_while

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from prybee.language.lower.handler import Handler


def lower_block(h: Handler, block: tree.Block) -> None:
    """The statements of a block; what follows a jump is left out."""
    for statement in block.statements:
        if h.b.terminated:
            return
        h.at(statement)
        _LOWER[type(statement)](h, statement)


def _expression(h: Handler, node: tree.ExpressionStatement) -> None:
    _value(h, node.expression)


def _branch(h: Handler, block: tree.Block) -> None:
    """A block whose value nobody wants: it has one where it was a macro's argument or body."""
    lower_block(h, block)
    if block.value is not None and not h.b.terminated:
        _value(h, block.value)


def _value(h: Handler, expression: tree.Expression) -> None:
    """An expression whose value nobody wants."""
    if isinstance(expression, tree.If):
        _if(h, expression)
    elif isinstance(expression, tree.IncDec):
        increment(h, expression, used=False)
    elif isinstance(expression, tree.Block):
        _branch(h, expression)
    elif isinstance(expression, tree.Call) and not _own(h, expression):
        h.script.function(expression.name).lower(expression, h)
    elif isinstance(expression, tree.MapAccess):
        h.lower(expression.key)  # Only that may do something.
    elif not isinstance(expression, tree.Map):
        h.lower(expression)


def _own(h: Handler, node: tree.Call) -> bool:
    return node.name in h.script.checker.subprograms


def _if(h: Handler, node: tree.If) -> None:
    if node.decided is not None:
        chosen = node.then if node.decided else node.otherwise
        if chosen is not None:
            _value(h, chosen)
        return
    condition = h.truth(h.lower(node.condition))
    otherwise = node.otherwise
    if otherwise is None:
        h.when(condition, lambda: _branch(h, node.then))
    elif isinstance(otherwise, tree.If):
        chained = otherwise
        h.choose(condition, lambda: _branch(h, node.then), lambda: _if(h, chained))
    else:
        block = otherwise
        h.choose(condition, lambda: _branch(h, node.then), lambda: _branch(h, block))


def _discard(h: Handler, node: tree.Discard) -> None:
    h.lower(node.value)


def _return(h: Handler, node: tree.Return) -> None:
    nothing = h.const(h.context.return_value)
    value = h.lower_integer(node.value) if node.value is not None else nothing
    h.leave(value)


def _break(h: Handler, node: tree.Break) -> None:
    h.frame.break_to[-1]()


def _continue(h: Handler, node: tree.Continue) -> None:
    h.frame.continue_to[-1]()


_LOWER: dict[type[tree.Statement], Callable[[Handler, Any], None]] = {
    tree.ExpressionStatement: _expression,
    tree.AssignScratch: assign_scratch,
    tree.AssignMap: assign_map,
    tree.Declaration: declaration,
    tree.Discard: _discard,
    tree.While: lower_while,
    tree.Unroll: lower_unroll,
    tree.For: lower_for,
    tree.Break: _break,
    tree.Continue: _continue,
    tree.Return: _return,
}
