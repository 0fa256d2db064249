"""Contexts of functions of the kernel that are reached by kprobes, and whose types are known.

Registers hold the arguments at the function's start, and the result at its end; the kernel's types
say what they are called and mean.
"""

from __future__ import annotations

from prybee.compiler.ir import I64
from prybee.language.lower.operands import Place
from prybee.language.registry import ProbeSyntaxError
from prybee.language.types import (
    BPF,
    CONTEXT,
    KERNEL,
    Member,
    PointerType,
    StructType,
    Type,
    is_scalar,
)
from prybee.probes.kprobe_context import KprobeContext, KretprobeContext
from prybee.probes.registered import context_pointer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from prybee.btf import Btf
    from prybee.language.checker import Checker
    from prybee.language.lower.handler import Handler
    from prybee.language.lower.operands import Operand

_WORD = 8


class TypedEntryContext(KprobeContext):
    """``args`` are the function's own, each from its register.

    Args:
        name: full name of the attach point.
        module: the function's module.
        function: its name.
        btf: the types of the module.
    """

    def __init__(
        self, name: str, provider: str, arch: str, module: str, function: str, btf: Btf
    ) -> None:
        super().__init__(name, provider, arch)
        self._record = f"{provider}:{module}:{function}_args"
        self._function = function
        self._btf = btf
        self._args: StructType | None = None

    def argument_type(self, index: int, checker: Checker) -> Type | None:
        return None  # As where trampolines call it.

    def args_type(self, checker: Checker) -> Type | None:
        known = self.registers
        if known is None:
            return None
        if self._args is None:
            parameters = self._btf.parameters(self._btf.function(self._function))
            if len(parameters) > len(known.arguments):
                raise ProbeSyntaxError(
                    f"{self._function}() has {len(parameters)} arguments: without trampolines only "
                    f"those in registers can be read, the first {len(known.arguments)}",
                    f"use kprobe:{self._function}, with arguments by position",
                )
            members = []
            for index, parameter in enumerate(parameters):
                type_ = value_type(self._btf, parameter.type, checker)
                if not is_scalar(type_):
                    raise ProbeSyntaxError(
                        f"{self._function}() takes '{parameter.name}' by value "
                        f"({self._btf.type_name(parameter.type)}), which cannot be read without "
                        "trampolines",
                        f"use kprobe:{self._function}, with the registers by reg()",
                    )
                members.append(Member(parameter.name, index * _WORD, type_))
            size = len(members) * _WORD
            self._args = StructType.lazy("struct", self._record, size, lambda: tuple(members))
        return self._args

    def _arguments(self, handler: Handler) -> StructType:
        record = self.args_type(handler.script.checker)
        assert isinstance(record, StructType)
        return record

    def lower_args_member(self, name: str, type_: Type, handler: Handler) -> Operand | None:
        known = self.registers
        assert known is not None
        index = list(self._arguments(handler).members).index(name)
        return in_register(self, known.arguments[index], type_, handler)

    def lower_args(self, handler: Handler) -> Operand:
        known = self.registers
        assert known is not None
        record = self._arguments(handler)
        buffer = handler.slot(record)
        for index in range(len(record.members)):
            value = self.read(handler, known.arguments[index])
            handler.b.store(buffer, index * _WORD, value, I64)
        return Place(buffer, 0, record, BPF)


class TypedReturnContext(KretprobeContext):
    """``retval`` has the function's type. Arguments are gone."""

    def __init__(
        self, name: str, provider: str, arch: str, module: str, function: str, btf: Btf
    ) -> None:
        super().__init__(name, provider, arch)
        self._function = function
        self._btf = btf
        self._result = btf.returns(btf.function(function))

    def args_type(self, checker: Checker) -> Type | None:
        raise ProbeSyntaxError(
            "without trampolines a function's arguments are gone when it returns",
            f"keep them at its start: fentry:{self._function} {{ @kept[tid] = args.… }}",
        )

    def retval_type(self, checker: Checker) -> Type | None:
        if self.registers is None or not self._btf.strip(self._result):
            return None
        type_ = value_type(self._btf, self._result, checker)
        if not is_scalar(type_):
            raise ProbeSyntaxError(
                f"{self._function}() returns {self._btf.type_name(self._result)} by value, which "
                "cannot be read without trampolines"
            )
        return type_

    def lower_retval(self, handler: Handler) -> Operand:
        known = self.registers
        type_ = self.retval_type(handler.script.checker)
        assert known is not None
        assert type_ is not None
        return in_register(self, known.return_value, type_, handler)


def value_type(btf: Btf, type_id: int, checker: Checker) -> Type:
    """The type of a value in a register; what it points to is read by helpers."""
    type_ = checker.types.of(btf).from_btf(type_id)
    return PointerType(type_.target, KERNEL) if isinstance(type_, PointerType) else type_


def in_register(
    context: KprobeContext | KretprobeContext, register: str, type_: Type, handler: Handler
) -> Operand:
    """The value in a register: its lowest bytes, as many as the type has."""
    offset = context.register(register)
    assert offset is not None
    return handler.load(Place(context_pointer(handler), offset, type_, CONTEXT))
