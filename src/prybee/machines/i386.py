"""x86 with 32 bits: its programs run on kernels of x86-64, too."""

from __future__ import annotations

from prybee.machines import x86_64
from prybee.machines.machine import Machine, SystemCalls

_NAMES = ("ax", "bx", "cx", "dx", "si", "di", "bp", "sp", "ip")
_WIDER = x86_64.MACHINE.registers
assert _WIDER is not None

# The registers of interrupted programs are kept as those of x86-64.
_WITHIN = _WIDER.replace(
    arguments=(),
    operands={f"e{name}": _WIDER.offsets[name] for name in _NAMES},
    convention="cdecl",
    stack=4,  # The return address is there.
    # Numbers are other ones; arguments are in other registers (arch/x86/entry/entry_64_compat.S).
    syscalls="__ia32_sys_",
    syscall_arguments=("bx", "cx", "dx", "si", "di", "bp"),
    word=4,
)

_OPERANDS = x86_64.operands("e")
# Variables are named without a register, or as so far from the table that a register points to.
_SYMBOL = r"(?P<symbol>[A-Za-z_.$][\w.$]*)"
_PLACES = (
    ("place", rf"{_SYMBOL}(?P<value>[-+]DIGITS)?"),
    ("place", rf"{_SYMBOL}@GOTOFF(?P<value>[-+]DIGITS)?\(%e[a-d]x\)"),
    ("place", rf"{_SYMBOL}@GOTOFF(?P<value>[-+]DIGITS)?\(%e[sdb][ip]\)"),
)

MACHINE = Machine(
    "i386",
    4,
    "x86",
    SystemCalls(357, 336, 240, names="i386"),
    macros=("__i386__", "__i386"),
    ordered=True,
    lengths="prybee.machines.i386_length",
    operands=_OPERANDS.replace(forms=(*_OPERANDS.forms, *_PLACES)),
    within=("x86_64", _WITHIN),
)
