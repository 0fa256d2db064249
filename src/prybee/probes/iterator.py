"""``iter``: the kernel's iterators over its own objects: every task, every map, every socket."""

from __future__ import annotations

from prybee.compiler.ir import BTF, I64, Ptr
from prybee.diagnostics import NotSupported, did_you_mean
from prybee.language.lower.operands import Scalar
from prybee.language.registry import ExpandScope, Match, ProbeContext, ProbeSyntaxError
from prybee.language.types import BPF, KERNEL, Member, PointerType, StructType, Type
from prybee.plan.plan import IterAttach, ProbeSpec
from prybee.probes.patterns import is_pattern, matcher
from prybee.probes.provider import ProbeType, meant
from prybee.probes.registered import context_pointer, kernel_struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from prybee.compiler.ir import Value
    from prybee.language.attach_point import AttachPoint
    from prybee.language.checker import Checker
    from prybee.language.lower.handler import Handler
    from prybee.language.lower.operands import Operand

_META = "meta"
# The kernel wants the descriptor of a map for these (kernel/bpf/map_iter.c, net/core).
_OF_ONE_MAP = frozenset(("bpf_map_elem", "bpf_sk_storage_map", "sockmap"))


class IteratorContext(ProbeContext):
    """One element of a walk. ``ctx`` is a copy of the kernel's context, with its pointers tested.

    The kernel calls the program once more after the last element, with a NULL for it; the handler
    does not run then.
    """

    program_type = "tracing"
    attach_type = "trace_iter"
    provider = "iter"
    space = KERNEL

    def __init__(self, name: str, target: str) -> None:
        super().__init__(name)
        self.target = target
        self.attach_to = f"bpf_iter_{target}"
        self._struct: StructType | None = None
        # The copy, by the function (a handler has one) whose start made it.
        self._copy: Value | None = None

    def _context_struct(self, checker: Checker) -> StructType | None:
        if self._struct is None:
            kernels = kernel_struct(checker.types, f"bpf_iter__{self.target}")
            if kernels is None:
                return None
            self._struct = StructType.lazy(
                "struct",
                kernels.name,
                kernels.size,
                lambda: tuple(map(_trusted, kernels.members.values())),
            )
        return self._struct

    def ctx_type(self, checker: Checker) -> Type | None:
        struct = self._context_struct(checker)
        return PointerType(struct, BPF, trusted=True) if struct is not None else None

    def prologue(self, handler: Handler) -> None:
        struct = self._context_struct(handler.script.checker)
        if struct is None:
            return
        b = handler.b
        source = context_pointer(handler)
        self._copy = b.slot((struct.size + 7) // 8 * 8, 8, "ctx")
        for member in struct.members.values():
            if not isinstance(member.type, PointerType):
                b.copy(self._copy, member.offset, source, member.offset, member.type.size)
            elif member.type.trusted:
                value = b.load(Ptr(BTF), source, member.offset)
                if member.name != _META:
                    self._return_if_null(handler, value)
                b.store(self._copy, member.offset, value, Ptr(BTF))
            else:
                b.store(self._copy, member.offset, b.load(I64, source, member.offset), I64)

    def _return_if_null(self, handler: Handler, value: Value) -> None:
        present, absent = handler.block("element"), handler.block("end_of_walk")
        handler.b.branch(handler.b.icmp("ne", value, 0), present, absent)
        handler.start(absent)
        handler.b.ret(self.return_value)
        handler.start(present)

    def lower_ctx(self, handler: Handler) -> Operand:
        struct = self._context_struct(handler.script.checker)
        assert struct is not None
        if handler.frame.depth:
            # A loop's body has no way to the copy; helpers read the context itself as memory.
            number = handler.b.ptr_to_int(context_pointer(handler))
            return Scalar(number, PointerType(struct, KERNEL))
        assert self._copy is not None
        return Scalar(self._copy, PointerType(struct, BPF, trusted=True))


def _trusted(member: Member) -> Member:
    """A member of the context whose pointer the verifier knows the type of."""
    if isinstance(member.type, PointerType):
        target = member.type.target
        known = isinstance(target, StructType)
        return member.replace(type=PointerType(target, KERNEL, known))
    return member


def _known(iterators: Sequence[str]) -> str:
    """What to say of the iterators there are."""
    if not iterators:
        return "the kernel's types (BTF) name its iterators, and cannot be had here"
    return f"known: {', '.join(iterators)}"


class Iterator(ProbeType):
    """``iter:name``, ``iter:name:pin``."""

    names = ("iter", "it")
    syntax = ("iter:NAME", "iter:NAME:PIN")
    summary = "one of the kernel's objects, in a walk over all of its kind"
    counts = (1, 2)
    of_kernel = True

    def miscounted(self, given: int) -> ProbeSyntaxError:
        return self.malformed("iter probe type takes 2 arguments (1 optional)")

    def expand(self, point: AttachPoint, scope: ExpandScope) -> Sequence[Match]:
        target, *pin = self.arguments(point)
        if is_pattern(target):
            raise ProbeSyntaxError(
                "iter probe type does not support wildcards", "see prybee -l 'iter:*'"
            )
        if not target:
            raise self.malformed("iter should specify a iterator's name")
        known = sorted(scope.target.iterators())
        if target not in known:
            raise ProbeSyntaxError(
                f"iter {target} not available for your kernel version.",
                *(meant(did_you_mean(target, known)) or (_known(known),)),
            )
        if target in _OF_ONE_MAP:
            raise NotSupported(
                f"iter:{target}",
                "it walks the elements of one BPF map, and a script has no way to say which",
                "use iter:bpf_map for the maps themselves",
            )
        name = f"iter:{target}"
        return [Match(name, (name,), (target, pin[0] if pin else ""))]

    def context(self, match: Match, scope: ExpandScope) -> ProbeContext:
        return IteratorContext(match.name, str(match.data[0]))

    def attach(
        self, matches: Sequence[Match], program: str, scope: ExpandScope
    ) -> Sequence[ProbeSpec]:
        return [
            ProbeSpec(match.name, program, IterAttach(*map(str, match.data))) for match in matches
        ]

    def search(
        self, arguments: Sequence[str], scope: ExpandScope
    ) -> Iterable[tuple[str, Match | None]]:
        if len(arguments) != 1:
            return
        fits = matcher(arguments[0])
        for target in sorted(scope.target.iterators()):
            if fits(target):
                yield f"iter:{target}", None


PROVIDERS = (Iterator(),)
