"""Contexts of tracing programs: the arguments of a kernel function or event, with their types.

The context is one 8-byte word after the other, as the function's registers were
(kernel/bpf/btf.c, btf_ctx_access); the verifier knows the type of each and follows pointers to
structs itself.
"""

from __future__ import annotations

from prybee.language.lower.operands import Place
from prybee.language.registry import ProbeContext
from prybee.language.types import CONTEXT, KERNEL, Member, PointerType, StructType, Type
from prybee.probes.registered import context_pointer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from prybee.btf import Btf, Parameter
    from prybee.language.checker import Checker
    from prybee.language.kernel_types import TypeTable
    from prybee.language.lower.handler import Handler
    from prybee.language.lower.operands import Operand

WORD = 8


class TypedArguments(ProbeContext):
    """Arguments with their kernel types.

    Args:
        name: full name of the attach point.
        record: what the record of the arguments is called.
        btf: the types that the parameters' ids are of: the kernel's, or a module's upon them.
        parameters: the arguments, in order.
        result: the type of what lies behind them, the function's result; 0 for nothing.
    """

    program_type = "tracing"
    space = KERNEL

    def __init__(
        self,
        name: str,
        record: str,
        btf: Btf,
        parameters: Sequence[Parameter],
        result: int = 0,
    ) -> None:
        super().__init__(name)
        self._record = record
        self._btf = btf
        self._parameters = parameters
        self._result = result
        self._args: StructType | None = None
        # The verifier lets no program load an argument of some types: all are read by a helper
        # then, for which any memory of the kernel will do.
        self.by_helper = any(opaque(btf, parameter.type) for parameter in parameters)
        # Where arguments are of which it loads none before Linux 6.16.
        self._constant = self._offsets_of_constant()

    @property
    def size(self) -> int:
        """Bytes that the arguments take."""
        return sum(words(self._btf, parameter.type) for parameter in self._parameters) * WORD

    def retval_type(self, checker: Checker) -> Type | None:
        if not self._result or not self._btf.strip(self._result):
            return None  # There is no result, or it is void.
        return self.value_type(self._result, checker)

    def lower_retval(self, handler: Handler) -> Operand:
        type_ = self.retval_type(handler.script.checker)
        assert type_ is not None
        return self.place(handler, self.size, type_)

    def types(self, checker: Checker) -> TypeTable:
        """The table of the types that parameters have."""
        return checker.types.of(self._btf)

    def args_type(self, checker: Checker) -> Type | None:
        if self._args is None:
            self._args = StructType.lazy(
                "struct", self._record, self.size, lambda: tuple(self._members(checker))
            )
        return self._args

    def _members(self, checker: Checker) -> Iterable[Member]:
        offset = 0
        for index, parameter in enumerate(self._parameters):
            name = name_of(parameter, index)
            yield Member(name, offset, self.value_type(parameter.type, checker))
            offset += words(self._btf, parameter.type) * WORD

    def value_type(self, type_id: int, checker: Checker) -> Type:
        """The type of a word of the context."""
        type_ = self.types(checker).from_btf(type_id)
        if isinstance(type_, PointerType):
            known = not self.by_helper and isinstance(type_.target, StructType)
            return PointerType(type_.target, KERNEL, known)
        return type_

    def lower_args(self, handler: Handler) -> Operand:
        type_ = self.args_type(handler.script.checker)
        assert type_ is not None
        return self.place(handler, 0, type_)

    def lower_args_member(self, name: str, type_: Type, handler: Handler) -> Operand | None:
        if not self._constant or self.by_helper:
            return None
        record = self.args_type(handler.script.checker)
        assert isinstance(record, StructType)
        offset = record.members[name].offset
        if offset not in self._constant:
            return None
        return handler.load(self.place(handler, offset, type_))

    def _offsets_of_constant(self) -> frozenset[int]:
        """Where arguments are that point to constants of no type (``const void *``)."""
        btf = self._btf
        found = []
        offset = 0
        for parameter in self._parameters:
            plain = btf.strip(parameter.type)
            if btf.kind(plain) == "ptr" and (target := btf.target(plain)) and not btf.strip(target):
                found.append(offset)
            offset += words(btf, parameter.type) * WORD
        return frozenset(found)

    def place(self, handler: Handler, offset: int, type_: Type) -> Place:
        """Part of the context, ``offset`` bytes in."""
        pointer = context_pointer(handler)
        if self.by_helper or offset in self._constant:
            # What the verifier takes for a pointer that may be NULL allows nothing but a test; as
            # a number from memory it can be followed by helpers.
            return Place(handler.b.ptr_to_int(pointer), offset, type_, KERNEL)
        return Place(pointer, offset, type_, CONTEXT, trusted=True)


def name_of(parameter: Parameter, index: int) -> str:
    """What an argument is called: types of older kernels leave some without a name."""
    return parameter.name or f"arg{index}"


def opaque(btf: Btf, type_id: int) -> bool:
    """Whether the verifier lets no program load a value of that type (btf_ctx_access): it wants
    pointers to be of void, integers or structs."""
    plain = btf.strip(type_id)
    if btf.kind(plain) != "ptr":
        return False
    target = btf.strip(btf.target(plain))
    return target != 0 and btf.kind(target) not in ("int", "struct", "union")


def words(btf: Btf, type_id: int) -> int:
    """How many of the context's 8-byte words an argument takes."""
    return max(1, (btf.size(type_id) + WORD - 1) // WORD)
