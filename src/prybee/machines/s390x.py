"""IBM Z with 64 bits."""

from __future__ import annotations

from prybee.machines.machine import Machine, Operands, SystemCalls

MACHINE = Machine(
    "s390x",
    8,
    "s390",
    SystemCalls(351, 331, 238),
    macros=("__s390__", "__s390x__", "__zarch__", "__CHAR_UNSIGNED__"),
    big_endian=True,
    ordered=True,
    operands=Operands(
        (
            ("constant", r"(?P<value>NUMBER)"),
            ("register", r"%(?P<register>\w+)"),
            ("memory", r"(?P<value>NUMBER)?\((?:%(?P<index>\w+),)?%(?P<register>\w+)\)"),
        ),
        {f"r{number}": f"r{number}" for number in range(16)},
    ),
)
