"""Machine operations over virtual registers: what lies between SSA form and bytes.

Registers 0–10 are eBPF's own; 11 and up are virtual until ``regalloc.py`` has placed them.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from prybee.compiler.ir import Function
    from prybee.diagnostics import Span

R0 = 0
FP = 10
FIRST_VIRTUAL = 11

# Opcode bytes (RFC 9669).  ALU: class | source | operation.
ALU32 = 0x04
ALU64 = 0x07
JMP = 0x05
JMP32 = 0x06
X = 0x08

ADD, SUB, MUL, DIV, OR, AND, LSH, RSH = 0x00, 0x10, 0x20, 0x30, 0x40, 0x50, 0x60, 0x70
NEG, MOD, XOR, MOV, ARSH, END = 0x80, 0x90, 0xA0, 0xB0, 0xC0, 0xD0
JEQ, JGT, JGE, JSET, JNE, JSGT, JSGE = 0x10, 0x20, 0x30, 0x40, 0x50, 0x60, 0x70
JLT, JLE, JSLT, JSLE = 0xA0, 0xB0, 0xC0, 0xD0

MOV64_X = ALU64 | MOV | X
MOV64_K = ALU64 | MOV
MOV32_X = ALU32 | MOV | X
LDDW = 0x18
LDX = {8: 0x71, 16: 0x69, 32: 0x61, 64: 0x79}
LDXS = {8: 0x91, 16: 0x89, 32: 0x81, 64: 0x79}
STX = {8: 0x73, 16: 0x6B, 32: 0x63, 64: 0x7B}
ST = {8: 0x72, 16: 0x6A, 32: 0x62, 64: 0x7A}
ATOMIC = {32: 0xC3, 64: 0xDB}
CALL = 0x85
EXIT = 0x95
JA = 0x05
JA32 = 0x06

# Operations that are no instruction of their own
LEA = 0x100  # dst = r10 + offset of a frame object: two instructions
LABEL = 0x101  # where a skip ends: none
MOVSX = 0x102  # dst = src, its low `off` bits sign-extended: a MOV64_X in the end, but no copy

JUMP_CODES = {
    "eq": JEQ, "ne": JNE, "ugt": JGT, "uge": JGE, "ult": JLT, "ule": JLE,
    "sgt": JSGT, "sge": JSGE, "slt": JSLT, "sle": JSLE,
}  # fmt: skip
# JSET has no inverse.
INVERSE_JUMP = {
    JEQ: JNE, JNE: JEQ, JGT: JLE, JLE: JGT, JGE: JLT, JLT: JGE,
    JSGT: JSLE, JSLE: JSGT, JSGE: JSLT, JSLT: JSGE,
}  # fmt: skip

# src_reg of LDDW and CALL (include/uapi/linux/bpf.h)
PSEUDO_MAP_FD = 1
PSEUDO_MAP_VALUE = 2
PSEUDO_FUNC = 4
PSEUDO_CALL = 1
PSEUDO_KFUNC_CALL = 2


class FrameObject:
    """Bytes of the stack frame; ``offset`` (from r10, negative) is set by ``frame.py``.

    ``escapes``: its address was put into a register that may outlive the next call.
    """

    __slots__ = ("align", "escapes", "name", "offset", "size")

    def __init__(self, size: int, align: int, name: str) -> None:
        self.size = size
        self.align = align
        self.name = name
        self.offset = 0
        self.escapes = False

    def __repr__(self) -> str:
        return f"<{self.name}: {self.size} bytes at {self.offset}>"


class Op:
    """One machine operation.

    ``uses`` and ``defn`` (-1: none) are the registers it reads and writes, for allocation; a call
    clobbers r0–r5 besides.  ``frame`` is the frame object its memory operand or LEA addresses.
    ``target`` is the block index a jump goes to, or the LABEL a skip goes to.  ``symbol`` is what
    an LDDW or CALL refers to: (kind, name, addend).
    """

    __slots__ = (
        "code", "defn", "dst", "frame", "imm", "off", "span", "src", "symbol", "target", "uses",
    )  # fmt: skip

    def __init__(
        self,
        code: int,
        dst: int,
        src: int,
        off: int,
        imm: int,
        uses: tuple[int, ...],
        defn: int,
        span: Span | None,
    ) -> None:
        self.code = code
        self.dst = dst
        self.src = src
        self.off = off
        self.imm = imm
        self.uses = uses
        self.defn = defn
        self.span = span
        self.frame: FrameObject | None = None
        self.target: Any = None
        self.symbol: tuple[str, str | Function, int] | None = None

    def __repr__(self) -> str:
        return (
            f"<{self.code:#x} d{self.dst} s{self.src} off {self.off} imm {self.imm} "
            f"uses {self.uses} def {self.defn}>"
        )


class MBlock:
    """Machine operations in a row.  A block's last operations may be jumps; if the last is not an
    unconditional one, control falls through to the next block of the list."""

    __slots__ = ("index", "loop", "ops", "preds", "start", "succs")

    def __init__(self, index: int, loop: int) -> None:
        self.index = index
        self.loop = loop
        self.ops: list[Op] = []
        self.succs: list[int] = []
        self.preds: list[int] = []
        self.start = 0
