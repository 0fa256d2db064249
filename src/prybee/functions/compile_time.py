"""Questions that compiling answers, and assertions."""

from __future__ import annotations

from prybee.functions.arguments import (
    aliased,
    argument_type,
    expression,
    is_address,
    known,
    text_of,
)
from prybee.language import tree
from prybee.language.checker import offset_in
from prybee.language.lower.operands import Scalar
from prybee.language.registry import Function
from prybee.language.types import (
    BOOL,
    NONE,
    ArrayType,
    IntType,
    PointerType,
    StringType,
    Type,
    is_integer,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from prybee.btf import Btf
    from prybee.language.checker import Checker
    from prybee.language.lower.handler import Handler
    from prybee.language.lower.operands import Operand

# Pointers above this are error codes: MAX_ERRNO, include/linux/err.h.
_FIRST_ERROR = (1 << 64) - 4095

_LITERALS = (tree.Integer, tree.String, tree.Boolean)


class Kind(Function):
    """``is_str()``, ``is_ptr()`` …: what an expression is."""

    arguments = (1, 1)

    def __init__(self, name: str, summary: str, holds: Callable[[tree.Expression], bool]) -> None:
        self.name = name
        self.signature = f"{name}(expression)"
        self.summary = summary
        self.holds = holds

    def check(self, call: tree.Call, checker: Checker) -> Type:
        return BOOL

    def lower(self, call: tree.Call, handler: Handler) -> Operand:
        return Scalar(handler.const(int(self.holds(expression(call, 0)))), BOOL)


class IsError(Function):
    """``is_err()``: whether a pointer is an error code."""

    name = "is_err"
    signature = "is_err(pointer)"
    summary = "whether a pointer that the kernel returned is an error code"
    arguments = (1, 1)

    def check(self, call: tree.Call, checker: Checker) -> Type:
        type_ = argument_type(call, 0)
        if known(type_) and not is_address(type_):
            checker.error(call, f'Cannot cast from "{type_}" to "int64"')
        return BOOL

    def lower(self, call: tree.Call, handler: Handler) -> Operand:
        value = handler.lower_integer(expression(call, 0))
        return Scalar(handler.b.icmp("uge", value, _FIRST_ERROR), BOOL)


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

    def lower(self, call: tree.Call, handler: Handler) -> Operand:
        holds = self.answer(call, handler.script.target.btf)
        return Scalar(handler.const(int(holds)), BOOL)


class Assert(Function):
    """``assert()``: a condition that ends the script, with a message, when it does not hold."""

    name = "assert"
    signature = "assert(condition, message)"
    summary = "end with a message unless a condition holds"
    arguments = (2, 2)
    statement = True

    def check(self, call: tree.Call, checker: Checker) -> Type:
        type_ = argument_type(call, 0)
        if known(type_) and not (is_integer(type_) or isinstance(type_, PointerType)):
            checker.error(call, f"Invalid condition: {type_}")
        for action in self._actions(call):
            checker.expression(action)
        return NONE

    @staticmethod
    def _actions(call: tree.Call) -> list[tree.Call]:
        def place(name: str, args: list[tree.Expression | tree.TypeExpression]) -> tree.Call:
            return tree.Call(name, args, call.start, call.start, call.end)

        message = expression(call, 1)
        text = tree.String("assert failed: %s", call.start, call.end)
        status = tree.Integer(1, "", call.start, call.end)
        return [place("errorf", [text, message]), place("exit", [status])]

    def lower(self, call: tree.Call, handler: Handler) -> Operand | None:
        actions = self._actions(call)
        for action in actions:
            handler.script.checker.expression(action)
        holds = handler.truth(handler.lower(expression(call, 0)))

        def fail() -> None:
            for action in actions:
                handler.script.function(action.name).lower(action, handler)

        handler.when(handler.b.not_(holds), fail, likely=False)
        return None


class StaticAssert(Function):
    """``static_assert()``: the same when compiling."""

    name = "static_assert"
    signature = "static_assert(condition, message)"
    summary = "do not compile unless a condition holds"
    arguments = (2, 2)
    statement = True

    def check(self, call: tree.Call, checker: Checker) -> Type:
        message = expression(call, 1)
        value = constant(expression(call, 0), checker)
        if value is None:
            checker.error(call, "Unable to resolve comptime expression")
        elif not value:
            checker.error(
                call, message.value if isinstance(message, tree.String) else "assertion failed"
            )
        return NONE

    def lower(self, call: tree.Call, handler: Handler) -> Operand | None:
        return None


def constant(node: tree.Expression, checker: Checker) -> int | None:
    """The value of an expression that is known when compiling, or None."""
    if isinstance(node, tree.Integer | tree.Boolean):
        return int(node.value)
    if isinstance(node, tree.Comptime):
        return constant(node.operand, checker)
    if isinstance(node, tree.Sizeof):
        return node.subject.type.size
    if isinstance(node, tree.Offsetof):
        return offset_in(checker, node, node.subject.type)
    if isinstance(node, tree.Unary) and node.op in ("!", "-"):
        value = constant(node.operand, checker)
        return None if value is None else int(not value) if node.op == "!" else -value
    if isinstance(node, tree.Binary):
        return _binary(node, checker)
    if isinstance(node, tree.Call):
        function = checker.registry.functions.get(node.name)
        if isinstance(function, Kind):
            return int(function.holds(expression(node, 0)))
        if isinstance(function, KernelFunction):
            return int(function.answer(node, checker.target.btf))
    return None


_OPERATORS: dict[str, Callable[[int, int], int]] = {
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "&": lambda a, b: a & b,
    "|": lambda a, b: a | b,
    "&&": lambda a, b: bool(a and b),
    "||": lambda a, b: bool(a or b),
}


def _binary(node: tree.Binary, checker: Checker) -> int | None:
    operator = _OPERATORS.get(node.op)
    a, b = constant(node.left, checker), constant(node.right, checker)
    return None if operator is None or a is None or b is None else int(operator(a, b))


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
    IsError(),
    KernelFunction("kfunc_exist", "whether the kernel has a function", callable_=False),
    KernelFunction("kfunc_allowed", "whether programs may call it", callable_=True),
    Assert(),
    StaticAssert(),
)
