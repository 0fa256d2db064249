"""Lowering of a whole script: its maps, records and counters, shared by all handlers."""

from __future__ import annotations

from prybee.compiler.ir import I64, Module
from prybee.language.lower import globals as global_data
from prybee.language.lower import loops
from prybee.language.lower.globals import GlobalData
from prybee.language.lower.handler import Handler
from prybee.language.lower.maps import BUCKETED, SHORT_KEY, Global, Hash, PerCpu, Storage, key_size
from prybee.language.types import (
    AggregationType,
    HistType,
    LhistType,
    SumType,
    TseriesType,
    Type,
    is_scalar,
    layout_of,
)
from prybee.plan.plan import CounterSpec, MapSpec, RecordSpec, ScriptMap, WalkSpec

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from prybee.diagnostics import Source, Span
    from prybee.language import tree
    from prybee.language.checker import Checker
    from prybee.language.registry import Function
    from prybee.language.script import MapSymbol, Variant
    from prybee.plan.target import Target

_BPF_F_NO_PREALLOC = 1

PACKETS = "packets"


class Counters:
    """Places in global data that count what went wrong, one for each cause and place."""

    def __init__(self, data: GlobalData) -> None:
        self._data = data
        self.specs: dict[tuple[str, str, Span | None], CounterSpec] = {}

    def _counter(self, kind: str, name: str, span: Span | None) -> int:
        key = (kind, name, span)
        spec = self.specs.get(key)
        if spec is None:
            spec = CounterSpec(kind, name, self._data.single(16).offset, span)
            self.specs[key] = spec
        return spec.offset

    def helper(self, name: str, span: Span | None) -> int:
        """Failures of a helper call."""
        kind = "read" if name.startswith("probe_read") else "helper"
        return self._counter(kind, name, span)

    def update(self, map_name: str, span: Span | None) -> int:
        """Values that did not fit a map."""
        return self._counter("map_full", map_name, span)

    def division(self, span: Span | None, op: str) -> int:
        """Divisions by zero."""
        return self._counter("division", op, span)

    def bounds(self, span: Span | None, count: int) -> int:
        """Indexes outside of an array of ``count``."""
        return self._counter("bounds", str(count), span)

    def rounds(self, span: Span | None, most: int) -> int:
        """Loops that ended after ``most`` rounds, before their time."""
        return self._counter("rounds", str(most), span)

    def lookup(self, map_name: str, span: Span | None) -> int:
        """Reads of keys that were not there."""
        return self._counter("lookup", map_name, span)

    def missing(self, map_name: str, span: Span | None) -> int:
        """Deletions of keys that were not there."""
        return self._counter("delete", map_name, span)


