"""The numbers of RFC 9669 and of what Linux 6.18 adds, and the table of all valid encodings.

An opcode byte is class (3 bits), then for arithmetic and jumps source (1 bit) and operation
(4 bits), for loads and stores size (2 bits) and mode (3 bits).  Names are those of the RFC and of
include/uapi/linux/bpf.h without their prefix.
"""

from __future__ import annotations

from prybee.data import Data

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    Values = range | tuple[int, ...]

# Classes
LD, LDX, ST, STX, ALU, JMP, JMP32, ALU64 = range(8)

# Source bit of arithmetic and jumps: immediate or register
K = 0x00
X = 0x08

# Sizes and modes of loads and stores
W, H, B, DW = 0x00, 0x08, 0x10, 0x18
IMM, ABS, IND, MEM, MEMSX, ATOMIC = 0x00, 0x20, 0x40, 0x60, 0x80, 0xC0
SIZE_BITS = {B: 8, H: 16, W: 32, DW: 64}

# Arithmetic
ADD, SUB, MUL, DIV, OR, AND, LSH, RSH = 0x00, 0x10, 0x20, 0x30, 0x40, 0x50, 0x60, 0x70
NEG, MOD, XOR, MOV, ARSH, END = 0x80, 0x90, 0xA0, 0xB0, 0xC0, 0xD0

# Jumps; JCOND is Linux's (6.9), with source register 0 for may_goto
JA, JEQ, JGT, JGE, JSET, JNE, JSGT, JSGE = 0x00, 0x10, 0x20, 0x30, 0x40, 0x50, 0x60, 0x70
CALL, EXIT, JLT, JLE, JSLT, JSLE, JCOND = 0x80, 0x90, 0xA0, 0xB0, 0xC0, 0xD0, 0xE0

LDDW = LD | IMM | DW  # the one instruction of two slots

# Immediate of atomic operations; FETCH is or'ed to the first four
FETCH = 0x01
XCHG = 0xE0 | FETCH
CMPXCHG = 0xF0 | FETCH
LOAD_ACQ = 0x100  # Linux 6.15
STORE_REL = 0x110

# Offset of MOV between registers that makes it a cast between address spaces (Linux 6.9)
ADDR_SPACE_CAST = 1

# Source register of LDDW
PSEUDO_MAP_FD = 1
PSEUDO_MAP_VALUE = 2
PSEUDO_BTF_ID = 3
PSEUDO_FUNC = 4
PSEUDO_MAP_IDX = 5
PSEUDO_MAP_IDX_VALUE = 6

# Source register of CALL; 0 calls a helper
PSEUDO_CALL = 1
PSEUDO_KFUNC_CALL = 2

REGISTERS = range(11)

# How the text form writes the operations
ALU_SYMBOLS = {
    ADD: "+=", SUB: "-=", MUL: "*=", DIV: "/=", OR: "|=", AND: "&=", LSH: "<<=", RSH: ">>=",
    MOD: "%=", XOR: "^=", MOV: "=", ARSH: "s>>=",
}  # fmt: skip
SIGNED_SYMBOLS = {DIV: "s/=", MOD: "s%="}
JUMP_SYMBOLS = {
    JEQ: "==", JGT: ">", JGE: ">=", JSET: "&", JNE: "!=", JSGT: "s>", JSGE: "s>=", JLT: "<",
    JLE: "<=", JSLT: "s<", JSLE: "s<=",
}  # fmt: skip
ATOMIC_SYMBOLS = {ADD: "+=", OR: "|=", AND: "&=", XOR: "^="}
ATOMIC_NAMES = {ADD: "add", OR: "or", AND: "and", XOR: "xor"}


class Form(Data):
    """One way to use an opcode: what it is, and the values each field may have."""

    kind: str
    dst: Values = (0,)
    src: Values = (0,)
    off: Values = (0,)
    imm: Values = (0,)


_OFF = range(-(1 << 15), 1 << 15)
_IMM = range(-(1 << 31), 1 << 31)
_U32 = range(1 << 32)
_U64 = range(1 << 64)
_R = REGISTERS


