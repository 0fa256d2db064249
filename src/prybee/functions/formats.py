"""Checking a printf format against its arguments, and sending them as a record."""

from __future__ import annotations

from prybee.functions.arguments import argument_type, expression, literal_text, text_of
from prybee.language.types import (
    AggregationType,
    BoolType,
    BufferType,
    EnumType,
    FloatType,
    IntType,
    NoneType,
    PointerType,
    Type,
)
from prybee.plan.formats import BUFFER, FLAGS, INTEGER, Conversion, conversions

TYPE_CHECKING = False
if TYPE_CHECKING:
    from prybee.language import tree
    from prybee.language.checker import Checker
    from prybee.language.lower.handler import Handler

# bpftrace's limit: the arguments behind the format.
MOST_ARGUMENTS = 127


def check_format(call: tree.Call, checker: Checker) -> None:
    """Check argument 0, the format, and that the others fit it."""
    text = literal_text(call, 0, checker)
    if text is None:
        return
    wanted = conversions(text)
    given = len(call.args) - 1
    refused = next((c for c in wanted if not c.supported), None)
    if refused is not None:
        checker.error(call, f"unsupported format specifier: {refused.kind}")
    elif given > MOST_ARGUMENTS:
        checker.error(call, f"cannot use more than {MOST_ARGUMENTS} conversion specifiers")
    elif given != len(wanted):
        word = "not enough" if given < len(wanted) else "too many"
        checker.error(
            call,
            f"{word} arguments for format string ({given} supplied, {len(wanted)} expected)",
        )
    else:
        for index, conversion in enumerate(wanted, 1):
            _check_argument(call, index, conversion, checker)


def _check_argument(call: tree.Call, index: int, wanted: Conversion, checker: Checker) -> None:
    type_ = argument_type(call, index)
    if isinstance(type_, NoneType | FloatType) or type_.size == 0:
        if not checker.errors:
            checker.error(call, f"unable to print none type for specifier: {wanted.kind}")
        return
    if isinstance(type_, AggregationType):
        checker.error(
            call,
            f"unsupported format specifier for type '{type_}': {wanted.kind}",
            "print the whole map with print()",
        )
    elif not _fits(wanted.kind, type_):
        checker.error(call, f"unsupported format specifier for type '{type_}': {wanted.kind}")


def _fits(kind: str, type_: Type) -> bool:
    if kind in INTEGER:
        return isinstance(type_, IntType | BoolType | EnumType | PointerType)
    if kind in FLAGS:
        return isinstance(type_, IntType | EnumType)
    if kind in BUFFER:
        return isinstance(type_, BufferType)
    return True


def send_formatted(action: str, call: tree.Call, h: Handler) -> None:
    """Send the arguments behind the format as a record of ``action``."""
    arguments = [expression(call, index) for index in range(1, len(call.args))]
    h.record(action, [(node, node.type) for node in arguments], (text_of(call, 0),), call)
