"""x86 with 32 bits: its programs run on kernels of x86-64, too."""

from __future__ import annotations

from prybee.machines.machine import Machine, SystemCalls
from prybee.machines.x86_64 import operands

MACHINE = Machine(
    "i386",
    4,
    "x86",
    SystemCalls(357, 336, 240),
    macros=("__i386__", "__i386"),
    ordered=True,
    operands=operands("e"),
)