def _arithmetic() -> Iterator[tuple[int, Form]]:
    for kind in (ALU, ALU64):
        for operation in ALU_SYMBOLS:
            code = kind | operation
            yield code | K, Form("alu_imm", _R, imm=_IMM)
            yield code | X, Form("alu_reg", _R, _R)
        for operation in SIGNED_SYMBOLS:
            code = kind | operation
            yield code | K, Form("alu_imm", _R, off=(1,), imm=_IMM)
            yield code | X, Form("alu_reg", _R, _R, off=(1,))
        widths = (8, 16) if kind == ALU else (8, 16, 32)
        yield kind | MOV | X, Form("movsx", _R, _R, off=widths)
        yield kind | NEG | K, Form("neg", _R)
        yield kind | END | K, Form("end", _R, imm=(16, 32, 64))
    yield ALU | END | X, Form("end", _R, imm=(16, 32, 64))
    yield ALU64 | MOV | X, Form("cast", _R, _R, off=(ADDR_SPACE_CAST,), imm=(1, 1 << 16))


def _jumps() -> Iterator[tuple[int, Form]]:
    for kind in (JMP, JMP32):
        for operation in JUMP_SYMBOLS:
            yield kind | operation | K, Form("jump_imm", _R, off=_OFF, imm=_IMM)
            yield kind | operation | X, Form("jump_reg", _R, _R, off=_OFF)
    yield JMP | JA, Form("goto", off=_OFF)
    yield JMP32 | JA, Form("gotol", imm=_IMM)
    yield JMP | JCOND, Form("may_goto", off=_OFF)
    yield JMP | CALL, Form("call", imm=_IMM)
    yield JMP | CALL, Form("call_local", src=(PSEUDO_CALL,), imm=_IMM)
    yield JMP | CALL, Form("call_kfunc", src=(PSEUDO_KFUNC_CALL,), off=range(1 << 15), imm=_IMM)
    yield JMP | EXIT, Form("exit")


def _memory() -> Iterator[tuple[int, Form]]:
    yield LDDW, Form("lddw", _R, imm=_U64)
    for source in (PSEUDO_MAP_FD, PSEUDO_MAP_IDX, PSEUDO_FUNC):
        yield LDDW, Form("lddw", _R, (source,), imm=_U32)  # the kernel wants the upper half zero
    for source in (PSEUDO_MAP_VALUE, PSEUDO_MAP_IDX_VALUE, PSEUDO_BTF_ID):
        yield LDDW, Form("lddw", _R, (source,), imm=_U64)
    for size in (B, H, W):
        yield LD | ABS | size, Form("load_packet", imm=_IMM)
        yield LD | IND | size, Form("load_packet", src=_R, imm=_IMM)
        yield LDX | MEMSX | size, Form("load", _R, _R, _OFF)
    for size in (B, H, W, DW):
        yield LDX | MEM | size, Form("load", _R, _R, _OFF)
        yield ST | MEM | size, Form("store_imm", _R, off=_OFF, imm=_IMM)
        yield STX | MEM | size, Form("store_reg", _R, _R, _OFF)
        yield STX | ATOMIC | size, Form("load_acquire", _R, _R, _OFF, (LOAD_ACQ,))
        yield STX | ATOMIC | size, Form("store_release", _R, _R, _OFF, (STORE_REL,))
    for size in (W, DW):
        code = STX | ATOMIC | size
        plain = tuple(ATOMIC_SYMBOLS)
        yield code, Form("atomic", _R, _R, _OFF, plain)
        yield code, Form("fetch", _R, _R, _OFF, tuple(op | FETCH for op in plain))
        yield code, Form("exchange", _R, _R, _OFF, (XCHG,))
        yield code, Form("compare_exchange", _R, _R, _OFF, (CMPXCHG,))


def _table() -> dict[int, tuple[Form, ...]]:
    table: dict[int, tuple[Form, ...]] = {}
    for part in (_arithmetic(), _jumps(), _memory()):
        for opcode, form in part:
            table[opcode] = (*table.get(opcode, ()), form)
    return table


#: All valid encodings, by opcode byte. Fields not named in a form must be zero.
FORMS: dict[int, tuple[Form, ...]] = _table()
