"""``fentry:bpf:…``, ``fexit:bpf:…``: functions of BPF programs that are loaded, by anyone.

Their types are those of the program, found under ``bpf:ID`` among those of modules.
"""

from __future__ import annotations

from prybee.diagnostics import did_you_mean
from prybee.language.lower.operands import Place
from prybee.language.registry import ProbeSyntaxError
from prybee.language.types import BPF, INT32, INT64, Type
from prybee.probes.patterns import matcher
from prybee.probes.registered import context_pointer
from prybee.probes.trampoline import PositionalContext
from prybee.probes.typed_arguments import WORD

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from prybee.language.checker import Checker
    from prybee.language.lower.handler import Handler
    from prybee.language.lower.operands import Operand
    from prybee.language.registry import ProbeContext
    from prybee.plan.target import Target

# What stands for a module where programs are meant.
PROGRAMS = "bpf"

_RESULT = "helper:get_func_ret"


def found(arguments: Sequence[str], target: Target) -> list[tuple[str, str]]:
    """(``bpf:ID``, function) of what ``ID:FUNCTION``, or ``FUNCTION`` alone, stands for."""
    number = arguments[0] if len(arguments) == 2 else "*"
    fits_number, fits = matcher(number), matcher(arguments[-1])
    return [
        (f"{PROGRAMS}:{id_}", name)
        for id_, name in target.bpf_programs()
        if fits(name) and fits_number(str(id_))
    ]


def nearest(wanted: str, target: Target) -> list[str]:
    """Names of functions that ``wanted`` may have meant."""
    return list(did_you_mean(wanted, sorted({name for _id, name in target.bpf_programs()})))


class ProgramContext(PositionalContext):
    """A function of a program: ``argN`` and ``retval`` are numbers.

    Arguments are those of a :class:`~prybee.probes.trampoline.FunctionContext`.
    """

    def args_type(self, checker: Checker) -> Type | None:
        raise ProbeSyntaxError(
            "The args builtin cannot be used for 'fentry/fexit:bpf' probes",
            "arg0, arg1 … are the arguments as numbers",
        )

    def retval_type(self, checker: Checker) -> Type | None:
        plain = self._btf.strip(self._result) if self.returns else 0
        if not plain:
            return None
        if not checker.target.has(_RESULT):
            raise ProbeSyntaxError(
                "this kernel does not tell what programs return (bpf_get_func_ret, Linux 5.17)",
                "arg0, arg1 … are there",
            )
        return INT32 if self._btf.size(plain) == INT32.size else INT64

    # The kernel does not believe the types of all programs, and then keeps room for more arguments
    # than there are (btf_distill_func_proto): helpers (Linux 5.17) know where things are.

    def lower_argument(self, index: int, handler: Handler) -> Operand:
        if not handler.script.target.has("helper:get_func_arg"):
            return super().lower_argument(index, handler)
        return self._asked(handler, "get_func_arg", INT64, index)

    def lower_retval(self, handler: Handler) -> Operand:
        type_ = self.retval_type(handler.script.checker)
        assert type_ is not None
        return self._asked(handler, "get_func_ret", type_)

    def _asked(self, handler: Handler, helper: str, type_: Type, *which: int) -> Operand:
        buffer = handler.b.slot(WORD, WORD)
        handler.b.zero(buffer, 0, WORD)
        handler.b.call(helper, [context_pointer(handler), *which, buffer])
        return Place(buffer, 0, type_, BPF)


def context(
    name: str, provider: str, module: str, function: str, target: Target, returns: bool
) -> ProbeContext:
    """The context of a handler there.

    Raises:
        ProbeSyntaxError: the program is there no more.
    """
    btf = target.module_btf(module)
    if btf is None or not btf.function(function):
        raise ProbeSyntaxError(f"{name}: there is no such program any more")
    return ProgramContext(name, provider, module, function, btf, returns)
