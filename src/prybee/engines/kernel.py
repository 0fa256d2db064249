"""The running kernel as an engine: a plan's maps, programs and probes as kernel objects.

The life of an engine, each step at most once and in this order, none of them required::

    with KernelEngine(plan) as engine:
        engine.load()
        engine.run_special("begin")
        report = engine.attach()
        …  engine.ring.take() …
        engine.detach()
        engine.run_special("end")
"""

from __future__ import annotations

import sys
import time

from prybee.data import Data
from prybee.diagnostics import KernelError, PrybeeError
from prybee.engines import loading
from prybee.engines.ring import PatientRing, Ring
from prybee.linux.programs import LoadedBtf, Statistics
from prybee.linux.ringbuf import RingBuffer
from prybee.plan import layouts
from prybee.plan.plan import ClockAttach, IterAttach, ProbeSpec, SpecialAttach, WatchpointAttach

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from mmap import mmap

    from prybee.btf import Btf
    from prybee.engines.live import LiveTarget
    from prybee.engines.perf_ring import PerfRecords
    from prybee.linux.links import Link
    from prybee.linux.maps import Map
    from prybee.linux.perfbuf import PerfBuffer
    from prybee.linux.programs import Program
    from prybee.plan.plan import CounterSpec, Plan, ScriptMap
    from prybee.plan.target import Target

    # Key, and the value or those of all CPUs.
    Items = Sequence[tuple[bytes, bytes | Sequence[bytes]]]

RING = "ringbuf"
PERF_BUFFER = "perfbuf"
PACKETS = "packets"
# Descriptors that the process needs for other things than probes.
_SPARE_DESCRIPTORS = 256


class AttachFailure(Data):
    """A probe that could not be attached, and why."""

    probe: ProbeSpec
    error: PrybeeError


class AttachReport(Data):
    """What came of attaching.

    ``attached`` are the probes that are on (special ones included), in the plan's order;
    ``count`` is how many probes of the language they stand for.
    """

    attached: tuple[ProbeSpec, ...]
    failures: tuple[AttachFailure, ...]

    @property
    def count(self) -> int:
        """How many probes the banner speaks of."""
        return sum(probe.count for probe in self.attached)


