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
    NONE,
    ArrayType,
    IntType,
    NoneType,
    PointerType,
    StringType,
    StructType,
    TupleType,
    Type,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from prybee.btf import Btf
    from prybee.language.checker import Checker
    from prybee.language.lower.handler import Handler
    from prybee.language.lower.operands import Operand
    from prybee.plan.target import Target

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


class Question(Function):
    """What asks of the kernel: ``constant`` is the answer, None where the question is no good."""

    asks = True

    def lower(self, call: tree.Call, handler: Handler) -> Operand:
        return Scalar(handler.const(int(bool(self.constant(call, handler.script.checker)))), BOOL)


class KernelFunction(Question):
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


class FieldExists(Question):
    """``field_exists()``: kernels rename what structs have."""

    name = "field_exists"
    signature = "field_exists(type, member)"
    summary = "whether a struct, or the args of a probe, has a member"
    arguments = (2, 2)
    raw_arguments = True
    names_from = 1

    def check(self, call: tree.Call, checker: Checker) -> Type:
        if path_of(call.args[1]) is None:
            checker.error(
                call.args[1],
                "field_exists() expects the name of a member",
                "write it as in field_exists(struct task_struct, __state); with dots, of members",
            )
        subject = self._subject(call.args[0], checker)
        if isinstance(subject, tree.Expression):
            checker.expression(subject)
        elif checker.types.exists(subject, checker):
            checker.type_expression(subject)
        else:
            subject.type = NONE
        call.args[0] = subject
        return BOOL

    @staticmethod
    def _subject(
        node: tree.Expression | tree.TypeExpression, checker: Checker
    ) -> tree.Expression | tree.TypeExpression:
        """A type by its name alone, or in a string, is written as a type."""
        if isinstance(node, tree.String):
            tag, _blank, name = node.value.strip().rpartition(" ")
            return tree.TypeName(name, tag.strip(), node.start, node.end)
        if isinstance(node, tree.Identifier):
            return tree.TypeName(node.name, "", node.start, node.end)
        return node

    def constant(self, call: tree.Call, checker: Checker) -> bool | None:
        path = path_of(call.args[1])
        subject = call.args[0]
        if path is None or (isinstance(subject, tree.Expression) and subject.type is NONE):
            return None
        type_ = subject.type
        for name in path:
            if isinstance(type_, PointerType):
                type_ = type_.target
            if isinstance(type_, TupleType) and name in type_.names:
                type_ = type_.elements[type_.names.index(name)]
            elif isinstance(type_, StructType) and name in type_.members:
                type_ = type_.members[name].type
            else:
                return False
        return True


class FunctionExists(Question):
    """``func_exists()``: kernels rename functions, too, and inline them."""

    name = "func_exists"
    signature = "func_exists(name)"
    summary = 'whether the kernel has a function ("module:name": one of a module)'
    arguments = (1, 1)
    raw_arguments = True
    names_from = 0

    def check(self, call: tree.Call, checker: Checker) -> Type:
        path = path_of(call.args[0])
        if path is None or len(path) > 1:
            checker.error(
                call,
                "func_exists() expects the name of a function",
                'write it as in func_exists(vfs_read), or func_exists("module:name")',
            )
        return BOOL

    def constant(self, call: tree.Call, checker: Checker) -> bool | None:
        path = path_of(call.args[0])
        return None if path is None else has_function(checker.target, path[0])


def path_of(node: tree.Expression | tree.TypeExpression) -> list[str] | None:
    """The names in ``a``, ``a.b.c`` or ``"a.b.c"``; None for anything else."""
    if isinstance(node, tree.String):
        names = node.value.split(".")
        return names if all(names) else None
    names = []
    while isinstance(node, tree.FieldAccess):
        names.insert(0, node.field)
        node = node.subject
    return [node.name, *names] if isinstance(node, tree.Identifier | tree.Builtin) else None


def has_function(target: Target, name: str) -> bool:
    """Whether the kernel has a function: ``NAME``, or ``MODULE:NAME`` for one of a module.

    The kernel's types tell of most; its symbols, or the list of those that can be probed, of all.
    """
    module, _colon, function = name.rpartition(":")
    btf = target.module_btf(module) if module not in ("", "vmlinux") else target.btf
    if btf is not None and btf.function(function):
        return True
    if not module and target.kernel_address(function) is not None:
        return True
    if not module and target.kernel_address("_stext") is not None:
        return False  # The symbols are known, and it is none of them.
    listed = target.kernel_functions() or ()
    return any(each == function and module in ("", of) for of, each in listed)


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
    FieldExists(),
    FunctionExists(),
)
