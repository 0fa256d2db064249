"""Addresses and names: ``ksym``, ``usym``, ``kaddr``, ``uaddr``, ``percpu_kaddr``."""

from __future__ import annotations

from prybee.compiler.ir import I32, I64
from prybee.functions.arguments import (
    aliased,
    expression,
    literal_number,
    literal_text,
    text_of,
    want_address,
    want_integer,
)
from prybee.functions.in_memory import InMemory
from prybee.functions.process import process_id
from prybee.language.lower.loops import context
from prybee.language.lower.operands import Place, Scalar
from prybee.language.registry import Function, ProbeSyntaxError
from prybee.language.types import (
    KERNEL,
    UINT64,
    USER,
    IntType,
    KsymType,
    PointerType,
    Type,
    UsymType,
    int_type,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from prybee.compiler.ir import Value
    from prybee.elf import ElfFile, Symbol
    from prybee.language import tree
    from prybee.language.checker import Checker
    from prybee.language.lower.handler import Handler
    from prybee.language.lower.operands import Operand
    from prybee.language.script import Variant

# A kernel address as a number: casts of it to a pointer point into the kernel.
KERNEL_ADDRESS = IntType(8, False, KERNEL)

# Offsets of every CPU's copy of per-CPU data (include/asm-generic/percpu.h).
_PER_CPU_OFFSETS = "__per_cpu_offset"

# Where types tell the variables of each CPU, as they do since pahole 1.18 (kernels from 5.11 on).
_PER_CPU = ".data..percpu"

# Where programs are loaded is a multiple of this, in bytes.
_PAGE = 4096
# So many places are compared with the one that was hit.
_MOST_PLACES = 64

_HOOKS = ("uprobe", "uretprobe", "usdt")


def store_usym(h: Handler, address: Value, pointer: Value, offset: int) -> None:
    """Write a user address and what is needed to resolve it (plan/layouts.py, UsymLayout)."""
    h.b.store(pointer, offset, address, I64)
    h.b.store(pointer, offset + 8, process_id(h), I32)
    h.b.store(pointer, offset + 12, h.const(h.block_index), I32)


def hit_address(h: Handler) -> Value:
    """The run-time address of the place in a program that the probe is at."""
    # At an entry the instruction pointer is that address, on all kernels.
    if h.context.provider != "uretprobe":
        offset = h.context.register("pc")
        if offset is not None:
            return h.b.load(I64, context(h), offset)
    found = h.context.function_address(h)
    return found if found is not None else h.b.call("get_func_ip", [context(h)])


def check_address(call: tree.Call, checker: Checker) -> None:
    """Complains where :func:`hit_address` cannot be told."""
    try:
        checker.context.check_address(checker)
    except ProbeSyntaxError as failure:
        checker.error(call, str(failure), *failure.hints)


class KernelSymbol(Function):
    """``ksym()``: a kernel address that prints as a name."""

    name = "ksym"
    signature = "ksym(address)"
    summary = "a kernel address, printed as a symbol"
    arguments = (1, 1)

    def check(self, call: tree.Call, checker: Checker) -> Type:
        want_address(call, 0, checker)
        return KsymType()

    def lower(self, call: tree.Call, handler: Handler) -> Operand:
        return Scalar(handler.lower_integer(expression(call, 0)), KsymType())


class UserSymbol(InMemory):
    """``usym()``: an address of the running process that prints as a name."""

    name = "usym"
    signature = "usym(address)"
    summary = "a user address, printed as a symbol"
    arguments = (1, 1)

    def check(self, call: tree.Call, checker: Checker) -> Type:
        want_address(call, 0, checker)
        return UsymType()

    def write(self, call: tree.Call, h: Handler, type_: Type, pointer: Value, offset: int) -> None:
        store_usym(h, h.lower_integer(expression(call, 0)), pointer, offset)


class KernelAddress(Function):
    """``kaddr()``: the address of a kernel symbol, looked up when compiling."""

    name = "kaddr"
    signature = "kaddr(symbol)"
    summary = "address of a kernel symbol"
    arguments = (1, 1)

    def check(self, call: tree.Call, checker: Checker) -> Type:
        name = literal_text(call, 0, checker)
        if name is not None and checker.target.kernel_address(name) is None:
            checker.error(call, f"Failed to resolve kernel symbol: {name}")
        return KERNEL_ADDRESS

    def lower(self, call: tree.Call, handler: Handler) -> Operand:
        address = handler.script.target.kernel_address(text_of(call, 0)) or 0
        return Scalar(handler.const(address), KERNEL_ADDRESS)


class PerCpuAddress(Function):
    """``percpu_kaddr()``: the address of a CPU's copy of a kernel variable."""

    name = "percpu_kaddr"
    signature = "percpu_kaddr(symbol[, cpu])"
    summary = "address of a per-CPU kernel variable, on this CPU or another"
    arguments = (1, 2)

    def check(self, call: tree.Call, checker: Checker) -> Type:
        name = literal_text(call, 0, checker)
        want_integer(call, 1, checker)
        if name is None:
            return KERNEL_ADDRESS
        target = checker.target
        btf = target.btf
        if btf is not None and btf.find(_PER_CPU, "datasec") and not btf.find(name, "var"):
            checker.error(call, f'Could not resolve variable "{name}" from BTF')
        else:
            for symbol in (name, _PER_CPU_OFFSETS):
                if target.kernel_address(symbol) is None:
                    checker.error(
                        call,
                        f"Failed to resolve kernel symbol: {symbol}",
                        "variables are listed by kernels with CONFIG_KALLSYMS_ALL=y, to root",
                    )
                    break
        return KERNEL_ADDRESS

    def lower(self, call: tree.Call, handler: Handler) -> Operand:
        target = handler.script.target
        symbol = target.kernel_address(text_of(call, 0)) or 0
        offsets = target.kernel_address(_PER_CPU_OFFSETS) or 0
        b = handler.b
        if len(call.args) == 1:
            cpu = b.call("get_smp_processor_id")
            return Scalar(self._of(handler, symbol, offsets, cpu), KERNEL_ADDRESS)
        number = literal_number(call, 1)
        if number is not None:
            if not 0 <= number < handler.script.possible_cpus:
                return Scalar(handler.const(0), KERNEL_ADDRESS)
            cpu = handler.const(number)
            return Scalar(self._of(handler, symbol, offsets, cpu), KERNEL_ADDRESS)
        cpu = handler.lower_integer(expression(call, 1))
        result = b.variable(I64, "address")
        handler.choose(
            b.icmp("ult", cpu, handler.script.possible_cpus),
            lambda: b.write(result, self._of(handler, symbol, offsets, cpu)),
            lambda: b.write(result, 0),
        )
        return Scalar(b.read(result), KERNEL_ADDRESS)

    @staticmethod
    def _of(h: Handler, symbol: int, offsets: int, cpu: Value) -> Value:
        """The symbol's address plus the CPU's offset, as the kernel's per_cpu_ptr() has it."""
        entry = h.b.add(h.b.shl(cpu, 3), offsets)
        distance = h.load(Place(entry, 0, UINT64, KERNEL))
        return h.b.add(distance.value, symbol)


class UserAddress(Function):
    """``uaddr()``: the address of a symbol of the probed program.

    Programs are loaded anywhere; where this one is follows from the address that the probe hit.
    """

    name = "uaddr"
    signature = "uaddr(symbol)"
    summary = "address of a symbol of the probed program"
    arguments = (1, 1)

    def check(self, call: tree.Call, checker: Checker) -> Type:
        name = literal_text(call, 0, checker)
        provider = checker.context.provider
        if provider not in _HOOKS:
            checker.error(call, f'uaddr can not be used with "{provider}" probes')
            return UINT64
        if name is None:
            return UINT64
        probed = _Probed.of(checker.variant, checker)
        symbol = probed.symbol(name) if probed is not None else None
        if probed is None:
            checker.error(
                call,
                "uaddr() needs a probe of one program",
                "write one probe for each program, without wildcards in its name",
            )
        elif symbol is None:
            checker.error(call, f"Could not resolve symbol: {probed.path}:{name}")
        elif probed.relocated and not probed.told_apart:
            checker.error(
                call,
                "uaddr() cannot tell apart the places that this probe stands for",
                "name one of them, without wildcards",
            )
        else:
            if probed.relocated:
                check_address(call, checker)
            size = symbol.size if symbol.size in (1, 2, 4, 8) else 8
            return PointerType(int_type(size, False), USER)
        return UINT64

    def lower(self, call: tree.Call, handler: Handler) -> Operand:
        probed = _Probed.of(handler.variant, handler.script.checker)
        assert probed is not None
        symbol = probed.symbol(text_of(call, 0))
        assert symbol is not None, "the checker found the symbol"
        value = handler.const(symbol.value)
        if probed.relocated:
            hit = hit_address(handler)
            moved = handler.b.sub(hit, _place(handler, hit, probed.addresses))
            value = handler.b.add(moved, symbol.value)
        return Scalar(value, call.type)


def _place(h: Handler, hit: Value, addresses: Sequence[int]) -> Value:
    """Which of ``addresses``, as linked, was hit: programs are moved by whole pages."""
    first, *others = addresses
    found = h.const(first)
    within = h.b.and_(hit, _PAGE - 1)
    for address in others:
        same = h.b.icmp("eq", within, address & (_PAGE - 1))
        found = h.b.select(same, h.const(address), found)
    return found


class _Probed:
    """The program that a handler's probe lies in, and its places there before it is loaded."""

    def __init__(self, path: str, file: ElfFile, addresses: Sequence[int]) -> None:
        self.path = path
        self.file = file
        self.addresses = addresses

    @classmethod
    def of(cls, variant: Variant, checker: Checker) -> _Probed | None:
        """That of all the matches of ``variant``; None where they are in several programs."""
        provider = checker.registry.providers.get(variant.context.provider)
        if provider is None:
            return None
        places = [place for match in variant.matches for place in provider.places(match)]
        paths = {path for path, _offset in places}
        if len(paths) != 1:
            return None
        path = paths.pop()
        file = checker.target.elf(path)
        if file is None:
            return None
        addresses = {file.virtual_address(offset) for _path, offset in places}
        return cls(path, file, sorted(each for each in addresses if each is not None))

    @property
    def told_apart(self) -> bool:
        """Whether the lowest bits of the address that was hit tell which place it is."""
        low = {address & (_PAGE - 1) for address in self.addresses}
        return 0 < len(low) == len(self.addresses) <= _MOST_PLACES

    @property
    def relocated(self) -> bool:
        """Whether the program is position independent."""
        return self.file.type == "DYN"

    def symbol(self, name: str) -> Symbol | None:
        """A symbol of the program."""
        found = self.file.symbols(name)
        return found[0] if found else None


FUNCTIONS = aliased(KernelSymbol(), UserSymbol(), KernelAddress(), PerCpuAddress(), UserAddress())
