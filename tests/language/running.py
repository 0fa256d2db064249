"""Compiles scripts for the running kernel, loads them, and runs their ``begin`` there.

Works below the engines and the session, so that the language's tests stand on their own: what a
script prints comes back as Python values.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

from prybee.diagnostics import Source
from prybee.engines import digests
from prybee.engines.live import LiveTarget
from prybee.language.frontend import Compilation, CompileOptions, compile_script
from prybee.language.registry import Registry
from prybee.linux.maps import Map
from prybee.linux.programs import LoadedBtf, LoadRefused, Program
from prybee.linux.ringbuf import RingBuffer
from prybee.plan import layouts
from prybee.plan.plan import MapSpec, Plan, RecordSpec, ScriptMap, SpecialAttach
from tests.conftest import need

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prybee.plan.layouts import Layout

TARGET = LiveTarget()


def registry() -> Registry:
    """The real functions and probe types."""
    from prybee import functions, probes

    return Registry(functions.TABLE, probes.TABLE)


def compile_text(text: str, target: Any = None, **options: Any) -> Compilation:
    """Compile a script for this machine (or ``target``)."""
    return compile_script(
        Source("stdin", text), target or TARGET, registry(), CompileOptions(**options)
    )


class Loaded:
    """A plan in the kernel. A context manager."""

    def __init__(self, plan: Plan, log_level: int = 0) -> None:
        if plan.walks:
            # Without it, it is the engine that walks over maps (tests/live/test_older_ways.py).
            need("helper:for_each_map_elem")
        self.plan = plan
        self.maps: dict[str, Map] = {}
        self.programs: dict[str, Program] = {}
        try:
            for spec in plan.maps:
                self.maps[spec.name] = _create(spec)
            with LoadedBtf.load(plan.btf) as btf:
                for program in plan.programs:
                    image = bytearray(program.insns)
                    for relocation in program.relocations:
                        if relocation.kind == "kfunc":
                            assert TARGET.btf is not None
                            number = TARGET.btf.function(relocation.symbol)
                        else:
                            assert relocation.kind in ("map", "map_value"), relocation
                            number = self.maps[relocation.symbol].fd
                        struct.pack_into("<i", image, relocation.insn * 8 + 4, number)
                    btf_id = 0
                    if program.attach_to:
                        assert TARGET.btf is not None
                        name = program.attach_to
                        btf_id = TARGET.btf.function(name) or TARGET.btf.find(name, "typedef")
                    self.programs[program.name] = _load(
                        program.type,
                        bytes(image),
                        program.name,
                        plan.license,
                        attach_type=program.attach_type or 0,
                        attach_btf_id=btf_id,
                        btf=btf,
                        functions=program.functions,
                        lines=program.lines,
                        log_level=log_level,
                    )
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        for item in (*self.maps.values(), *self.programs.values()):
            item.close()

    def __enter__(self) -> Loaded:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def run(self, event: str = "begin") -> list[tuple[str, list[Any]]]:
        """Run the special probes called ``event``; the records they sent: (action, values)."""
        return [(record.action, values) for record, values in self.records(event)]

    def records(self, event: str = "begin") -> list[tuple[RecordSpec, list[Any]]]:
        """The same with the whole kind of each record."""
        for probe in self.plan.probes:
            if isinstance(probe.attach, SpecialAttach) and probe.attach.event == event:
                self.programs[probe.program].test_run()
        found: list[tuple[RecordSpec, list[Any]]] = []
        kinds = {record.id: record for record in self.plan.records}
        with RingBuffer(self.maps["ringbuf"]) as ring:
            while (batch := ring.take()) is not None:
                memory, runs = batch
                for kind, start, step, count in runs:
                    record = kinds[kind]
                    for index in range(count):
                        at = start + index * step
                        data = bytes(memory[at : at + record.size])
                        values = [decode(layout, data[o:]) for o, layout in record.fields]
                        found.append((record, values))
        return found

    def counters(self) -> dict[tuple[str, str], int]:
        """(kind, name) → count of what went wrong."""
        data = self.maps["globals"].lookup(struct.pack("<I", 0)) or b""
        found: dict[tuple[str, str], int] = {}
        for counter in self.plan.counters:
            count = struct.unpack_from("<Q", data, counter.offset)[0]
            if count:
                key = (counter.kind, counter.name)
                found[key] = found.get(key, 0) + count
        return found

    def script_map(self, name: str) -> Any:
        """The content of a map of the script: a value, or a dict by key."""
        described = next(m for m in self.plan.script_maps if m.name == name)
        if described.storage == "global":
            return self._scalar(described)
        kernel_map = self.maps[described.spec]
        items = {}
        for key, values in self._items(described):
            decoded = [decode(described.value, v) for v in values]
            shown = decode(described.key, key) if described.key is not None else None
            if isinstance(described.value, layouts.HistLayout | layouts.LhistLayout):
                shown = (shown, struct.unpack("<Q", key[-8:])[0])
            items[shown] = _merge(described.value, decoded) if kernel_map.per_cpu else decoded[0]
        if described.key is None and not isinstance(
            described.value, layouts.HistLayout | layouts.LhistLayout
        ):
            return items.get(None)
        return items

    def _items(self, described: ScriptMap) -> Iterator[tuple[bytes, list[bytes]]]:
        """Keys, and a value or that of each CPU."""
        kernel_map = self.maps[described.spec]
        if described.key_behind:
            for key, value in digests.items(kernel_map, described):
                yield key, [value] if isinstance(value, bytes) else list(value)
            return
        for key, value in kernel_map.items():
            yield key, kernel_map.split(value) if kernel_map.per_cpu else [value]

    def _scalar(self, described: ScriptMap) -> Any:
        data = self.maps["globals"].lookup(struct.pack("<I", 0)) or b""
        if not described.per_cpu:
            return decode(described.value, data[described.offset :])
        parts = [
            data[described.offset + cpu * described.stride :]
            for cpu in range(self.plan.globals.cpu_slots)
        ]
        if isinstance(described.value, layouts.HistLayout | layouts.LhistLayout):
            slots = described.stride // 8
            sums = [
                sum(struct.unpack_from("<Q", part, slot * 8)[0] for part in parts)
                for slot in range(slots)
            ]
            return {slot: count for slot, count in enumerate(sums) if count}
        return _merge(described.value, [decode(described.value, part) for part in parts])


def _load(*words: Any, **options: Any) -> Program:
    """Loads a program; one that is refused comes with the end of what the verifier says of it."""
    try:
        return Program.load(*words, **options)
    except LoadRefused as refused:
        if not refused.log:
            try:
                return Program.load(*words, **{**options, "log_level": 1})
            except LoadRefused as again:
                refused.log = again.log
        if hasattr(refused, "add_note"):
            refused.add_note(refused.log[-600:])
        raise


def _create(spec: MapSpec) -> Map:
    made = Map.create(
        spec.type, spec.key_size, spec.value_size, spec.max_entries, spec.flags, spec.name
    )
    if spec.initial:
        made.update(struct.pack("<I", 0), spec.initial.ljust(spec.value_size, b"\0"))
    return made


def _merge(layout: Layout, values: list[Any]) -> Any:
    match layout:
        case layouts.MinMaxLayout():
            present = [value for value, flag in values if flag]
            return (max if layout.is_max else min)(present) if present else None
        case layouts.StatsLayout():
            total, count = (sum(column) for column in zip(*values, strict=True))
            return (count, total)
    return sum(values)


def decode(layout: Layout, data: bytes) -> Any:
    """The value that bytes mean."""
    data = data[: layout.size]
    little = int.from_bytes
    match layout:
        case layouts.BoolLayout():
            assert data in (b"\0", b"\1"), data
            return data == b"\1"
        case layouts.IntLayout() | layouts.EnumLayout() | layouts.SumLayout():
            return little(data, "little", signed=layout.signed)
        case layouts.StringLayout():
            return data.split(b"\0", 1)[0].decode("utf-8", "surrogateescape")
        case layouts.BufferLayout():
            return data[4 : 4 + little(data[:4], "little")]
        case layouts.ArrayLayout():
            size = layout.element.size
            return [
                decode(layout.element, data[i * size : (i + 1) * size]) for i in range(layout.count)
            ]
        case layouts.TupleLayout():
            return tuple(decode(f.layout, data[f.offset :]) for f in layout.fields)
        case layouts.StructLayout():
            return {f.name: _field(f, data) for f in layout.fields}
        case layouts.MinMaxLayout():
            return (little(data[:8], "little", signed=layout.signed), data[8])
        case layouts.StatsLayout():
            return (little(data[:8], "little", signed=layout.signed), little(data[8:16], "little"))
        case layouts.StackLayout():
            return little(data[:4], "little", signed=True)
        case layouts.NoneLayout():
            return None
    return little(data, "little")


def _field(field: layouts.Field, data: bytes) -> Any:
    if not field.bit_size:
        return decode(field.layout, data[field.offset :])
    word = int.from_bytes(data[field.offset : field.offset + 8], "little") >> field.bit_offset
    value = word & ((1 << field.bit_size) - 1)
    signed = isinstance(field.layout, layouts.IntLayout) and field.layout.signed
    if signed and value >> (field.bit_size - 1):
        value -= 1 << field.bit_size
    return value
