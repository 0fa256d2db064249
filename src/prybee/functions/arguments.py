"""What functions demand of their arguments, in the words that bpftrace has for it."""

from __future__ import annotations

from prybee.language import tree
from prybee.language.types import (
    ArrayType,
    BoolType,
    BufferType,
    EnumType,
    IntType,
    NoneType,
    PointerType,
    StackType,
    StringType,
    StructType,
    TupleType,
    Type,
    is_integer,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from prybee.language.checker import Checker
    from prybee.language.registry import Function

# Every one of these prints as its word in a complaint.
_KINDS: tuple[tuple[type[Type], str], ...] = (
    (IntType, "int"),
    (BoolType, "bool"),
    (EnumType, "enum"),
    (StringType, "string"),
    (PointerType, "pointer"),
    (ArrayType, "array"),
    (StructType, "record"),
    (BufferType, "buffer"),
    (NoneType, "none"),
)

BUILTIN = "__builtin_"


def aliased(*functions: Function) -> tuple[Function, ...]:
    """``functions``, and each once more under the name that upstream's own library calls it by."""
    return functions + tuple(_renamed(function) for function in functions)


def _renamed(function: Function) -> Function:
    twin = object.__new__(type(function))
    twin.__dict__.update(function.__dict__)
    twin.name = BUILTIN + function.name
    return twin


def kind(type_: Type) -> str:
    """One word for a type, as messages have it: ``int``, ``string``, ``kstack``."""
    if isinstance(type_, TupleType):
        return "record" if type_.names else "tuple"
    if isinstance(type_, StackType):
        return "pystack" if type_.mode == "python" else "ustack" if type_.user else "kstack"
    for base, word in _KINDS:
        if isinstance(type_, base):
            return word
    return str(type_)


def expression(call: tree.Call, index: int) -> tree.Expression:
    """Argument ``index``, which the checker has seen to be an expression."""
    argument = call.args[index]
    assert isinstance(argument, tree.Expression), f"{call.name}: argument {index} is a type"
    return argument


def argument_type(call: tree.Call, index: int) -> Type:
    """The type of argument ``index``; none where it is not known (yet)."""
    return expression(call, index).type


def known(type_: Type) -> bool:
    """Whether a type is settled; until then nothing can be said against an argument."""
    return not isinstance(type_, NoneType)


def want_integer(call: tree.Call, index: int, checker: Checker) -> None:
    """Complain unless argument ``index``, where there is one, is an integer."""
    if index < len(call.args):
        type_ = argument_type(call, index)
        if known(type_) and not is_integer(type_):
            checker.error(
                call, f"{call.name}() only supports int arguments ({kind(type_)} provided)"
            )


def want_string(call: tree.Call, index: int, checker: Checker) -> None:
    """Complain unless argument ``index``, where there is one, is a string."""
    if index < len(call.args):
        type_ = argument_type(call, index)
        if known(type_) and not isinstance(type_, StringType):
            checker.error(
                call, f"{call.name}() only supports string arguments ({kind(type_)} provided)"
            )


def want_address(call: tree.Call, index: int, checker: Checker) -> None:
    """Complain unless argument ``index`` is an integer or a pointer."""
    type_ = argument_type(call, index)
    if known(type_) and not is_address(type_):
        checker.error(call, f"{call.name}() expects an integer or pointer argument")


def is_address(type_: Type) -> bool:
    """Whether a value is a number that memory can be found by."""
    return isinstance(type_, PointerType | IntType | EnumType)


def literal_text(call: tree.Call, index: int, checker: Checker) -> str | None:
    """The text of argument ``index``, which must be a string literal; None after a complaint."""
    argument = expression(call, index)
    if isinstance(argument, tree.String):
        return argument.value
    if known(argument.type):
        checker.error(
            call, f"{call.name}() expects a string literal ({kind(argument.type)} provided)"
        )
    return None


def literal_number(call: tree.Call, index: int) -> int | None:
    """The value of argument ``index`` where that is an integer literal."""
    argument = call.args[index] if index < len(call.args) else None
    return argument.value if isinstance(argument, tree.Integer) else None


def text_of(call: tree.Call, index: int) -> str:
    """The text of a literal that :func:`literal_text` has accepted."""
    argument = call.args[index]
    assert isinstance(argument, tree.String), f"{call.name}: argument {index} is no literal"
    return argument.value
