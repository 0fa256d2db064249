"""Functions of the script (``fn``): BPF functions of their own, beside the handler that calls them.

Each takes the probe's context as a hidden first argument, so that all builtins work inside.

An exit() in a function ends the handler that called it: it counts in a word of the global data,
and who called the function looks whether that has changed.
"""

from __future__ import annotations

from prybee.compiler.builder import Builder
from prybee.compiler.ir import CTX, I64, Ptr
from prybee.language import tree
from prybee.language.lower import loops, variables
from prybee.language.lower.handler import Frame
from prybee.language.lower.operands import Scalar
from prybee.language.types import INT64, VoidType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from prybee.compiler.ir import Function
    from prybee.language.lower.handler import Handler
    from prybee.language.lower.operands import Operand


def call(h: Handler, node: tree.Call, subprogram: tree.Subprogram) -> Operand:
    """A call; the function is built where it is called for the first time."""
    values = []
    for argument, parameter in zip(node.args, subprogram.parameters, strict=True):
        type_ = parameter.annotation.type
        values.append(h.plain(h.convert(h.lower(argument), type_)))  # type: ignore[arg-type]
    function = h.own_functions.get(subprogram.name) or _build(h, subprogram)
    h.at(node)
    word = h.script.exits if may_exit(h, subprogram.body) else None
    before = h.b.load(I64, h.global_pointer(word), 0) if word is not None else None
    result = h.b.call_function(function, [loops.context(h), *values])
    if word is not None and before is not None:
        after = h.b.load(I64, h.global_pointer(word), 0)
        h.when(
            h.b.icmp("ne", after, before),
            lambda: h.leave(h.const(h.context.return_value)),
            likely=False,
        )
    type_ = subprogram.returns.type
    return Scalar(result, INT64 if isinstance(type_, VoidType) else type_)


def may_exit(h: Handler, body: tree.Block) -> bool:
    """Whether exit() may run in a body, or in the script's functions that it calls."""
    found: set[str] = set()
    todo = [body]
    while todo:
        for node in tree.walk(todo.pop()):
            if not isinstance(node, tree.Call):
                continue
            if node.name == "exit":
                return True
            called = h.script.checker.subprograms.get(node.name)
            if called is not None and node.name not in found:
                found.add(node.name)
                todo.append(called.body)
    return False


def _build(h: Handler, subprogram: tree.Subprogram) -> Function:
    count = len(subprogram.parameters)
    name = f"{h.module.name}_{subprogram.name}"
    function = h.module.function(name, [Ptr(CTX), *[I64] * count], I64)
    h.own_functions[subprogram.name] = function
    outer = h.frame, h.b, h.environment, h.trusted_variables
    h.frame = Frame(Builder(function), function.params[0], 0)
    h.b = h.frame.builder
    h.environment, h.trusted_variables = None, {}
    h.at(subprogram)
    loops.prepare(h, subprogram.body)
    returns = subprogram.returns.type
    if not isinstance(returns, VoidType):
        builder = h.b
        # Inside of loops' bodies the loop says how to leave.
        h.frame.leave = lambda value: builder.ret(h.convert(Scalar(value, INT64), returns))
    for parameter, value in zip(subprogram.parameters, function.params[1:], strict=True):
        symbol = parameter.variable.variable
        assert symbol is not None
        variables.write(h, symbol, Scalar(value, symbol.type or INT64))
    h.lower_block(subprogram.body)
    if not h.b.terminated:
        h.b.ret(0)
    h.frame, h.b, h.environment, h.trusted_variables = outer
    return function
