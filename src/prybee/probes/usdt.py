"""``usdt``: probes that a program's authors put into it (``<sys/sdt.h>``)."""

from __future__ import annotations

from operator import itemgetter

from prybee.compiler.ir import I8, I16, I32, I64
from prybee.language.lower.operands import Scalar
from prybee.language.registry import ExpandScope, Match, ProbeContext, ProbeSyntaxError
from prybee.language.types import INT64, Type
from prybee.probes import binaries
from prybee.probes.binaries import Place
from prybee.probes.patterns import is_pattern, matcher
from prybee.probes.provider import ProbeType, meant
from prybee.probes.registered import context_pointer
from prybee.probes.uprobe_context import UprobeContext

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

    from prybee.compiler.ir import Value
    from prybee.elf import ElfFile, UsdtArgument, UsdtProbe
    from prybee.language.attach_point import AttachPoint
    from prybee.language.checker import Checker
    from prybee.language.lower.handler import Handler
    from prybee.language.lower.operands import Operand
    from prybee.plan.plan import ProbeSpec

_WIDTHS = {1: I8, 2: I16, 4: I32, 8: I64}


class UsdtContext(UprobeContext):
    """Arguments lie where the note of the probe says: one program for each distinct note."""

    def __init__(
        self,
        name: str,
        arch: str,
        multi: bool,
        elf: ElfFile | None,
        arguments: tuple[UsdtArgument, ...],
        address: int,
    ) -> None:
        super().__init__(name, "usdt", arch, multi, elf)
        self.arguments = arguments
        # Of the place, as linked; for arguments whose place moves with it.
        self.address = address

    def argument_type(self, index: int, checker: Checker) -> Type | None:
        self.known()
        # The language allows arguments that a probe does not have: a pattern may match several.
        return INT64

    def lower_argument(self, index: int, handler: Handler) -> Operand:
        if index >= len(self.arguments):
            return Scalar(handler.const(0), INT64)
        return Scalar(self._value(handler, self.arguments[index]), INT64)

    def _value(self, handler: Handler, argument: UsdtArgument) -> Value:
        if argument.kind == "constant":
            return handler.const(argument.value & (2**64 - 1))
        if argument.kind == "register":
            value = self._register(handler, argument.register)
            if argument.high_byte:
                value = handler.b.lshr(value, 8)
            return _widen(handler, value, argument)
        return _read(handler, self._address(handler, argument), argument)

    def _register(self, handler: Handler, name: str) -> Value:
        known = self.known()
        b, offset = handler.b, known.operands[name]
        if known.word == 4:
            return b.zext(b.load(I32, context_pointer(handler), offset), I64)
        return b.load(I64, context_pointer(handler), offset)

    def _address(self, handler: Handler, argument: UsdtArgument) -> Value:
        b = handler.b
        address = handler.const(argument.value & (2**64 - 1))
        if argument.register:
            base = self._register(handler, argument.register)
            address = b.add(base, address) if argument.value else base
        elif argument.relocated:
            known = self.registers
            assert known is not None
            moved = b.sub(self.read(handler, known.instruction_pointer), self.address)
            address = b.add(moved, address)
        if argument.index:
            index = self._register(handler, argument.index)
            scaled = b.mul(index, argument.scale) if argument.scale != 1 else index
            address = b.add(address, scaled)
        return address if self.known().word == 8 else b.and_(address, 2**32 - 1)


def _widen(handler: Handler, value: Value, argument: UsdtArgument) -> Value:
    """The low bytes of a register that an argument takes, extended as it says."""
    if argument.size == 8:
        return value
    narrow = handler.b.trunc(value, _WIDTHS[argument.size])
    return handler.b.sext(narrow, I64) if argument.signed else handler.b.zext(narrow, I64)


def _read(handler: Handler, address: Value, argument: UsdtArgument) -> Value:
    """An argument in the program's memory."""
    b = handler.b
    buffer = b.slot(8, 8)
    size = handler.const(argument.size)
    # A helper that fails fills the buffer with zeros (mm/maccess.c by way of bpf_probe_read_user).
    handler.note_failure("probe_read_user", b.call("probe_read_user", [buffer, size, address]))
    width = _WIDTHS[argument.size]
    value = b.load(width, buffer, 0, signed=argument.signed and argument.size < 8)
    return b.zext(value, I64) if value.type.bits < 64 else value


