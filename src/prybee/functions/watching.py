"""Watchpoints: what a handler can do about them."""

from __future__ import annotations

from prybee.functions.arguments import expression, want_address
from prybee.language.lower.operands import Scalar
from prybee.language.registry import Function
from prybee.language.types import NONE, UINT64, Type

TYPE_CHECKING = False
if TYPE_CHECKING:
    from prybee.language import tree
    from prybee.language.checker import Checker
    from prybee.language.lower.handler import Handler
    from prybee.language.lower.operands import Operand


class Unwatch(Function):
    """``unwatch()``: take off the watchpoints at an address, a little later."""

    name = "unwatch"
    signature = "unwatch(address)"
    summary = "take off the watchpoints at an address, once the reader hears of it"
    arguments = (1, 1)
    statement = True

    def check(self, call: tree.Call, checker: Checker) -> Type:
        want_address(call, 0, checker)
        return NONE

    def lower(self, call: tree.Call, handler: Handler) -> Operand | None:
        address = handler.lower_integer(expression(call, 0))
        handler.at(call)
        handler.record("unwatch", [(Scalar(address, UINT64), UINT64)], (), call)
        return None


FUNCTIONS = (Unwatch(),)
