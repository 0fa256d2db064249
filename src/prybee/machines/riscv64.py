"""RISC-V with 64 bits."""

from __future__ import annotations

from prybee.machines.machine import Machine, Operands, SystemCalls

_NAMES = (
    "zero ra sp gp tp t0 t1 t2 t3 t4 t5 t6 a0 a1 a2 a3 a4 a5 a6 a7 "
    "s0 s1 s2 s3 s4 s5 s6 s7 s8 s9 s10 s11"
)

MACHINE = Machine(
    "riscv64",
    8,
    "riscv",
    SystemCalls(280, 241, 98, names="generic"),
    macros=("__riscv", "__CHAR_UNSIGNED__"),
    operands=Operands(
        (
            ("constant", r"(?P<value>NUMBER)"),
            ("register", r"(?P<register>\w+)"),
            ("memory", r"(?P<value>NUMBER)?\((?P<register>\w+)\)"),
        ),
        {name: name for name in _NAMES.split()} | {"fp": "s0"},
        zeros=("zero",),
    ),
)
