"""Functions of bpftrace that are not there yet: refused by name, with what to use instead."""

from __future__ import annotations

from prybee.language.registry import Function
from prybee.language.types import NONE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from prybee.language import tree
    from prybee.language.checker import Checker
    from prybee.language.lower.handler import Handler
    from prybee.language.lower.operands import Operand
    from prybee.language.types import Type


class Later(Function):
    """A name that is refused with what to use in its place."""

    raw_arguments = True
    arguments = (0, None)

    def __init__(self, name: str, signature: str, summary: str, instead: str) -> None:
        self.name = name
        self.signature = signature
        self.variable = "(" not in signature or name == "dw_ustack"
        self.summary = f"{summary}; not available yet"
        self.instead = instead

    def check(self, call: tree.Call, checker: Checker) -> Type:
        checker.error(call, f"{self.name} is not available yet", self.instead)
        return NONE

    def lower(self, call: tree.Call, handler: Handler) -> Operand | None:
        raise AssertionError("refused by check()")


FUNCTIONS = (
    Later(
        "dw_ustack",
        "dw_ustack[([mode][, limit])]",
        "the user stack by debug information",
        "ustack follows frame pointers; programs built with -fno-omit-frame-pointer have them",
    ),
)
