"""Contexts that start with the interrupted code's registers, a ``pt_regs``."""

from __future__ import annotations

from prybee.compiler.ir import I64
from prybee.diagnostics import did_you_mean
from prybee.language.lower.operands import Scalar
from prybee.language.registry import ProbeContext
from prybee.language.types import CONTEXT, INT64, PointerType, StructType, Type
from prybee.machines import registers
from prybee.probes.provider import meant

TYPE_CHECKING = False
if TYPE_CHECKING:
    from prybee.compiler.ir import Value
    from prybee.language.checker import Checker
    from prybee.language.kernel_types import TypeTable
    from prybee.language.lower.handler import Handler
    from prybee.language.lower.operands import Operand
    from prybee.machines import Registers


class RegisterContext(ProbeContext):
    """Reads registers straight from the context. ``ctx`` is a pointer to ``context_struct``."""

    has_registers = True
    context_struct = "pt_regs"

    def __init__(self, name: str, provider: str, arch: str) -> None:
        super().__init__(name)
        self.provider = provider
        self.arch = arch

    @property
    def registers(self) -> Registers | None:
        """The machine's registers; None on one that is not known."""
        return registers(self.arch)

    def register(self, name: str) -> int | None:
        known = self.registers
        return known.offset(name) if known is not None else None

    def like_register(self, name: str) -> tuple[str, ...]:
        known = self.registers
        if known is None:
            return ("the registers of this program are not known here",)
        # As assemblers write them: rax, edi, x29.
        written = name.lower().lstrip("%")
        place = known.operands.get(written, known.operands.get(f"r{written[1:]}"))
        names = [each for each, offset in known.offsets.items() if offset == place]
        found = meant(names or did_you_mean(name, [*known.offsets, "pc"]))
        return found or (f"registers: {', '.join(dict.fromkeys([*known.offsets, 'pc']))}",)

    def ctx_type(self, checker: Checker) -> Type | None:
        struct = kernel_struct(checker.types, self.context_struct)
        return PointerType(struct, CONTEXT) if struct is not None else None

    def lower_ctx(self, handler: Handler) -> Operand:
        type_ = self.ctx_type(handler.script.checker)
        assert type_ is not None
        return Scalar(context_pointer(handler), type_)

    def read(self, handler: Handler, register: str) -> Value:
        """The 64 bits of a register."""
        offset = self.register(register)
        assert offset is not None
        return handler.b.load(I64, context_pointer(handler), offset)


class EntryRegisters(RegisterContext):
    """``argN``, where a function begins: the arguments that travel in registers."""

    def argument_type(self, index: int, checker: Checker) -> Type | None:
        known = self.registers
        return INT64 if known is not None and index < len(known.arguments) else None

    def lower_argument(self, index: int, handler: Handler) -> Operand:
        known = self.registers
        assert known is not None
        return Scalar(self.read(handler, known.arguments[index]), INT64)


def context_pointer(handler: Handler) -> Value:
    """The probe's context pointer, also inside the callbacks of loops."""
    from prybee.language.lower.loops import context

    return context(handler)


def kernel_struct(types: TypeTable, name: str) -> StructType | None:
    """The kernel's struct of that name; None where its types are not known."""
    found = types.find("struct", name)
    return found if isinstance(found, StructType) else None
