"""What differs between machines, as tables: one module each, found by the name that uname(2) says.

A machine is added by one module with a ``MACHINE`` here, and its number among object files below.
What a table leaves out is not done on that machine, and its user is told so.
"""

from __future__ import annotations

import os

from prybee.machines.machine import Machine, Operands, Registers, SystemCalls, Watching

# e_machine of object files (include/uapi/linux/elf-em.h).  The names are those of uname(2), 32-bit
# relatives by their own.
ELF_MACHINES = {
    3: "i386",
    8: "mips",
    20: "ppc",
    21: "ppc64",
    22: "s390x",
    40: "arm",
    62: "x86_64",
    183: "aarch64",
    243: "riscv64",
    247: "bpf",
    258: "loongarch64",
}

# Other names of the same machines.
_ALIASES = {
    "arm64": "aarch64",
    "amd64": "x86_64",
    "i486": "i386",
    "i586": "i386",
    "i686": "i386",
}
_MADE: dict[str, Machine | None] = {}


def machine(name: str) -> Machine | None:
    """The table of a machine as uname(2) calls it; None for one that is not known here."""
    if name not in _MADE:
        _MADE[name] = _load(_ALIASES.get(name, "arm" if name.startswith("armv") else name))
    return _MADE[name]


def _load(name: str) -> Machine | None:
    if name not in _KNOWN:
        return None
    # __import__, because importlib itself costs a millisecond.
    found: Machine = __import__(f"prybee.machines.{name}", fromlist=("",)).MACHINE
    return found


# Those with a table.
_KNOWN = (
    "x86_64", "aarch64", "i386", "arm", "riscv64", "loongarch64", "s390x", "ppc64", "ppc64le",
)  # fmt: skip


def running() -> Machine | None:
    """The table of the machine that we run on; None if it is not known here."""
    return machine(os.uname().machine)


def registers(name: str) -> Registers | None:
    """The registers of a machine as uname(2) calls it; None where they are not known here."""
    found = machine(name)
    return found.registers if found is not None else None


def program_registers(kernel: str, program: str) -> Registers | None:
    """The registers of a program of one machine on a kernel of another, or of the same.

    Args:
        kernel: as uname(2) calls it.
        program: the machine of its file.

    Returns:
        None where they are not known here.
    """
    own, found = machine(kernel), machine(program)
    if own is None or found is None or own is found:
        return own.registers if own is not None else None
    name, known = found.within or ("", None)
    return known if name == own.name else None


__all__ = [
    "ELF_MACHINES",
    "Machine",
    "Operands",
    "Registers",
    "SystemCalls",
    "Watching",
    "machine",
    "program_registers",
    "registers",
    "running",
]
