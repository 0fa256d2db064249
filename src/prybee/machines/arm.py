"""Arm with 32 bits."""

from __future__ import annotations

from prybee.machines.machine import Machine, SystemCalls

MACHINE = Machine(
    "arm",
    4,
    "arm",
    SystemCalls(386, 364, 240),
    macros=("__arm__", "__CHAR_UNSIGNED__"),
    libraries="arm-linux-gnueabihf",
)
