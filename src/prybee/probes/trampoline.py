"""Contexts of programs that run from a kernel function's trampoline: ``fentry``, ``fexit``, hooks.

The context holds the function's arguments, 8-byte words, and behind them its result
(kernel/bpf/trampoline.c; arch_prepare_bpf_trampoline).
"""

from __future__ import annotations

from prybee.language.types import INT64, UINT64, Type
from prybee.probes.typed_arguments import WORD, TypedArguments
from prybee.probes.ways import KERNEL

TYPE_CHECKING = False
if TYPE_CHECKING:
    from prybee.btf import Btf
    from prybee.language.checker import Checker
    from prybee.language.lower.handler import Handler
    from prybee.language.lower.operands import Operand


class FunctionContext(TypedArguments):
    """A function of the kernel, entered or (with ``returns``) left.

    Args:
        name: full name of the attach point.
        module: the function's module, ``vmlinux`` for the kernel itself.
        function: its name.
        btf: the types of the module.
    """

    returns_nothing = True

    def __init__(
        self, name: str, provider: str, module: str, function: str, btf: Btf, returns: bool
    ) -> None:
        number = btf.function(function)
        super().__init__(
            name,
            f"{provider}:{module}:{function}_args",
            btf,
            btf.parameters(number),
            btf.returns(number) if returns else 0,
        )
        self.provider = provider
        self.attach_type = "trace_fexit" if returns else "trace_fentry"
        self.attach_to = function
        self.attach_module = "" if module == KERNEL else module


class PositionalContext(FunctionContext):
    """A function as kprobes know it, on kernels without them: ``argN`` and ``retval`` are numbers.

    Arguments and result are those of a :class:`FunctionContext`.
    """

    def __init__(
        self, name: str, provider: str, module: str, function: str, btf: Btf, returns: bool
    ) -> None:
        super().__init__(name, provider, module, function, btf, returns)
        self.returns = returns
        # Words from memory: what the verifier takes for pointers would be no numbers.
        self.by_helper = True

    def args_type(self, checker: Checker) -> Type | None:
        return None

    def argument_type(self, index: int, checker: Checker) -> Type | None:
        return INT64 if not self.returns and index * WORD < self.size else None

    def lower_argument(self, index: int, handler: Handler) -> Operand:
        return self.place(handler, index * WORD, INT64)

    def retval_type(self, checker: Checker) -> Type | None:
        return UINT64 if super().retval_type(checker) is not None else None
