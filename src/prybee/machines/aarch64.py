"""arm64."""

from __future__ import annotations

from prybee.machines.machine import Machine, Operands, Registers, SystemCalls, Watching

# struct user_pt_regs: x0 to x30, then these.
_OFFSETS = {f"r{number}": 8 * number for number in range(31)} | {
    "sp": 248,
    "pc": 256,
    "pstate": 264,
}
_WHOLE = {f"x{number}": 8 * number for number in range(31)} | {
    "sp": 248,
    "fp": 29 * 8,
    "lr": 30 * 8,
}
_FIRST = tuple(f"r{number}" for number in range(8))

# A 32-bit index would have to be extended first; compilers write x registers here.
_INDEX = r"(?P<index>x\w+)(?:,(?:lsl|uxtx|sxtx)(?:#?(?P<shift>[0-3]))?)?"
_MEMORY = rf"\[(?P<register>\w+)(?:,(?:#?(?P<value>NUMBER)|{_INDEX}))?\]"

MACHINE = Machine(
    "aarch64",
    8,
    "arm64",
    SystemCalls(280, 241, 98, names="generic"),
    macros=("__aarch64__", "__AARCH64EL__", "__CHAR_UNSIGNED__"),
    instruction=4,
    registers=Registers(
        272,
        _OFFSETS,
        arguments=_FIRST,
        results=_FIRST[:2],
        stack_pointer="sp",
        instruction_pointer="pc",
        operands=_WHOLE,
        # The exception level, of 64-bit and 32-bit code: 0 is user space (Arm ARM, C5.2.20).
        user_mode=("pstate", 0xF, 0),
        convention="AAPCS64",
        stack=0,
        syscalls="__arm64_sys_",
        syscall_arguments=_FIRST[:6],
    ),
    # TIF_32BIT (arch/arm64/include/asm/thread_info.h).
    narrow=("arm", "flags", 1 << 22),
    operands=Operands(
        (
            ("constant", r"#?(?P<value>NUMBER)"),
            ("register", r"(?P<register>\w+)"),
            ("memory", _MEMORY),
        ),
        {f"{width}{number}": f"x{number}" for number in range(31) for width in "xw"}
        | {"sp": "sp", "wsp": "sp", "fp": "x29", "lr": "x30"},
        zeros=("xzr", "wzr"),
    ),
    # The Arm ARM, D2.10: a bit for each byte of an aligned word.
    watching=Watching(("r", "w", "x", "rw"), block=8),
)