class Usdt(ProbeType):
    """``usdt:file:provider:name``; the provider may be left out."""

    names = ("usdt", "U")
    syntax = ("usdt:FILE:NAME", "usdt:FILE:PROVIDER:NAME")
    summary = "a probe that a program's authors put into it"
    counts = (2, 3)
    pid_filter = "attach"

    def expand(self, point: AttachPoint, scope: ExpandScope) -> Sequence[Match]:
        file, group, name = _parts(self.arguments(point), scope)
        if not file:
            raise self.malformed(
                "usdt probe must specify at least path or pid to probe. "
                "To target all paths/pids set the path to '*'."
            )
        if not name:
            raise self.malformed("usdt probe must have a target function or wildcard")
        found: list[Match] = []
        for path, elf in binaries.target_files(self.name, file, scope, running=True):
            found.extend(_matches(path, elf, group, name))
        return found

    def missing(self, point: AttachPoint, scope: ExpandScope) -> tuple[str, tuple[str, ...]]:
        file, group, name = _parts(point.parts, scope)
        if is_pattern(file):
            return "", ()
        path = next(iter(binaries.find_paths(file, scope)), file)
        # Without a provider it may be any, so this is a pattern.
        exact = not is_pattern(group) and not is_pattern(name)
        message = f"No matches for usdt {path}:{name}." if exact else ""
        elf = scope.target.elf(path)
        if elf is None:
            return message, ()
        probes = elf.usdt_probes()
        if not probes:
            return message, (f"'{path}' has no USDT probes",)
        known = sorted({f"{probe.provider}:{probe.name}" for probe in probes})
        if group == "*":
            known = sorted({probe.name for probe in probes})
        close = meant(binaries.near(name if group == "*" else f"{group}:{name}", known))
        return message, close or (f"see prybee -l 'usdt:{path}:*'",)

    def share(self, match: Match, scope: ExpandScope, uses: Collection[str]) -> Match:
        return match if "arg" in uses else match.replace(key=(self.name,))

    def places(self, match: Match) -> tuple[tuple[str, int], ...]:
        path, where, _counted = match.data
        assert isinstance(path, str)
        assert isinstance(where, tuple)
        return tuple((path, offset) for offset, _semaphore in where)

    def has_cookies(self, scope: ExpandScope) -> bool:
        return True

    def context(self, match: Match, scope: ExpandScope) -> ProbeContext:
        specific = len(match.key) > 1
        arguments, problem, address = match.key[1:] if specific else ((), "", 0)
        if arguments is None:
            raise ProbeSyntaxError(
                f"the arguments of {match.name} cannot be read: {problem}",
                "handlers that use no argN work",
            )
        assert isinstance(arguments, tuple)
        assert isinstance(address, int)
        target = scope.target
        multi = target.has("uprobe_multi")
        elf = target.elf(self.places(match)[0][0])
        return UsdtContext(match.name, target.arch, multi, elf, arguments, address)

    def attach(
        self, matches: Sequence[Match], program: str, scope: ExpandScope
    ) -> Sequence[ProbeSpec]:
        places: list[Place] = []
        for match in matches:
            path, where, counted = match.data
            assert isinstance(path, str)
            assert isinstance(where, tuple)
            for offset, semaphore in where:
                places.append(
                    Place(match.name, path, offset, semaphore, int(bool(counted)), match.cookie)
                )
                counted = False
        multi = scope.target.has("uprobe_multi")
        return binaries.probe_specs(places, program, scope, multi)

    def search(
        self, arguments: Sequence[str], scope: ExpandScope
    ) -> Iterable[tuple[str, Match | None]]:
        file, group, name = _parts(arguments, scope)
        for path in binaries.find_paths(file, scope, running=True):
            elf = scope.target.elf(path)
            if elf is not None:
                names = {_name(path, probe) for probe in _fitting(elf, group, name)}
                for each in sorted(names):
                    yield each, None


def _parts(arguments: Sequence[str], scope: ExpandScope) -> tuple[str, str, str]:
    """File, provider and name. No provider is any; no file, with -p, all that the process has."""
    file, *rest = arguments
    if not file and scope.pid is not None and not scope.child:
        file = "*"
    group = rest[0] if len(rest) == 2 else ""
    return file, group or "*", rest[-1] if rest else "*"


def _fitting(elf: ElfFile, group: str, name: str) -> Iterator[UsdtProbe]:
    fits_group, fits_name = matcher(group), matcher(name)
    for probe in elf.usdt_probes():
        if fits_name(probe.name) and fits_group(probe.provider):
            yield probe


def _name(path: str, probe: UsdtProbe) -> str:
    return f"usdt:{path}:{probe.provider}:{probe.name}"


def _matches(path: str, elf: ElfFile, group: str, name: str) -> Iterator[Match]:
    """One match for each probe and distinct argument note, with all the places that have it.

    The last of its data tells the first match of a probe, which counts for all.
    """
    places: dict[tuple[str, str, int], list[UsdtProbe]] = {}
    for probe in _fitting(elf, group, name):
        moves = any(argument.relocated for argument in probe.arguments or ())
        key = (_name(path, probe), probe.specification, probe.address if moves else 0)
        places.setdefault(key, []).append(probe)
    counted = ""
    for (full, _specification, address), probes in sorted(places.items(), key=itemgetter(0)):
        first = probes[0]
        needs = ("usdt", first.arguments, first.problem, address)
        where = tuple((p.offset, p.semaphore) for p in probes)
        yield Match(full, needs, (path, where, full != counted))
        counted = full


PROVIDERS = (Usdt(),)
