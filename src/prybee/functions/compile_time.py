"""Questions that compiling answers."""

from __future__ import annotations

from prybee.functions.arguments import (
    aliased,
    expression,
    text_of,
)
from prybee.language import tree
from prybee.language.lower.operands import Scalar
from prybee.language.registry import Function
from prybee.language.types import (
    BOOL,
    ArrayType,
    IntType,
    NoneType,
    PointerType,
    StringType,
    Type,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from prybee.btf import Btf
    from prybee.language.checker import Checker
    from prybee.language.lower.handler import Handler
    from prybee.language.lower.operands import Operand

_LITERALS = (tree.Integer, tree.String, tree.Boolean)


class Kind(Function):
    """``is_str()``, ``is_ptr()`` …: what an expression is."""

    arguments = (1, 1)
    raw_arguments = True

    def __init__(
        self,
        name: str,
        summary: str,
        holds: Callable[[tree.Expression | tree.TypeExpression], bool],
    ) -> None:
        self.name = name
        self.signature = f"{name}(expression)"
        self.summary = summary
        self.holds = holds

    def check(self, call: tree.Call, checker: Checker) -> Type:
        argument = call.args[0]
        if isinstance(argument, tree.TypeExpression):
            checker.type_expression(argument)
        else:
            checker.expression(argument)
        return BOOL

    def constant(self, call: tree.Call, checker: Checker) -> bool | None:
        argument = call.args[0]
        return None if isinstance(argument.type, NoneType) else self.holds(argument)

    def lower(self, call: tree.Call, handler: Handler) -> Operand:
        return Scalar(handler.const(int(self.holds(call.args[0]))), BOOL)


class KernelFunction(Function):
    """``kfunc_exist()`` and ``kfunc_allowed()``."""

    arguments = (1, 1)

    def __init__(self, name: str, summary: str, callable_: bool) -> None:
        self.name = name
        self.signature = f"{name}(name)"
        self.summary = summary
        self.callable = callable_

    def check(self, call: tree.Call, checker: Checker) -> Type:
        if not isinstance(expression(call, 0), tree.String):
            checker.error(call, f"{self.name}() accepts a string literal only")
        return BOOL

    def answer(self, call: tree.Call, btf: Btf | None) -> bool:
        """Whether the function is there (and open to BPF programs)."""
        if btf is None:
            return False
        name = text_of(call, 0)
        found = btf.function(name)
        if self.callable:
            # pahole marks them since 1.26, for kernels since 6.9.
            return any(tag.value == "bpf_kfunc" for tag in btf.tags(found)) if found else False
        return bool(found)

    def constant(self, call: tree.Call, checker: Checker) -> bool | None:
        if not isinstance(call.args[0], tree.String):
            return None
        return self.answer(call, checker.target.btf)

    def lower(self, call: tree.Call, handler: Handler) -> Operand:
        holds = self.answer(call, handler.script.target.btf)
        return Scalar(handler.const(int(holds)), BOOL)


FUNCTIONS = aliased(
    Kind("is_str", "whether it is a string", lambda e: isinstance(e.type, StringType)),
    Kind("is_ptr", "whether it is a pointer", lambda e: isinstance(e.type, PointerType)),
    Kind("is_array", "whether it is an array", lambda e: isinstance(e.type, ArrayType)),
    Kind("is_integer", "whether it is an integer", lambda e: isinstance(e.type, IntType)),
    Kind(
        "is_unsigned_integer",
        "whether it is an unsigned integer",
        lambda e: isinstance(e.type, IntType) and not e.type.signed,
    ),
    Kind("is_literal", "whether it is a literal", lambda e: isinstance(e, _LITERALS)),
    KernelFunction("kfunc_exist", "whether the kernel has a function", callable_=False),
    KernelFunction("kfunc_allowed", "whether programs may call it", callable_=True),
)
