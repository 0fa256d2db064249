"""LoongArch with 64 bits."""

from __future__ import annotations

from prybee.machines.machine import Machine, SystemCalls

MACHINE = Machine(
    "loongarch64",
    8,
    "loongarch",
    SystemCalls(280, 241, 98, names="generic"),
    macros=("__loongarch__", "__loongarch64"),
)
