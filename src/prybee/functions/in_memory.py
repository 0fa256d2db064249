"""Functions whose value is made in memory: addresses, stacks, buffers."""

from __future__ import annotations

from prybee.language.lower.operands import Place
from prybee.language.registry import Function
from prybee.language.types import BPF

TYPE_CHECKING = False
if TYPE_CHECKING:
    from prybee.compiler.ir import Value
    from prybee.language import tree
    from prybee.language.lower.handler import Handler
    from prybee.language.lower.operands import Operand
    from prybee.language.types import Type


class InMemory(Function):
    """A function whose value is written to memory, at once to where it is wanted."""

    def lower(self, call: tree.Call, handler: Handler) -> Operand:
        buffer = handler.slot(call.type, self.name)
        self.write(call, handler, call.type, buffer, 0)
        return Place(buffer, 0, call.type, BPF)

    def lower_into(
        self,
        call: tree.Call,
        handler: Handler,
        type_: Type,
        pointer: Value,
        offset: int,
        pad: bool,
    ) -> bool:
        if type(type_) is not type(call.type):
            return False
        self.write(call, handler, type_, pointer, offset)
        return True

    def write(self, call: tree.Call, h: Handler, type_: Type, pointer: Value, offset: int) -> None:
        """Emit code that writes the value as ``type_``, which may be longer than the call's own."""
        raise NotImplementedError
