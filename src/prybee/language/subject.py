"""What stands before a ``.`` or ``->`` in a script that is not finished, and what fields it has.

The checker itself is asked: the statement that is being written is replaced by one that it takes,
``$x = sizeof(subject)``, with closing braces behind it.
"""

from __future__ import annotations

import re

from prybee.diagnostics import Source
from prybee.language import outline, tree
from prybee.language.types import PointerType, StructType, TupleType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from prybee.language.outline import Item
    from prybee.language.types import Type

    # Compiles a text up to its types; None where it is wrong.
    Typer = Callable[[Source], "tree.Program | None"]

_VARIABLE = "$__subject"
_DOT = re.compile(r"(?:\.|->)\s*\w*$")
_PAIRS = {")": "(", "]": "["}


def subject_at(masked: str, offset: int) -> tuple[int, int] | None:
    """The expression before the ``.`` or ``->`` that ``offset`` is behind of: (start, end)."""
    match = _DOT.search(masked, max(offset - 200, 0), offset)
    if match is None:
        return None
    end = match.start()
    start = _start(masked, end)
    return (start, end) if start < end else None


def _start(masked: str, at: int) -> int:
    """Where the postfix expression that ends at ``at`` begins."""
    while True:
        begin = _primary(masked, at)
        if begin == at:
            return at
        before = masked[:begin].rstrip() if begin < 400 else masked[begin - 400 : begin].rstrip()
        shift = begin - (begin if begin < 400 else 400)
        if before.endswith("->"):
            at = shift + len(before) - 2
        elif before.endswith(".") and not before.endswith(".."):
            at = shift + len(before) - 1
        else:
            return begin


def _primary(masked: str, at: int) -> int:
    """Where the name, index or parenthesis that ends at ``at`` begins, with what it belongs to."""
    end = at
    while end > 0 and masked[end - 1].isspace():
        end -= 1
    if end and masked[end - 1] in _PAIRS:
        close = masked[end - 1]
        depth = 0
        for begin in range(end - 1, -1, -1):
            if masked[begin] == close:
                depth += 1
            elif masked[begin] == _PAIRS[close]:
                depth -= 1
                if not depth:
                    inner = _primary(masked, begin)
                    # What is called or indexed comes along.
                    return begin if inner == begin and close == ")" else inner
        return at
    begin = end
    while begin > 0 and (masked[begin - 1].isalnum() or masked[begin - 1] == "_"):
        begin -= 1
    if begin and masked[begin - 1] in "$@":
        begin -= 1
    return begin if begin < end else at


def fields(text: str, offset: int, typed: Typer) -> list[tuple[str, str]]:
    """Names and types of the fields that may come at ``offset``.

    Args:
        text: the script.
        offset: a place behind ``.`` or ``->`` and perhaps the beginning of a name.
        typed: the checker.
    """
    masked = outline.mask(text)
    place = subject_at(masked, offset)
    item = outline.item_at(outline.items(text, masked), offset)
    if place is None or item is None:
        return []
    subject = text[slice(*place)]
    for candidate in _repaired(text, masked, item, place[0], subject):
        found = _type(typed(Source("x", candidate)))
        if found is not None:
            return _members(found)
    return []


def _repaired(text: str, masked: str, item: Item, at: int, subject: str) -> list[str]:
    """Scripts that can be compiled, with the subject in place of what is being written."""
    statement = f"{_VARIABLE} = sizeof({subject});"
    rest = text[item.end :]
    if at < item.head_end:
        # A predicate.
        return [f"{text[: item.name_end]} {{ {statement} }}{rest}"]
    begin = max(masked.rfind(mark, item.head_end, at) for mark in "{};") + 1
    before = masked[item.head_end : begin]
    closing = "}" * (before.count("{") - before.count("}"))
    whole = f"{text[:begin]} {statement} {closing}{rest}"
    # Without the statements before, one of which may be wrong; then without the rest.
    alone = f"{text[: item.head_end]} {{ {statement} }}"
    return [whole, alone + rest, alone]


def _type(program: tree.Program | None) -> Type | None:
    for node in tree.walk(program) if program is not None else ():
        if isinstance(node, tree.AssignScratch) and node.target.name.startswith(_VARIABLE):
            value = node.value
            if isinstance(value, tree.Sizeof) and isinstance(value.subject, tree.Expression):
                return value.subject.type
    return None


def _members(type_: Type) -> list[tuple[str, str]]:
    if isinstance(type_, PointerType):
        type_ = type_.target
    if isinstance(type_, StructType):
        return [(name, str(member.type)) for name, member in type_.members.items() if name]
    if isinstance(type_, TupleType):
        names = type_.names or tuple(str(at) for at in range(len(type_.elements)))
        return list(zip(names, map(str, type_.elements), strict=True))
    return []
