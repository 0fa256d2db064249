"""POWER with 64 bits, the least significant byte first."""

from __future__ import annotations

from prybee.machines.machine import Machine, SystemCalls

MACHINE = Machine(
    "ppc64le",
    8,
    "powerpc",
    SystemCalls(361, 319, 221),
    macros=("__powerpc__", "__powerpc64__", "__PPC64__", "__CHAR_UNSIGNED__"),
    libraries="powerpc64le-linux-gnu",
    instruction=4,
)
