"""x86-64."""

from __future__ import annotations

from prybee.machines.machine import Machine, Operands, Registers, SystemCalls, Watching

# struct pt_regs, words in order.
_ORDER = "r15 r14 r13 r12 bp bx r11 r10 r9 r8 ax cx dx si di orig_ax ip cs flags sp ss"
_OFFSETS = {name: 8 * index for index, name in enumerate(_ORDER.split())}

# Operands as GCC and Clang write them (AT&T's notation), for 32 bits as well.
_INDEX = r"(?:,%(?P<index>\w+)(?:,(?P<scale>[1248]))?)?"
_MEMORY = rf"(?P<value>SUM)?\((?=[%,])(?:%(?P<register>\w+))?{_INDEX}\)"
_FORMS = (
    ("constant", r"\$(?P<value>NUMBER)"),
    ("register", r"%(?P<register>\w+)"),
    ("memory", _MEMORY),
    # A variable by its name, as position-independent code writes it.
    ("place", r"(?P<symbol>[A-Za-z_.$][\w.$]*)(?P<value>[-+]DIGITS)?\(%[re]ip\)"),
    ("place", r"(?P<value>NUMBER)"),
)


def operands(letter: str) -> Operands:
    """Forms and registers.

    Args:
        letter: what the names of whole registers begin with: ``r`` or ``e``.
    """
    names: dict[str, str] = {}
    for each in "abcd":
        for name in (f"r{each}x", f"e{each}x", f"{each}x", f"{each}l", f"{each}h"):
            names[name] = f"{letter}{each}x"
    for pair in ("si", "di", "bp", "sp"):
        for name in (f"r{pair}", f"e{pair}", pair, f"{pair}l"):
            names[name] = f"{letter}{pair}"
    names["rip"] = names["eip"] = f"{letter}ip"
    if letter == "r":
        for number in range(8, 16):
            for suffix in ("", "d", "w", "b", "l"):
                names[f"r{number}{suffix}"] = f"r{number}"
    return Operands(_FORMS, names, high=("ah", "bh", "ch", "dh"))


MACHINE = Machine(
    "x86_64",
    8,
    "x86",
    SystemCalls(321, 298, 202, names="x86_64"),
    macros=("__x86_64__", "__x86_64", "__amd64__", "__amd64", "__SSE2__"),
    ordered=True,
    lengths="prybee.machines.x86_length",
    registers=Registers(
        168,
        _OFFSETS,
        arguments=("di", "si", "dx", "cx", "r8", "r9"),
        results=("ax", "dx"),
        stack_pointer="sp",
        instruction_pointer="ip",
        operands={name if name[0] == "r" else f"r{name}": at for name, at in _OFFSETS.items()},
        # The privilege level in the code segment: 3 is user space (Intel SDM 3A, 5.5).
        user_mode=("cs", 3, 3),
        convention="System V",
        stack=8,  # The return address is there.
        syscalls="__x64_sys_",
        syscall_arguments=("di", "si", "dx", "r10", "r8", "r9"),
    ),
    operands=operands("r"),
    # TS_COMPAT (arch/x86/include/asm/thread_info.h).
    narrow=("i386", "status", 2),
    # Intel SDM volume 3, 17.2.4. Executing is watched with the length of an instruction.
    watching=Watching(("x", "w", "rw"), block=0),
)