class KernelEngine:
    """Realises one plan; a context manager.

    Attributes:
        maps, programs: the kernel objects by their names in the plan, once loaded.
        ring: where records are read.
        globals: the global data, shared with the programs: a writable memoryview of bytes.
        logs: the verifier's log of each program, where ``log_level`` asked for it.
    """

    def __init__(
        self,
        plan: Plan,
        target: Target | None = None,
        *,
        log_level: int = 0,
        statistics: bool = False,
    ) -> None:
        """
        Args:
            target: the machine the plan was compiled for, so that its types are read once only.
            log_level: bits of ``linux.uapi.LOG_*``: keep verifier logs of accepted programs too.
            statistics: have the kernel count runs and run time of programs while this is open.
        """
        self.plan = plan
        self._target = target
        self._log_level = log_level
        self._statistics = Statistics.enable() if statistics else None
        self._program_btf: LoadedBtf | None = None
        self.maps: dict[str, Map] = {}
        self.programs: dict[str, Program] = {}
        self.logs: dict[str, str] = {}
        self._memory: mmap | None = None
        self._globals: memoryview | None = None
        self._ring: Ring | PerfRecords | None = None
        self._links: list[Link] = []
        self._iterators: list[tuple[ProbeSpec, Link]] = []
        # By the address that they watch.
        self._watching: dict[int, list[Link]] = {}
        # A target of our own, where none was given and something has to be looked up.
        self._own: LiveTarget | None = None

    def count(self) -> bool:
        """Has the kernel count runs and run time of programs; whether it can (Linux 5.8)."""
        if self._statistics is None:
            try:
                self._statistics = Statistics.enable()
            except KernelError:
                return False
        return True

    # -- loading ---------------------------------------------------------------------------------

    def load(self) -> None:
        """Creates the maps and loads the programs.

        Raises:
            VerifierRejected: a program was refused, explained.
            NotSupported: this kernel lacks something the plan needs.
            KernelError: refused otherwise; the hint says what privilege is missing.
        """
        plan = self.plan
        self._raise_limit()
        for spec in plan.maps:
            self.maps[spec.name] = loading.create_map(spec)
        self._map_globals()
        if RING in self.maps:
            wake = plan.globals.wake
            word = self.globals[wake : wake + 4].cast("I")
            buffer = RingBuffer(self.maps[RING])
            self._ring = PatientRing(buffer, word) if plan.patient else Ring(buffer, word)
        elif PERF_BUFFER in self.maps:
            from prybee.engines.perf_ring import PerfRecords

            share = next(spec.share for spec in plan.maps if spec.name == PERF_BUFFER)
            self._ring = PerfRecords(self.maps[PERF_BUFFER], share, plan.patient)
        if plan.btf and any(spec.functions for spec in plan.programs):
            self._program_btf = LoadedBtf.load(plan.btf)
        for program in plan.programs:
            loaded = loading.load_program(
                program, plan.license, self.maps, self._program_btf, self._types, self._log_level
            )
            self.programs[program.name] = loaded
            if loaded.log:
                self.logs[program.name] = loaded.log

    def _raise_limit(self) -> None:
        """Lets the process have as many descriptors as the plan takes, where that is allowed."""
        plan = self.plan
        wanted = _SPARE_DESCRIPTORS + len(plan.maps) + len(plan.programs) + 2 * len(plan.probes)
        if wanted <= 1024:  # What a process can open nearly everywhere.
            return
        import resource

        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if soft != resource.RLIM_INFINITY and soft < wanted:
            best = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
            try:
                resource.setrlimit(resource.RLIMIT_NOFILE, (best, hard))
            except (OSError, ValueError):
                pass  # Attaching will say what does not fit.

    def _map_globals(self) -> None:
        where = self.plan.globals
        if where.map not in self.maps:
            return
        self._memory = self.maps[where.map].memory()
        self._globals = memoryview(self._memory)[: where.size]
        if where.start + 8 <= where.size:
            self._globals[where.start : where.start + 8] = time.clock_gettime_ns(
                time.CLOCK_BOOTTIME
            ).to_bytes(8, "little")

    def _types(self, module: str) -> Btf | None:
        # Ids are those of the kernel's own types, wherever the script's come from.
        target = self._target or self._live()
        return target.module_btf(module) if module else target.own_btf

    def _live(self) -> LiveTarget:
        """The running machine: the given target if it is that, else one of our own."""
        from prybee.engines.live import LiveTarget

        if isinstance(self._target, LiveTarget):
            return self._target
        if self._own is None:
            self._own = LiveTarget()
        return self._own

    @property
    def ring(self) -> Ring | PerfRecords:
        """Where records are read."""
        if self._ring is None:
            raise PrybeeError("the engine has no ring buffer: it is not loaded, or closed")
        return self._ring

    @property
    def globals(self) -> memoryview:
        """The global data, shared with the programs."""
        if self._globals is None:
            raise PrybeeError("the engine has no global data: it is not loaded, or closed")
        return self._globals

    # -- running ---------------------------------------------------------------------------------

    def run_special(self, event: str) -> int:
        """Runs the programs of ``begin``, ``end`` or ``self:signal:SIGUSR1`` on this thread.

        Returns:
            how many there are.

        Raises:
            KernelError: one could not be run.
        """
        count = 0
        for probe in self.plan.probes:
            if isinstance(probe.attach, SpecialAttach) and probe.attach.event == event:
                self.run(probe)
                count += 1
        return count

    def run(self, probe: ProbeSpec) -> None:
        """Runs a probe's program on this thread; walks over maps where it asks for that.

        Raises:
            KernelError: it could not be run.
        """
        program = self.programs[probe.program]
        if not self.plan.walks:
            program.test_run()
            return
        from prybee.engines.walks import run

        run(self, program)

    def attach(self) -> AttachReport:
        """Attaches all probes so that programs at one place run in the script's order.

        What fails is reported, not raised: the caller knows whether a missing probe matters.
        """
        failures: dict[int, list[AttachFailure]] = {}
        fewer: dict[int, ProbeSpec] = {}
        # Special ones are run, not attached; a script of these alone needs nothing of what follows.
        special = SpecialAttach | ClockAttach
        real = [probe for probe in self.plan.probes if not isinstance(probe.attach, special)]
        if real:
            from prybee.engines import attaching

            for probe in attaching.order(real, self._live):
                missed: list[tuple[str, PrybeeError]] = []
                program = self.programs[probe.program]
                try:
                    made = attaching.attach(probe, program, self._live, missed)
                except PrybeeError as error:
                    failures[id(probe)] = [AttachFailure(probe, error)]
                    continue
                if missed:
                    kind = probe.name.partition(":")[0]
                    failures[id(probe)] = [
                        AttachFailure(probe.replace(name=f"{kind}:{function}", count=1), error)
                        for function, error in missed
                    ]
                    fewer[id(probe)] = probe.replace(count=probe.count - len(missed))
                if isinstance(probe.attach, IterAttach):
                    self._iterators.append((probe, made[0]))
                elif isinstance(probe.attach, WatchpointAttach):
                    self._watching.setdefault(probe.attach.address, []).extend(made)
                self._links += made
        probes = self.plan.probes
        return AttachReport(
            tuple([fewer.get(id(p), p) for p in probes if id(p) in fewer or id(p) not in failures]),
            tuple([failure for probe in probes for failure in failures.get(id(probe), ())]),
        )

    def iterate(self) -> Iterator[tuple[ProbeSpec, bytes]]:
        """Walks each iterator once: what its program wrote by seq_printf, piece by piece.

        Records that it sends come through the ring; take them between the pieces.
        """
        from prybee.linux import links

        for probe, link in self._iterators:
            for piece in links.iterator_pieces(link):
                yield probe, piece

    def unwatch(self, address: int) -> bool:
        """Takes off the watchpoints at an address; whether there were any."""
        found = self._watching.pop(address, [])
        if found:
            from prybee.engines import attaching

            gone = {id(link) for link in found}
            self._links = [link for link in self._links if id(link) not in gone]
            attaching.detach(found)
        return bool(found)

    def detach(self) -> None:
        """Detaches all probes: no program runs when this returns. A second call does nothing."""
        attached, self._links = self._links, []
        self._iterators = []
        self._watching = {}
        if attached:
            from prybee.engines import attaching

            stop = self.plan.globals.stop
            if stop >= 0 and self._globals is not None:
                self.globals[stop : stop + 8] = (1).to_bytes(8, sys.byteorder)
                attached = attaching.leave_stopped(attached)
            attaching.detach(attached)

    # -- reading ---------------------------------------------------------------------------------

    def map_items(self, script_map: ScriptMap) -> Items:
        """All elements of a map of the script: key and value, or each CPU's values.

        A scalar map has one element with an empty key; a scalar histogram one for each bucket
        that is not zero on all CPUs, whose key is the bucket's number (u64).
        """
        if script_map.storage != "global":
            kernel_map = self.maps[script_map.spec]
            if script_map.key_behind:
                from prybee.engines import digests

                return digests.items(kernel_map, script_map)
            if kernel_map.per_cpu:
                return kernel_map.cpu_items()
            items = kernel_map.items()
            # An aggregation of all CPUs together.
            return [(key, [value]) for key, value in items] if script_map.per_cpu else items
        value, at = script_map.value, script_map.offset
        if not script_map.per_cpu:
            return [(b"", bytes(self.globals[at : at + value.size]))]
        slots = self._slots(script_map)
        if isinstance(value, layouts.HistLayout | layouts.LhistLayout):
            return [
                (
                    bucket.to_bytes(8, "little"),
                    [slot[8 * bucket : 8 * bucket + 8] for slot in slots],
                )
                for bucket in range(script_map.stride // 8)
                if any(slot[8 * bucket : 8 * bucket + 8] != bytes(8) for slot in slots)
            ]
        return [(b"", [slot[: value.size] for slot in slots])]

    def map_value(self, script_map: ScriptMap, key: bytes = b"") -> bytes | Sequence[bytes] | None:
        """The value of one key (of a scalar map: the empty key); None where it has none."""
        if script_map.storage == "global":
            items = self.map_items(script_map)
            return items[0][1] if items else None
        kernel_map = self.maps[script_map.spec]
        if script_map.key_behind:
            from prybee.engines import digests

            return digests.value_of(kernel_map, script_map, key)
        value = kernel_map.lookup(key)
        if value is None or not script_map.per_cpu:
            return value
        return kernel_map.split(value) if kernel_map.per_cpu else [value]

    def map_written(self, script_map: ScriptMap) -> bool:
        """Whether a scalar map was ever written to; True where that is not tracked."""
        if script_map.storage != "global" or script_map.written < 0:
            return True
        flag = slice(script_map.written, script_map.written + 8)
        if script_map.per_cpu:
            return any(slot[flag] != bytes(8) for slot in self._slots(script_map))
        at = script_map.offset + script_map.written
        return bytes(self.globals[at : at + 8]) != bytes(8)

    def map_clear(self, script_map: ScriptMap) -> None:
        """Removes all elements.

        Raises:
            KernelError: refused.
        """
        if script_map.storage != "global":
            self.maps[script_map.spec].clear()
            if script_map.counter >= 0:
                self.globals[script_map.counter : script_map.counter + 8] = bytes(8)
            return
        size = self._extent(script_map)
        self.globals[script_map.offset : script_map.offset + size] = bytes(size)

    def map_zero(self, script_map: ScriptMap) -> None:
        """Sets all values to zero and keeps the keys.

        Raises:
            KernelError: refused.
        """
        if script_map.storage != "global":
            kernel_map = self.maps[script_map.spec]
            if script_map.key_behind:
                from prybee.engines import digests

                digests.zero(kernel_map, script_map)
                return
            zeros = bytes(kernel_map.stride * kernel_map.cpus)
            kernel_map.update_many([(key, zeros) for key, _ in kernel_map.items()])
            return
        if script_map.per_cpu:
            self.map_clear(script_map)
        else:
            # The flag that says it was written stays.
            at, size = script_map.offset, script_map.value.size
            self.globals[at : at + size] = bytes(size)

    def _slots(self, script_map: ScriptMap) -> list[bytes]:
        """The bytes of each CPU of a scalar map that is kept per CPU."""
        at, stride = script_map.offset, script_map.stride
        data = bytes(self.globals[at : at + stride * self.plan.globals.cpu_slots])
        return [data[i : i + stride] for i in range(0, len(data), stride)]

    def _extent(self, script_map: ScriptMap) -> int:
        """Bytes of global data that a scalar map takes, its flag included."""
        if script_map.per_cpu:
            return script_map.stride * self.plan.globals.cpu_slots
        return max(script_map.value.size, script_map.written + 8 if script_map.written >= 0 else 0)

    def counters(self) -> list[tuple[CounterSpec, int, int]]:
        """What went wrong in programs, if it did: cause, how often, and the last code."""
        data = self.globals
        found = []
        for spec in self.plan.counters:
            at = spec.offset
            count = int.from_bytes(data[at : at + 8], "little")
            if count:
                code = int.from_bytes(data[at + 8 : at + 16], "little", signed=True)
                found.append((spec, count, code))
        return found

    def lost(self) -> list[int]:
        """Records lost because the ring buffer was full, by probe block of the plan."""
        where = self.plan.globals
        words = self.globals[where.lost : where.lost + 8 * len(where.blocks)].cast("Q")
        return words.tolist()

    def packets(self) -> PerfBuffer:
        """The consumer of what ``skboutput()`` sends; the caller closes it.

        Raises:
            KernelError: the memory for it cannot be had.
        """
        from prybee.linux.perfbuf import PerfBuffer

        return PerfBuffer(self.maps[PACKETS])

    def program_stats(self) -> dict[str, tuple[int, int]]:
        """How often each program ran and the nanoseconds it took, while statistics were on."""
        return {name: program.statistics() for name, program in self.programs.items()}

    # -- the end ---------------------------------------------------------------------------------

    def close(self) -> None:
        """Detaches and gives everything back; a second call does nothing."""
        self.detach()
        if self._own is not None:
            self._own.close()
            self._own = None
        if self._ring is not None:
            self._ring.close()
            self._ring = None
        if self._globals is not None:
            try:
                self._globals.release()
                if self._memory is not None:
                    self._memory.close()
            except BufferError:
                pass  # Someone still looks at it; it goes when they are done.
            self._globals = self._memory = None
        for item in (*self.programs.values(), *self.maps.values()):
            item.close()
        if self._program_btf is not None:
            self._program_btf.close()
            self._program_btf = None
        if self._statistics is not None:
            self._statistics.close()
            self._statistics = None

    def __enter__(self) -> KernelEngine:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return (
            f"KernelEngine({self.plan.name}: {len(self.maps)} maps, {len(self.programs)} programs, "
            f"{len(self._links)} attachments)"
        )
