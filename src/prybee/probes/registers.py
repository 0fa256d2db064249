"""Registers of a probe's context, per machine: what they are called and where they lie.

Offsets are those of ``struct pt_regs`` (x86-64) and ``struct user_pt_regs`` (arm64) in bytes; both
are fixed parts of the kernel's interface (arch/*/include/uapi/asm/ptrace.h).
"""

from __future__ import annotations

from prybee.data import Data

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping


class Registers(Data):
    """One machine's registers.

    ``offsets`` has the names that ``reg()`` takes, ``operands`` the names of whole registers in
    assembly, which the notes of USDT probes use.
    """

    arch: str
    size: int
    offsets: Mapping[str, int]
    arguments: tuple[str, ...]
    return_value: str
    stack_pointer: str
    instruction_pointer: str
    operands: Mapping[str, int]

    def offset(self, name: str) -> int | None:
        """Where the register called ``name`` lies; None where there is no such register."""
        name = {"pc": self.instruction_pointer}.get(name, name)
        return self.offsets.get(name)


_X86_64 = "r15 r14 r13 r12 bp bx r11 r10 r9 r8 ax cx dx si di orig_ax ip cs flags sp ss"


def _x86_64() -> Registers:
    offsets = {name: 8 * index for index, name in enumerate(_X86_64.split())}
    operands = {name if name[0] == "r" else f"r{name}": at for name, at in offsets.items()}
    return Registers(
        "x86_64",
        168,
        offsets,
        ("di", "si", "dx", "cx", "r8", "r9"),
        "ax",
        "sp",
        "ip",
        operands,
    )


def _aarch64() -> Registers:
    offsets = {f"r{number}": 8 * number for number in range(31)}
    offsets.update(sp=248, pc=256, pstate=264)
    operands = {f"x{number}": 8 * number for number in range(31)}
    operands.update(sp=248, fp=operands["x29"], lr=operands["x30"])
    return Registers(
        "aarch64",
        272,
        offsets,
        tuple(f"r{number}" for number in range(8)),
        "r0",
        "sp",
        "pc",
        operands,
    )


_MACHINES = {"x86_64": _x86_64, "aarch64": _aarch64, "arm64": _aarch64}
_MADE: dict[str, Registers] = {}


def registers(arch: str) -> Registers | None:
    """The registers of a machine as uname(2) calls it; None for one that is not known here."""
    made = _MADE.get(arch)
    if made is None and arch in _MACHINES:
        made = _MADE[arch] = _MACHINES[arch]()
    return made
