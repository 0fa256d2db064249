"""An engine without a kernel: it keeps records in a list, and notes what the session asks for."""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Iterator
from typing import Any

from prybee.data import Data
from prybee.diagnostics import KernelError, Source, Span
from prybee.output.names import Names
from prybee.output.sink import Sink
from prybee.output.text import TextOutput
from prybee.plan import layouts
from prybee.plan.plan import (
    CounterSpec,
    Globals,
    Plan,
    ProbeSpec,
    RecordSpec,
    ScriptMap,
    SpecialAttach,
    TracepointAttach,
)

S64, U64 = layouts.IntLayout(8, True), layouts.IntLayout(8, False)
SOURCE = Source("stdin", "begin { print(5 / @x) }")
BLOCKS = ("begin", "tracepoint:a:b")

PRINTF = RecordSpec(1, "printf", 16, ((8, S64),), ("<%d>\n",), probe="tracepoint:a:b")
EXIT = RecordSpec(2, "exit", 16, ((8, S64),))
PRINT_MAP = RecordSpec(3, "print_map", 8, (), ("@m", 0, 1))
CLEAR = RecordSpec(4, "clear", 8, (), ("@m",))
ZERO = RecordSpec(5, "zero", 8, (), ("@m",))

BEGIN = ProbeSpec("begin", "begin_1", SpecialAttach("begin"))
END = ProbeSpec("end", "end_1", SpecialAttach("end"))
USR1 = ProbeSpec("self:signal:SIGUSR1", "self_1", SpecialAttach("self:signal:SIGUSR1"))
TRACEPOINT = ProbeSpec("tracepoint:a:b", "tp_1", TracepointAttach("a", "b"))


def plan(
    *probes: ProbeSpec,
    records: tuple[RecordSpec, ...] = (PRINTF, EXIT, PRINT_MAP, CLEAR, ZERO),
    maps: tuple[ScriptMap, ...] = (),
    counters: tuple[CounterSpec, ...] = (),
) -> Plan:
    """A plan with these probes."""
    return Plan(
        name="stdin", programs=(), maps=(), script_maps=maps, probes=probes, records=records,
        globals=Globals(
            "globals", 256, wake=0, exit=8, start=16, lost=64, blocks=BLOCKS, cpu_slots=1
        ),
        counters=counters, btf=b"", license="GPL",
    )  # fmt: skip


def record(spec: RecordSpec, *numbers: int) -> bytes:
    """A record's bytes, with the eight that lie between two records."""
    body = struct.pack("<I4x", spec.id) + b"".join(struct.pack("<q", n) for n in numbers)
    assert len(body) == spec.size
    return body + struct.pack("<II", len(body), 0)


class FakeRing:
    """Batches wait in a list; the descriptor is readable while there are some."""

    def __init__(self, log: list[str]) -> None:
        self.batches: list[list[bytes]] = []
        self.log = log
        self.reader, self.writer = os.pipe()
        self.asleep = False

    def put(self, *records: bytes) -> None:
        self.batches.append(list(records))
        os.write(self.writer, b"x")

    def fileno(self) -> int:
        return self.reader

    def take(self) -> tuple[memoryview, list[tuple[int, int, int, int]]] | None:
        if not self.batches:
            return None
        batch = self.batches.pop(0)
        os.read(self.reader, 1)
        runs = []
        at = 0
        for data in batch:
            kind = struct.unpack_from("<I", data)[0]
            if runs and runs[-1][0] == kind and runs[-1][2] == len(data):
                first = runs[-1]
                runs[-1] = (kind, first[1], first[2], first[3] + 1)
            else:
                runs.append((kind, at, len(data), 1))
            at += len(data)
        return memoryview(b"".join(batch)), runs

    def sleep(self) -> bool:
        self.asleep = not self.batches
        return self.asleep

    def awake(self) -> None:
        self.asleep = False

    def close(self) -> None:
        os.close(self.reader)
        os.close(self.writer)


class Failure(Data):
    probe: ProbeSpec
    error: Exception


class Report(Data):
    attached: tuple[ProbeSpec, ...]
    failures: tuple[Failure, ...]

    @property
    def count(self) -> int:
        return len(self.attached)


class FakeEngine:
    """Notes the order of calls in ``log``; ``on`` maps an event to what happens then."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.log: list[str] = []
        self.ring = FakeRing(self.log)
        self.globals = memoryview(bytearray(plan.globals.size))
        self.on: dict[str, Callable[[], None]] = {}
        self.broken: set[str] = set()
        self.maps: dict[str, list[tuple[bytes, Any]]] = {}
        self.written: set[str] = set()
        self.counts: list[tuple[CounterSpec, int, int]] = []
        self.losses = [0] * len(plan.globals.blocks)

    def _happen(self, event: str) -> None:
        self.log.append(event)
        if event in self.on:
            self.on[event]()

    def load(self) -> None:
        self._happen("load")

    def run_special(self, event: str) -> int:
        if any(
            isinstance(p.attach, SpecialAttach) and p.attach.event == event
            for p in self.plan.probes
        ):
            self._happen(event)
            return 1
        return 0

    def attach(self) -> Report:
        self._happen("attach")
        bad = [p for p in self.plan.probes if p.name in self.broken]
        return Report(
            tuple(p for p in self.plan.probes if p not in bad),
            tuple(Failure(p, KernelError("perf_event_open", 1)) for p in bad),
        )

    def iterate(self) -> Iterator[tuple[ProbeSpec, bytes]]:
        return iter(())

    def unwatch(self, address: int) -> bool:
        self._happen(f"unwatch {address:#x}")
        return True

    def detach(self) -> None:
        self._happen("detach")

    def close(self) -> None:
        if "close" not in self.log:
            self._happen("close")
            self.ring.close()

    def map_items(self, script_map: ScriptMap) -> list[tuple[bytes, Any]]:
        return self.maps.get(script_map.name, [])

    def map_value(self, script_map: ScriptMap, key: bytes = b"") -> Any:
        return dict(self.maps.get(script_map.name, [])).get(key)

    def map_written(self, script_map: ScriptMap) -> bool:
        return script_map.name in self.written

    def map_clear(self, script_map: ScriptMap) -> None:
        self.log.append(f"clear {script_map.name}")
        self.maps[script_map.name] = []
        self.written.discard(script_map.name)

    def map_zero(self, script_map: ScriptMap) -> None:
        self.log.append(f"zero {script_map.name}")
        self.maps[script_map.name] = [
            (key, [bytes(len(v)) for v in value] if isinstance(value, list) else bytes(len(value)))
            for key, value in self.maps[script_map.name]
        ]

    def counters(self) -> list[tuple[CounterSpec, int, int]]:
        return self.counts

    def lost(self) -> list[int]:
        return self.losses


class Screen:
    """A text output into files, to be read back."""

    def __init__(self, tmp_path: Any) -> None:
        self.paths = (tmp_path / "out", tmp_path / "err")
        self.files = [os.open(p, os.O_WRONLY | os.O_CREAT | os.O_TRUNC) for p in self.paths]
        self.output = TextOutput(Sink(self.files[0]), Sink(self.files[1]), Names())

    @property
    def out(self) -> str:
        return str(self.paths[0].read_text())

    @property
    def errors(self) -> str:
        return str(self.paths[1].read_text())

    def close(self) -> None:
        for fd in self.files:
            os.close(fd)


def span() -> Span:
    return Span(SOURCE, 14, 20)
