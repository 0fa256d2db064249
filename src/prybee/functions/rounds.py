"""Functions that the kernel calls round by round (``bpf_loop``), beside the handler's own."""

from __future__ import annotations

from prybee.compiler.builder import Builder
from prybee.compiler.ir import FRAME, I32, I64, Ptr
from prybee.language.lower.handler import Frame

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from prybee.compiler.ir import Function, Value
    from prybee.language.lower.handler import Handler


def function(h: Handler, name: str, build: Callable[[Value, Value], None]) -> Function:
    """The function of that name, which a handler has once.

    Args:
        h: the handler.
        name: of the function, among the handler's.
        build: emits it, given the number of the round and the address of the loop's state.
    """
    full = f"{h.module.name}_{name}"
    made = h.own_functions.get(full)
    if made is None:
        made = h.own_functions[full] = h.module.function(full, [I32, Ptr(FRAME)], I64)
        outer_frame, outer_builder = h.frame, h.b
        h.frame = Frame(Builder(made), None, outer_frame.depth + 1)
        h.b = h.frame.builder
        h.b.span = outer_builder.span
        build(*made.params)
        h.frame, h.b = outer_frame, outer_builder
    return made
