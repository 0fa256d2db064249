"""``watchpoint``: memory that is read, written or executed, watched by registers of the CPU."""

from __future__ import annotations

import re

from prybee.language.registry import ExpandScope, Match, ProbeContext, ProbeSyntaxError
from prybee.machines import machine
from prybee.plan.plan import ProbeSpec, WatchpointAttach
from prybee.probes.numbers import NumberError, parse
from prybee.probes.provider import ProbeType
from prybee.probes.timers import PerfContext

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from prybee.language.attach_point import AttachPoint
    from prybee.machines import Watching

_LENGTHS = (1, 2, 4, 8)
# The kernel's part of the address space has the highest bit on all 64-bit machines; its per-CPU
# variables have offsets for addresses (x86-64 before Linux 6.15).
_KERNEL = 1 << 63

_SYMBOL = re.compile(r"([A-Za-z_.][\w.$]*)(?:\+(\w+))?")
# What older bpftrace could watch: what an argument points to.
_ARGUMENT = re.compile(r"arg\d+")
_NO_ARGUMENTS = (
    "what an argument points to cannot be watched by itself: print the argument in a uprobe or "
    "kprobe, and watch that address"
)


class Watchpoint(ProbeType):
    """``watchpoint:address:length:mode``; the address may be the name of a variable.

    Behind the name of a file it is one of that program, without one the kernel's.
    """

    names = ("watchpoint", "w")
    syntax = (
        "watchpoint:ADDRESS:LENGTH:MODE",
        "watchpoint:KERNEL_VARIABLE+OFFSET:LENGTH:MODE",
        "watchpoint:FILE:VARIABLE+OFFSET:LENGTH:MODE",
    )
    summary = "memory is read, written or executed (modes r, w, x)"
    counts = (3, 4)
    pid_filter = "attach"

    def expand(self, point: AttachPoint, scope: ExpandScope) -> Sequence[Match]:
        *file, address, length, mode = self.arguments(point)
        if file:
            shown, where = self._of_program(file[0], address, scope)
        else:
            where = self._address(address, scope)
            shown = address if _SYMBOL.fullmatch(address) else f"{where:#x}"
        if where == 0:
            raise ProbeSyntaxError("watchpoint must be attached to a non-zero address")
        size = self._number(length, "length")
        if size not in _LENGTHS:
            raise ProbeSyntaxError("watchpoint length must be one of (1,2,4,8)")
        known = machine(scope.target.arch)
        watching = known.watching if known is not None else None
        self._check_mode(mode, watching)
        # Of an instruction the first byte is watched, wherever it is.
        if watching is not None and mode != "x":
            _check_place(where, size, watching.block, scope.target.arch)
        return [Match(f"watchpoint:{shown}:{size}:{mode}", (self.name,), (where, size, mode))]

    def _check_mode(self, mode: str, watching: Watching | None) -> None:
        if not mode or any(letter not in "rwx" for letter in mode):
            raise ProbeSyntaxError("watchpoint mode must be combination of (r,w,x)")
        if len(set(mode)) != len(mode):
            raise ProbeSyntaxError("watchpoint modes may not be duplicated")
        if watching is not None and "".join(sorted(mode, key="rwx".index)) not in watching.modes:
            raise ProbeSyntaxError(
                f"invalid watchpoint mode: {mode}", f"supported modes: {','.join(watching.modes)}"
            )

    def miscounted(self, given: int) -> ProbeSyntaxError:
        # In the words for what is not of a program.
        return self.malformed(f"{self.name} probe type requires 3 arguments, found {given}")

    def _of_program(self, file: str, text: str, scope: ExpandScope) -> tuple[str, int]:
        """How a variable of a program is shown, and where it is."""
        from prybee.probes import program_variable

        named = _SYMBOL.fullmatch(text)
        if named is None:
            raise self.malformed(f"Invalid watchpoint address: {text} is no variable's name")
        symbol, offset = named.groups()
        path, address = program_variable.place(file, symbol, scope)
        return f"{path}:{text}", address + (self._number(offset, "offset") if offset else 0)

    def _address(self, text: str, scope: ExpandScope) -> int:
        named = _SYMBOL.fullmatch(text)
        if named is None:
            return self._number(text, "address")
        symbol, offset = named.groups()
        if offset and _ARGUMENT.fullmatch(offset):
            raise ProbeSyntaxError(
                f"Invalid watchpoint address: invalid integer: {text}", _NO_ARGUMENTS
            )
        address = scope.target.kernel_address(symbol)
        if address is None:
            raise ProbeSyntaxError(
                f"Invalid watchpoint address: the kernel has no variable or function '{symbol}'",
                "variables are listed by kernels with CONFIG_KALLSYMS_ALL=y, to root; those of a "
                f"program by its file: watchpoint:FILE:{symbol}:LENGTH:MODE, with -p PID",
            )
        btf = scope.target.btf
        if address < _KERNEL or (btf is not None and btf.find(symbol, "var")):
            raise ProbeSyntaxError(
                f"Invalid watchpoint address: every CPU has a '{symbol}' of its own",
                f'percpu_kaddr("{symbol}", CPU) tells where: print it, and watch that address',
            )
        return (address + (self._number(offset, "offset") if offset else 0)) & (2**64 - 1)

    def _number(self, text: str, what: str) -> int:
        try:
            number = parse(text)[0]
        except NumberError as error:
            raise self.malformed(f"Invalid watchpoint {what}: {error}") from None
        if number < 0:
            raise self.malformed(f"Invalid watchpoint {what}: {text} is negative")
        return number

    def context(self, match: Match, scope: ExpandScope) -> ProbeContext:
        return PerfContext(match.name, self.name, scope.target.arch)

    def attach(
        self, matches: Sequence[Match], program: str, scope: ExpandScope
    ) -> Sequence[ProbeSpec]:
        pid = scope.pid if scope.pid is not None else -1
        specs = []
        for match in matches:
            address, length, mode = match.data
            assert isinstance(address, int)
            assert isinstance(length, int)
            assert isinstance(mode, str)
            way = WatchpointAttach(address, length, mode, pid)
            specs.append(ProbeSpec(match.name, program, way))
        return specs


def _check_place(where: int, size: int, block: int, arch: str) -> None:
    """Refuses what the machine cannot watch at once: some would watch a part of it."""
    parts = "watch the parts, each by a watchpoint of its own"
    if not block and where % size:
        raise ProbeSyntaxError(
            f"watchpoint address {where:#x} must be a multiple of its length {size}",
            f"{arch} watches 1, 2, 4 or 8 bytes at such addresses only: {parts}",
        )
    if block and where % block + size > block:
        raise ProbeSyntaxError(
            f"watchpoint of {size} bytes at {where:#x} goes beyond a multiple of {block}",
            f"{arch} watches bytes of one word of {block}, from one such address to the next: "
            f"{parts}",
        )


PROVIDERS = (Watchpoint(),)
