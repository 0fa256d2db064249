"""Checked handlers to a plan: lowering, compiling, and putting together what an engine needs."""

from __future__ import annotations

import re

from prybee.compiler.compile import MODERN, Options, compile_module
from prybee.compiler.passes.scratch import ENTRY, TooLarge
from prybee.diagnostics import ERROR, Diagnostic, ScriptError
from prybee.language.lower import globals as global_data
from prybee.language.lower.maps import Counted, ReadByKey
from prybee.language.lower.records import PERFBUF, RINGBUF
from prybee.language.lower.script import ScriptLowering
from prybee.language.types import MinMaxType
from prybee.plan.plan import (
    ClockAttach,
    Globals,
    MapSpec,
    PerfEventAttach,
    Plan,
    ProbeSpec,
    ProgramSpec,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

    from prybee.compiler.compile import Compiled
    from prybee.compiler.ir import Module
    from prybee.diagnostics import Source
    from prybee.language.checker import Checker
    from prybee.language.config_table import Config
    from prybee.language.expansion import Expansion, ProbeBlock
    from prybee.language.frontend import CompileOptions
    from prybee.language.script import MapSymbol, Variant
    from prybee.plan.target import Target

_BPF_F_MMAPABLE = 1 << 10

# What all large values of a probe may take, on each CPU.
_MAX_SCRATCH = 16 * ENTRY

_MIN_RINGBUF = 256 << 10
_MAX_RINGBUF = 8 << 20
_MIN_PERFBUF = 128 << 10


def assemble(
    source: Source,
    target: Target,
    checker: Checker,
    expansion: Expansion,
    blocks: list[ProbeBlock],
    options: CompileOptions,
    dumps: dict[str, str],
) -> Plan:
    """Compile all variants and make the plan.

    Raises:
        CompilerError: a program cannot be made.
    """
    shared: set[str] = set()
    counted: set[str] = set()
    while True:
        try:
            return _assemble(
                source, target, checker, expansion, blocks, options, dumps, shared, counted
            )
        except Counted as found:
            symbol = checker.maps[found.name]
            if symbol.declared_kind.endswith("lruhash"):
                raise _uncounted(source, symbol) from None
            counted.add(found.name)
            dumps.pop("ssa", None)
        except ReadByKey as found:
            if isinstance(checker.maps[found.name].value_type, MinMaxType):
                raise _unreadable(source, checker.maps[found.name]) from None
            shared.add(found.name)
            dumps.pop("ssa", None)


def _uncounted(source: Source, symbol: MapSymbol) -> ScriptError:
    message = f"This kernel cannot count the elements of {symbol.name}, of which it drops old ones"
    hint = "len() of such a map takes bpf_for_each_map_elem (Linux 5.13); declare it as hash"
    return ScriptError([Diagnostic(ERROR, message, symbol.span, (hint,))])


def _unreadable(source: Source, symbol: MapSymbol) -> ScriptError:
    span = symbol.span
    return ScriptError(
        [
            Diagnostic(
                ERROR,
                f"This kernel cannot read {symbol.name} by key in a probe: it has min() or "
                "max() of each CPU (bpf_map_lookup_percpu_elem, Linux 5.19)",
                span,
                (f"keep a number: if ($n > {symbol.name}[…]) {{ {symbol.name}[…] = $n }}",),
            )
        ]
    )


def _assemble(
    source: Source,
    target: Target,
    checker: Checker,
    expansion: Expansion,
    blocks: list[ProbeBlock],
    options: CompileOptions,
    dumps: dict[str, str],
    shared: set[str],
    counted: set[str],
) -> Plan:
    variants = [variant for block in blocks for variant in block.variants]
    lowering = ScriptLowering(source, checker, target, variants, options.misses, shared, counted)
    lowering.patient = options.patient
    compiler = _Programs(target, checker, lowering, options, dumps)
    probes: list[ProbeSpec] = []
    for block in blocks:
        several = len(block.variants) > 1
        for variant, provider, spans in zip(
            block.variants, block.providers, block.spans, strict=True
        ):
            if several:
                # The tree carries the types of the variant that was checked last.
                checker.check_variant(variant)
            filtered = (
                options.pid is not None and not options.child and provider.pid_filter == "body"
            )
            program = compiler.program(variant, filtered)
            written = dict(zip([m.name for m in variant.matches], spans, strict=True))
            probes += [
                _by_clock(spec, variant).replace(span=spec.span or written.get(spec.name, spans[0]))
                for spec in provider.attach(variant.matches, program, expansion.scope)
            ]
    if len(probes) > 1 and any(variant.context.session for variant in variants):
        from prybee.language.sessions import join

        probes = join(probes, compiler.compiled, target)
    btf, programs = compiler.finish()
    return Plan(
        name=source.name,
        programs=programs,
        maps=tuple(_maps(lowering, compiler.scratch, checker.config, target)),
        script_maps=tuple(lowering.script_maps),
        probes=tuple(probes),
        records=tuple(lowering.records),
        globals=Globals(
            map=global_data.MAP_NAME,
            size=lowering.globals.size,
            wake=global_data.WAKE,
            exit=global_data.EXIT,
            start=global_data.START,
            lost=global_data.LOST,
            blocks=tuple(block.name for block in blocks),
            cpu_slots=lowering.globals.cpu_slots,
            request=lowering.walk_words[0] if lowering.walks else -1,
            resume=lowering.walk_words[1] if lowering.walks else -1,
            stop=lowering.stop,
        ),
        counters=tuple(lowering.counters.specs.values()),
        btf=btf,
        license=checker.config.license,
        walks=tuple(lowering.walks),
        skipped=tuple(expansion.skipped),
        patient=options.patient,
    )


def _by_clock(spec: ProbeSpec, variant: Variant) -> ProbeSpec:
    """An interval whose program became one that the session runs (walks.py)."""
    way = spec.attach
    if not isinstance(way, PerfEventAttach) or variant.context.program_type == "perf_event":
        return spec
    return spec.replace(attach=ClockAttach(way.period or 1_000_000_000 // way.frequency))


class _Programs:
    """Compiles one variant after the other."""

    def __init__(
        self,
        target: Target,
        checker: Checker,
        lowering: ScriptLowering,
        options: CompileOptions,
        dumps: dict[str, str],
    ) -> None:
        self.checker = checker
        self.lowering = lowering
        self.options = options
        self.dumps = dumps
        self.features = _features(target)
        # Bytes of the scratch map's entry in use so far.
        self.scratch = 0
        self._next = 0
        self._names: set[str] = set()
        # What is made so far: a program each, and the variant that it was made of.
        self.compiled: list[tuple[Compiled, Variant]] = []

    def program(self, variant: Variant, pid_filter: bool) -> str:
        """Compile a variant; the name of its program."""
        pid = self.options.pid if pid_filter else None
        name = self._name(variant)
        module = self.lowering.handler(variant, name, pid)
        if "ssa" in self.options.stages:
            from prybee.compiler.text import ssa_text

            self.dumps["ssa"] = self.dumps.get("ssa", "") + ssa_text(module) + "\n"
        try:
            compiled = self._compile(module, self._next)
            if compiled.scratch_size > ENTRY and self._next:
                # No room behind the others' memory: share it with them, from the start.
                compiled = self._compile(self.lowering.handler(variant, name, pid), 0)
        except TooLarge as failure:
            self._no_room(variant, f"A value of this probe needs {failure.size} bytes", ENTRY)
        if compiled.scratch_size > _MAX_SCRATCH:
            needed = f"This probe needs {compiled.scratch_size} bytes"
            self._no_room(variant, needed, _MAX_SCRATCH)
        self._next = max(self._next, compiled.scratch_size)
        self.scratch = max(self.scratch, compiled.scratch_size)
        self.compiled.append((compiled, variant))
        return name

    def _no_room(self, variant: Variant, needed: str, most: int) -> NoReturn:
        raise ScriptError(
            [
                Diagnostic(
                    ERROR,
                    f"{needed} of memory for strings and other large values, of {most} at most",
                    variant.probe.span(self.lowering.source),
                    ("make max_strlen smaller, or split the probe",),
                )
            ]
        )

    def _compile(self, module: Module, base: int) -> Compiled:
        return compile_module(module, Options(self.features, base))

    def _name(self, variant: Variant) -> str:
        plain = re.sub(r"\W+", "_", variant.matches[0].name).strip("_")
        name = f"{plain}_{len(self._names) + 1}"
        self._names.add(name)
        return name

    def finish(self) -> tuple[bytes, tuple[ProgramSpec, ...]]:
        """The programs' common BTF, and the programs."""
        from prybee.compiler.debug_info import debug_info

        debug = debug_info([compiled for compiled, _variant in self.compiled])
        specs = []
        for compiled, variant in self.compiled:
            functions, lines = debug.programs[compiled.name]
            context = variant.context
            specs.append(
                ProgramSpec(
                    name=compiled.name,
                    type=context.program_type,
                    insns=compiled.insns,
                    relocations=compiled.relocations,
                    functions=functions,
                    lines=lines,
                    attach_type=context.attach_type,
                    attach_to=context.attach_to,
                    attach_module=context.attach_module,
                    sleepable=context.sleepable,
                    places=compiled.spans,
                )
            )
            if "asm" in self.options.stages:
                from prybee.compiler.listing import assembly

                text = assembly(compiled, self.lowering.source)
                self.dumps["asm"] = self.dumps.get("asm", "") + text + "\n"
        return debug.btf, tuple(specs)


def _features(target: Target) -> dict[str, bool]:
    """What the code may use: each is asked for where the kernel does not take all together."""
    if target.has("modern"):
        return MODERN
    return {feature: target.has(feature) for feature in MODERN}


def _maps(lowering: ScriptLowering, scratch: int, config: Config, target: Target) -> list[MapSpec]:
    maps = [
        MapSpec(
            global_data.MAP_NAME, "array", 4, lowering.globals.size, 1, flags=_BPF_F_MMAPABLE,
            initial=lowering.globals.initial,
        ),
        _records_map(lowering, config, target),
    ]  # fmt: skip
    if scratch:
        entries = -(-scratch // ENTRY)
        size = ENTRY if entries > 1 else (scratch + 7) // 8 * 8
        maps.append(MapSpec("scratch", "percpu_array", 4, size, entries))
    return maps + lowering.maps


def _records_map(lowering: ScriptLowering, config: Config, target: Target) -> MapSpec:
    """What records go through."""
    size = _ring_size(lowering, config, target)
    if lowering.ring:
        return MapSpec(RINGBUF, "ringbuf", 0, 0, size)
    if lowering.records and not config.perf_rb_pages:
        # The same memory for all; where the user said how much, it is for each CPU.
        size = max(size // lowering.globals.cpu_slots, _MIN_PERFBUF)
    cpus = max(target.possible_cpus) + 1
    return MapSpec(PERFBUF, "perf_event_array", 4, 4, cpus, share=size)


def _ring_size(lowering: ScriptLowering, config: Config, target: Target) -> int:
    """Bytes of the ring buffer: a power of two, and whole pages."""
    page = target.page_size
    if not lowering.records:
        return page
    if config.perf_rb_pages:
        wanted = config.perf_rb_pages * page
        return 1 << (wanted - 1).bit_length()
    share = target.available_memory >> 8
    return min(max(1 << max(share.bit_length() - 1, 0), _MIN_RINGBUF), _MAX_RINGBUF)
