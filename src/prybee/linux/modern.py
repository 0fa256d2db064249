"""Whether the running kernel takes all that the compiler likes to use, asked by one program.

Most kernels do, and every start asks: so this is one load of a few instructions, where
``features`` would take one for each. A kernel that refuses it is asked for each by name.
"""

from __future__ import annotations

from errno import EACCES, EPERM
from struct import pack

from prybee.diagnostics import KernelError
from prybee.linux.programs import Program
from prybee.linux.switched_off import OFF

_PROBE_READ_KERNEL = 113

# Opcode, registers (source << 4 | destination), offset, immediate: see RFC 9669.
_PROGRAM = b"".join(
    [
        pack("<BBhi", *each)
        for each in (
            (0x7A, 10, -8, 0),  # *(u64 *)(r10 - 8) = 0
            (0xB7, 1, 0, 1),  # r1 = 1
            (0xDB, 0x1A, -8, 1),  # r1 = atomic_fetch_add(r10 - 8, r1): atomics
            (0xBF, 0x11, 8, 0),  # r1 = (s8)r1: v4
            (0x3F, 0x11, 1, 0),  # r1 s/= r1: v4
            (0x16, 1, 0, 0),  # if w1 == 0 goto +0: jmp32
            (0xBF, 0xA1, 0, 0),  # r1 = r10
            (0x07, 1, 0, -8),  # r1 += -8
            (0xB7, 2, 0, 8),  # r2 = 8
            (0xB7, 3, 0, 0),  # r3 = 0
            (0x85, 0, 0, _PROBE_READ_KERNEL),
            (0xB7, 0, 0, 0),  # r0 = 0
            (0x95, 0, 0, 0),  # exit
        )
    ]
)

_answer: bool | None = None


def modern() -> bool:
    """Whether one program with all of it loads; where none may be loaded, it is assumed.

    No where any feature was taken off: then each is asked for by name.
    """
    global _answer
    if OFF:
        return False
    if _answer is None:
        try:
            with Program.load("raw_tracepoint", _PROGRAM, "prybee_probe", "GPL"):
                _answer = True
        except KernelError as error:
            if error.errno in (EPERM, EACCES):
                # EACCES is the verifier's, too: then a smaller program is let in.
                from prybee.linux import feature_answers

                return not feature_answers.privileged()
            _answer = False
    return _answer


__all__ = ["modern"]
