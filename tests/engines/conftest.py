"""Plans made by hand: a few instructions each."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from prybee.compiler.compile import Relocation
from prybee.plan import plan as p
from tests.linux.conftest import CALL, EXIT, MOV64, descriptors, insn, lddw, returning

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from prybee.plan.plan import AttachSpec, MapSpec, Plan, ProbeSpec, ProgramSpec, ScriptMap

# Offsets in the global data of these plans.
WAKE, EXIT_WORD, START, LOST, DATA = 0, 8, 16, 64, 128
SIZE = 8192


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if os.geteuid() != 0:
        for item in items:
            if item.get_closest_marker("live"):
                item.add_marker(pytest.mark.skip(reason="needs root"))


@pytest.fixture(autouse=True)
def no_leak() -> Iterator[None]:
    """Fails a test that leaves descriptors open."""
    before = descriptors()
    yield
    after = descriptors()
    assert not {k: v for k, v in after.items() if before.get(k) != v}


class Code:
    """A program under construction."""

    def __init__(self) -> None:
        self.insns = b""
        self.relocations: list[Relocation] = []

    def load(self, register: int, kind: str, symbol: str, addend: int = 0) -> None:
        self.relocations.append(Relocation(len(self.insns) // 8, kind, symbol, addend))
        self.insns += lddw(register, 0)

    def only_us(self) -> None:
        """Ends the program unless the process is this one."""
        self.insns += insn(CALL, imm=14) + insn(0x77, 0, imm=32)
        # Equal: over the two instructions that end the program.
        self.insns += insn(0x16, 0, off=2, imm=os.getpid()) + returning(0)

    def count(self, offset: int = DATA) -> None:
        """Adds one to a word of global data."""
        self.load(1, "map_value", "globals", offset)
        self.insns += insn(MOV64, 2, imm=1) + insn(0xDB, 1, 2)

    def append_digit(self, digit: int, offset: int = DATA) -> None:
        """word = word * 10 + digit, to see in what order programs ran."""
        self.load(1, "map_value", "globals", offset)
        self.insns += insn(0x79, 2, 1) + insn(0x27, 2, imm=10) + insn(0x07, 2, imm=digit)
        self.insns += insn(0x7B, 1, 2)

    def send(self, kind: int) -> None:
        """A record of 16 bytes: kind, then zeros; counted as lost where there is no room."""
        self.insns += insn(0x7A, 10, 0, -16, 0) + insn(0x7A, 10, 0, -8, 0)
        self.insns += insn(0x62, 10, 0, -16, kind)
        self.load(1, "map", "ringbuf")
        self.insns += insn(0xBF, 2, 10) + insn(0x07, 2, imm=-16)
        self.insns += insn(MOV64, 3, imm=16) + insn(MOV64, 4, imm=0) + insn(CALL, imm=130)

    def finish(self) -> tuple[bytes, tuple[Relocation, ...]]:
        return self.insns + insn(MOV64, 0, imm=0) + insn(EXIT), tuple(self.relocations)


def program(name: str, code: Code, type_: str = "raw_tracepoint", **more: object) -> ProgramSpec:
    insns, relocations = code.finish()
    return p.ProgramSpec(name, type_, insns, relocations, **more)  # type: ignore[arg-type]


def probe(name: str, program_: str, attach: AttachSpec) -> ProbeSpec:
    return p.ProbeSpec(name, program_, attach)


def plan(
    programs: Sequence[ProgramSpec],
    probes: Sequence[ProbeSpec],
    maps: Sequence[MapSpec] = (),
    script_maps: Sequence[ScriptMap] = (),
    counters: Sequence[p.CounterSpec] = (),
    btf: bytes = b"",
    cpu_slots: int = 2,
) -> Plan:
    return p.Plan(
        name="test",
        programs=tuple(programs),
        maps=(
            p.MapSpec("globals", "array", 4, SIZE, 1, 1 << 10),
            p.MapSpec("ringbuf", "ringbuf", 0, 0, 4096),
            *maps,
        ),
        script_maps=tuple(script_maps),
        probes=tuple(probes),
        records=(),
        globals=p.Globals("globals", SIZE, WAKE, EXIT_WORD, START, LOST, ("a", "b"), cpu_slots),
        counters=tuple(counters),
        btf=btf,
        license="GPL",
    )


def word(data: memoryview, offset: int = DATA) -> int:
    return int.from_bytes(data[offset : offset + 8], "little")
