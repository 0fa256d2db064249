"""What compiles and can hardly be meant: conditions that never change, and numbers cut to 32 bits.

Asked when all types are settled; bpftrace says nothing of these.
"""

from __future__ import annotations

import re

from prybee.language import tree
from prybee.language.types import IntType, PointerType, StringType, Type

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from prybee.diagnostics import Source

# `a < b` as seen from b.
_MIRRORED = {"<": ">", ">": "<", "<=": ">=", ">=": "<=", "==": "==", "!=": "!="}
_CONVERSION = re.compile(r"%(?:%|[-+ #0]*[\d*]*(?:\.\d+)?(hh|h|ll|l|j|z|t|L)?([a-zA-Z]))")
_FORMATTED = frozenset(("printf", "errorf", "warnf", "system", "cat", "debugf"))
# Functions whose value seldom fits 32 bits.
_WIDE = frozenset(("nsecs", "elapsed", "kaddr", "uaddr"))

# (where, what, what to do; perhaps nothing)
Finding = tuple[tree.Node, str, str]


def unlikely(root: tree.Node, source: Source) -> Iterator[Finding]:
    """(node, message, hint) for what below ``root`` can hardly be meant.

    What macros have put there is left out: of their arguments they know little.
    """
    size = len(source.text)
    for node in tree.walk(root):
        if node.start > size:
            continue
        if isinstance(node, tree.Binary) and node.op in _MIRRORED:
            yield from _comparison(node, source.text)
        elif isinstance(node, tree.Call) and node.name in _FORMATTED:
            yield from _format(node)


def _comparison(node: tree.Binary, text: str) -> Iterator[Finding]:
    for value, literal, op in (
        (node.left, node.right, node.op),
        (node.right, node.left, _MIRRORED[node.op]),
    ):
        shown = text[value.start : value.end]
        if isinstance(literal, tree.Integer) and not isinstance(value, tree.Integer):
            constant = _constant(value.type, op, literal.value)
            if constant is not None:
                unsigned = isinstance(value.type, IntType) and not value.type.signed
                below = unsigned and literal.value <= 0
                hint = f"(int64){shown} has a sign" if below and value.type.size == 8 else ""
                if below and value.type.size < 8:
                    hint = f"(int{value.type.size * 8}){shown} has a sign"
                yield node, _message(constant, f"{shown} is of type {value.type}"), hint
        elif isinstance(literal, tree.String) and isinstance(value.type, StringType):
            room = value.type.capacity - (not value.type._whole)
            data = literal.value.encode("utf-8", "surrogateescape")
            if len(data) > room and not isinstance(value, tree.String):
                start = data[:room].decode("utf-8", "ignore")
                reason = f"{shown} has at most {room} byte{'s' * (room != 1)}"
                hint = f'compare with what fits: "{start}"'
                yield node, _message(op == "!=", reason), hint


def _message(constant: bool, reason: str) -> str:
    return f"This is {'always' if constant else 'never'} true: {reason}."


def _constant(type_: Type, op: str, value: int) -> bool | None:
    """What ``x op value`` is for all x of a type; None where it depends on x."""
    if not isinstance(type_, IntType):
        return None
    bits = type_.width * 8
    if not type_.signed and bits == 64 and value < 0:
        return None  # Compared as signed numbers, with a warning of its own.
    lowest = -(1 << (bits - 1)) if type_.signed else 0
    highest = (1 << (bits - type_.signed)) - 1
    if op in ("==", "!="):
        return None if lowest <= value <= highest else op == "!="
    below = {"<": value <= lowest, "<=": value < lowest, ">": value < lowest, ">=": value <= lowest}
    above = {
        "<": value > highest,
        "<=": value >= highest,
        ">": value >= highest,
        ">=": value > highest,
    }
    if below[op]:
        return op in (">", ">=")
    if above[op]:
        return op in ("<", "<=")
    return None


def _format(node: tree.Call) -> Iterator[Finding]:
    """``printf("%d", nsecs)``."""
    if not node.args or not isinstance(node.args[0], tree.String):
        return
    conversions = [m for m in _CONVERSION.finditer(node.args[0].value) if m[2]]
    for match, argument in zip(conversions, node.args[1:], strict=False):
        length, letter = match[1] or "", match[2]
        if letter not in "diuoxX" or length in ("l", "ll", "j", "z", "t", "L"):
            continue
        name = argument.name.removeprefix("__builtin_") if isinstance(argument, tree.Call) else ""
        pointer = isinstance(argument, tree.Expression) and isinstance(argument.type, PointerType)
        if name in _WIDE or pointer:
            what = name if name in _WIDE else "a pointer"
            better = "%p" if pointer and letter in "xX" else f"%ll{letter}"
            yield (
                argument,
                f"%{length}{letter} prints 32 bits, and {what} has 64.",
                f"{better} prints them all",
            )