class ScriptLowering:
    """Turns checked handlers into SSA modules, and gathers what the plan needs beside them."""

    def __init__(
        self,
        source: Source,
        checker: Checker,
        target: Target,
        variants: Sequence[Variant],
        misses: bool = False,
        shared: Collection[str] = (),
        counted: Collection[str] = (),
    ) -> None:
        """
        Args:
            misses: whether reads of map elements that do not exist are counted.
            shared: aggregations to keep for all CPUs together.
            counted: maps whose elements to count.
        """
        self.source = source
        self.misses = misses
        self._shared = shared
        self._counted = counted
        self.checker = checker
        self.target = target
        self.config = checker.config
        self.possible_cpus = len(target.possible_cpus)
        self._modern = target.has("modern")
        # Whether records go through a ring buffer; else through a perf buffer.
        self.ring = self.can("ringbuf")
        # Values that are printed wait until the reader comes by itself.
        self.patient = False
        self.blocks = 1 + max((variant.index for variant in variants), default=0)
        self.globals = GlobalData(self.blocks, self.possible_cpus)
        self.counters = Counters(self.globals)
        self.records: list[RecordSpec] = []
        self.maps: list[MapSpec] = []
        self.script_maps: list[ScriptMap] = []
        self._record_ids: dict[RecordSpec, int] = {}
        self.storages: dict[str, Storage] = {}
        self._exits: int | None = None
        # Offset in the global data of the word that makes programs leave at once; -1: none.
        self.stop = -1
        self.walks: list[WalkSpec] = []
        self._walk_words: tuple[int, int] | None = None
        for symbol in checker.maps.values():
            if symbol.value_type is not None:
                self._place(symbol)

    def can(self, feature: str) -> bool:
        """Whether the kernel can do ``feature``, which every modern one can."""
        return self._modern or self.target.has(feature)

    @property
    def walks_in_kernel(self) -> bool:
        """Whether the kernel walks over maps, and finds keys in their places."""
        return self.can("helper:for_each_map_elem") and self.can("large_keys")

    # -- maps ----------------------------------------------------------------------------------

    def _place(self, symbol: MapSymbol) -> None:
        """Decide where a map of the script is kept."""
        value = symbol.value_type
        assert value is not None
        name = symbol.name
        aggregation = isinstance(value, AggregationType)
        if not symbol.keyed and not symbol.declared_kind:
            if isinstance(value, AggregationType) and not isinstance(value, TseriesType):
                self._place_per_cpu(name, value)
                return
            if is_scalar(value):
                slot = self.globals.single(16)
                self.storages[name] = Global(name, value, slot)
                self.script_maps.append(
                    ScriptMap(
                        name, None, layout_of(value), global_data.MAP_NAME,
                        storage="global", offset=slot.offset, written=8,
                    )
                )  # fmt: skip
                return
        spec = map_name(name)
        shared = name in self._shared
        keyed = symbol.key_type if symbol.keyed else None
        buckets = isinstance(value, BUCKETED)
        size = (16 if buckets else 8) if keyed is None else key_size(keyed, buckets)
        storage, behind = Hash(name, spec, symbol.key_type, value, shared), 0
        if size > SHORT_KEY and not self.can("large_keys"):
            from prybee.language.lower.digests import Digested
            from prybee.plan.digests import SIZE

            storage = Digested(name, spec, symbol.key_type, value, shared)
            behind, size = size, SIZE
        self.storages[name] = storage
        if name in self._counted:
            storage.counter = self.globals.single(8).offset
        entries = symbol.declared_entries or self.config.max_map_keys
        if not symbol.keyed and not storage.buckets:
            entries = 1
        elif not symbol.keyed and isinstance(value, TseriesType):
            entries = value.buckets
        kind = _KINDS.get(symbol.declared_kind) or ("percpu_hash" if aggregation else "hash")
        if shared:
            kind = kind.replace("percpu_", "")
        self.maps.append(MapSpec(spec, kind, size, storage.stored_size, entries, script_name=name))
        self.script_maps.append(
            ScriptMap(
                name,
                layout_of(keyed) if keyed is not None else None,
                layout_of(value),
                spec,
                per_cpu=aggregation,
                counter=storage.counter,
                key_behind=behind,
            )
        )

    def _place_per_cpu(self, name: str, value: AggregationType) -> None:
        flag = -1
        if isinstance(value, HistType | LhistType):
            size = 8 * bucket_slots(value)
        elif isinstance(value, SumType):
            size, flag = 16, 8
        else:
            size = value.size
        slot = self.globals.per_cpu(size)
        self.storages[name] = PerCpu(name, value, slot, flag)
        self.script_maps.append(
            ScriptMap(
                name, None, layout_of(value), global_data.MAP_NAME, storage="global",
                offset=slot.offset, stride=slot.stride, per_cpu=True, written=flag,
            )
        )  # fmt: skip

    def storage(self, node: tree.Map | tree.MapAccess) -> Storage:
        """How the map that a node names is kept."""
        from prybee.language import tree

        return self.storages[node.map.name if isinstance(node, tree.MapAccess) else node.name]

    # -- records -------------------------------------------------------------------------------

    def record(self, spec: RecordSpec) -> int:
        """The number of a kind of record; equal kinds share one."""
        known = self._record_ids.get(spec)
        if known is None:
            known = self._record_ids[spec] = len(self.records) + 1
            self.records.append(spec.replace(id=known))
        return known

    def packets(self) -> str:
        """The name of the map that packets go through; it becomes part of the plan."""
        if all(spec.name != PACKETS for spec in self.maps):
            cpus = max(self.target.possible_cpus) + 1
            self.maps.append(MapSpec(PACKETS, "perf_event_array", 4, 4, cpus))
        return PACKETS

    @property
    def walk_words(self) -> tuple[int, int]:
        """Offsets of the words ``request`` and ``resume`` (walks.py)."""
        if self._walk_words is None:
            self._walk_words = self.globals.single(8).offset, self.globals.single(8).offset
        return self._walk_words

    @property
    def exits(self) -> int:
        """Offset in the global data of the word that counts calls of exit()."""
        if self._exits is None:
            self._exits = self.globals.single(8).offset
        return self._exits

    # -- handlers ------------------------------------------------------------------------------

    def function(self, name: str) -> Function:
        """A function of the language that the checker has found before."""
        function = self.checker.registry.functions.get(name)
        assert function is not None
        return function

    def handler(self, variant: Variant, name: str, pid: int | None = None) -> Module:
        """The SSA module of one variant's program; with ``pid`` only for that process."""
        module = Module(name)
        module.stack_limit_object = self.config.on_stack_limit
        handler = Handler(self, variant, module)
        probe = variant.probe
        body = probe.body
        ours = not self.walks_in_kernel
        if ours:
            from prybee.language.lower import walks

            ours = walks.wanted(variant)
        if ours:
            # Programs of no other type can be run by user space.
            variant.context.program_type = "raw_tracepoint"
        if not ours and variant.context.program_type in _SLOW_TO_DETACH:
            self._unless_stopped(handler)
        variant.context.prologue(handler)
        if ours:
            walks.begin(handler, body)
        if variant.never:
            handler.b.ret(variant.context.return_value)
            return module
        if pid is not None:
            self._filter(handler, variant, pid)
        if probe.predicate is not None:
            handler.at(probe.predicate)
            condition = handler.truth(handler.lower(probe.predicate))
            inside, outside = handler.block("body"), handler.block("end")
            handler.b.branch(condition, inside, outside)
            handler.start(outside)
            handler.b.ret(variant.context.return_value)
            handler.start(inside)
        loops.prepare(handler, body)
        handler.lower_block(body)
        if not handler.b.terminated:
            handler.b.span = None
            handler.b.ret(variant.context.return_value)
        if ours:
            walks.finish(handler)
        return module

    def _unless_stopped(self, handler: Handler) -> None:
        """Leave the handler once the trace has ended, where detaching takes long.

        Before there were links for perf events (Linux 5.15) each of them is closed in its turn, in
        a tenth of a second; programs that leave at once are as good as gone meanwhile.
        """
        if self.can("perf_link"):
            return
        if self.stop < 0:
            self.stop = self.globals.single(8).offset
        inside, outside = handler.block("running"), handler.block("stopped")
        stopped = handler.b.load(I64, handler.global_pointer(self.stop), 0)
        handler.b.branch(handler.b.icmp("ne", stopped, 0), outside, inside, False)
        handler.start(outside)
        handler.b.ret(handler.context.return_value)
        handler.start(inside)

    def _filter(self, handler: Handler, variant: Variant, pid: int) -> None:
        """Leave the handler unless process ``pid`` runs."""
        from prybee.language import tree

        probe = variant.probe
        function = self.function("pid")
        call = tree.Call("pid", [], probe.start, probe.start, probe.end)
        call.type = function.check(call, self.checker)
        handler.at(probe)
        current = function.lower(call, handler)
        assert current is not None
        inside, outside = handler.block("process"), handler.block("other")
        handler.b.branch(handler.b.icmp("eq", handler.number(current), pid), inside, outside)
        handler.start(outside)
        handler.b.ret(variant.context.return_value)
        handler.start(inside)


# Types of the programs that perf events of functions and of tracepoints run.
_SLOW_TO_DETACH = ("kprobe", "tracepoint")

_KINDS = {
    "hash": "hash",
    "lruhash": "lru_hash",
    "percpuhash": "percpu_hash",
    "percpulruhash": "lru_percpu_hash",
}


def map_name(name: str) -> str:
    """The kernel's name for a map of the script: ``@start`` is ``AT_start``, as upstream has it."""
    return "AT_" + name[1:]


def bucket_slots(type_: Type) -> int:
    """How many buckets a scalar histogram has room for: a power of two, for masking."""
    if isinstance(type_, HistType):
        return 128 << type_.bits if type_.bits else 128
    assert isinstance(type_, LhistType)
    wanted = (type_.max - type_.min + type_.step - 1) // type_.step + 2
    return 1 << (wanted - 1).bit_length()
