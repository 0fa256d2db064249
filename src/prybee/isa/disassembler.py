"""Bytes to text, in the manner of the kernel's verifier log.

======================================== ==========================================
``r0 = r1``, ``w0 = 5``                  64-bit and 32-bit arithmetic (``r`` and ``w``)
``r1 s/= r2``, ``r1 s>>= 3``             signed operations
``r1 = (s8)r2``                          move with sign extension
``r1 = -r1``, ``r1 = be16 r1``           also ``le32``, ``bswap64``
``r1 = addr_space_cast(r2, 0, 1)``       to address space 0 from 1
``r1 = 0x7 ll``                          64-bit immediate
``r1 = map_by_fd(3)``                    likewise ``map_by_idx(0)``
``r1 = map_val(map_by_fd(3)) + 8``       address in a map's value
``r1 = var_addr(12)``                    kernel variable by BTF id; ``var_addr(12, 5)`` in the
                                         BTF object of descriptor 5
``r1 = code_addr(+4)``                   a function, relative to the second slot
``r2 = *(u32 *)(r1 + 8)``                load; ``s8``, ``s16``, ``s32`` extend the sign
``*(u16 *)(r1 - 2) = 5``                 store of a number or register
``r0 = *(u16 *)skb[12]``                 packet load; also ``skb[r2 + 12]``
``lock *(u64 *)(r1 + 0) += r2``          atomic, also ``|= &= ^=``
``r2 = atomic64_fetch_add((u64 *)(r1 + 0), r2)``   ``atomic_`` for u32; also xchg
``r0 = atomic64_cmpxchg((u64 *)(r1 + 0), r0, r2)``
``r1 = load_acquire((u8 *)(r2 + 0))``    and ``store_release((u8 *)(r1 + 0), r2)``
``if r1 s> 5 goto +3``                   ``w1`` for 32-bit comparison; ``&`` tests bits
``goto +3``, ``gotol -70000``            16-bit and 32-bit distance
``may_goto +3``                          leaves a loop when the kernel says so
``call 5``, ``call pc+4``                helper, function of the program
``call kfunc 1234``                      kernel function by BTF id; ``call kfunc 1234 fd 1`` in
                                         the module of that index
``exit``
======================================== ==========================================
"""

from __future__ import annotations

from prybee.isa.instructions import decode, form_of
from prybee.isa.opcodes import (
    ALU64,
    ALU_SYMBOLS,
    ATOMIC_NAMES,
    ATOMIC_SYMBOLS,
    DW,
    END,
    FETCH,
    IND,
    JMP32,
    JUMP_SYMBOLS,
    MEMSX,
    PSEUDO_BTF_ID,
    PSEUDO_FUNC,
    PSEUDO_MAP_FD,
    PSEUDO_MAP_IDX,
    PSEUDO_MAP_IDX_VALUE,
    PSEUDO_MAP_VALUE,
    SIGNED_SYMBOLS,
    SIZE_BITS,
    XCHG,
    X,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from prybee.isa.instructions import Insn


def disassemble(
    code: bytes | bytearray | memoryview, symbols: Mapping[int, str] | None = None
) -> list[str]:
    """One line per instruction; what :func:`prybee.isa.assemble` makes the same bytes of.

    Args:
        code: a program for a little-endian machine.
        symbols: by slot, what the instruction there refers to; added as a comment.

    Raises:
        IsaError: an instruction is not valid.
    """
    lines = []
    slot = 0
    for insn in decode(code):
        line = text_of(insn, slot)
        if symbols is not None and slot in symbols:
            line = f"{line} ; {symbols[slot]}"
        lines.append(line)
        slot += insn.slots
    return lines


def text_of(insn: Insn, slot: int = 0) -> str:
    """The text of one instruction.

    Args:
        slot: its place, for the message of an error.

    Raises:
        IsaError: it is not valid.
    """
    return _WRITERS[form_of(insn, slot).kind](insn)


def _register(insn: Insn, number: int) -> str:
    """``w1`` where only the lower half takes part."""
    wide = insn.opcode & 7 == ALU64 or (insn.opcode & 7 != JMP32 and insn.opcode & 7 != 4)
    return f"{'r' if wide else 'w'}{number}"


def _symbol(insn: Insn) -> str:
    operation = insn.opcode & 0xF0
    return SIGNED_SYMBOLS[operation] if insn.off == 1 else ALU_SYMBOLS[operation]


def _size(insn: Insn) -> int:
    return SIZE_BITS[insn.opcode & 0x18]


def _address(insn: Insn, register: int) -> str:
    sign = "-" if insn.off < 0 else "+"
    return f"(r{register} {sign} {abs(insn.off)})"


def _cell(insn: Insn, register: int) -> str:
    letter = "s" if insn.opcode & 0xE0 == MEMSX else "u"
    return f"*({letter}{_size(insn)} *){_address(insn, register)}"


def _alu_imm(insn: Insn) -> str:
    return f"{_register(insn, insn.dst)} {_symbol(insn)} {insn.imm}"


def _alu_reg(insn: Insn) -> str:
    return f"{_register(insn, insn.dst)} {_symbol(insn)} {_register(insn, insn.src)}"


def _movsx(insn: Insn) -> str:
    return f"{_register(insn, insn.dst)} = (s{insn.off}){_register(insn, insn.src)}"


def _neg(insn: Insn) -> str:
    register = _register(insn, insn.dst)
    return f"{register} = -{register}"


def _end(insn: Insn) -> str:
    if insn.opcode == ALU64 | END:
        word = "bswap"
    else:
        word = "be" if insn.opcode & X else "le"
    return f"r{insn.dst} = {word}{insn.imm} r{insn.dst}"


def _cast(insn: Insn) -> str:
    return f"r{insn.dst} = addr_space_cast(r{insn.src}, {insn.imm >> 16}, {insn.imm & 0xFFFF})"


def _condition(insn: Insn, right: str) -> str:
    symbol = JUMP_SYMBOLS[insn.opcode & 0xF0]
    return f"if {_register(insn, insn.dst)} {symbol} {right} goto {insn.off:+d}"


def _lddw(insn: Insn) -> str:
    low, high = insn.imm & 0xFFFFFFFF, insn.imm >> 32
    if insn.src == 0:
        value = f"{insn.imm:#x} ll"
    elif insn.src == PSEUDO_MAP_FD:
        value = f"map_by_fd({low})"
    elif insn.src == PSEUDO_MAP_IDX:
        value = f"map_by_idx({low})"
    elif insn.src == PSEUDO_MAP_VALUE:
        value = f"map_val(map_by_fd({low})) + {high}"
    elif insn.src == PSEUDO_MAP_IDX_VALUE:
        value = f"map_val(map_by_idx({low})) + {high}"
    elif insn.src == PSEUDO_BTF_ID:
        value = f"var_addr({low}, {high})" if high else f"var_addr({low})"
    else:
        assert insn.src == PSEUDO_FUNC
        value = f"code_addr({low - (low >> 31 << 32):+d})"
    return f"r{insn.dst} = {value}"


def _load_packet(insn: Insn) -> str:
    index = str(insn.imm)
    if insn.opcode & 0xE0 == IND:
        index = f"r{insn.src} {'-' if insn.imm < 0 else '+'} {abs(insn.imm)}"
    return f"r0 = *(u{_size(insn)} *)skb[{index}]"


def _atomic_prefix(insn: Insn) -> str:
    return "atomic64" if insn.opcode & 0x18 == DW else "atomic"


def _atomic_place(insn: Insn, register: int) -> str:
    return f"(u{_size(insn)} *){_address(insn, register)}"


def _fetch(insn: Insn) -> str:
    name = "xchg" if insn.imm == XCHG else f"fetch_{ATOMIC_NAMES[insn.imm & ~FETCH]}"
    place = _atomic_place(insn, insn.dst)
    return f"r{insn.src} = {_atomic_prefix(insn)}_{name}({place}, r{insn.src})"


def _compare_exchange(insn: Insn) -> str:
    place = _atomic_place(insn, insn.dst)
    return f"r0 = {_atomic_prefix(insn)}_cmpxchg({place}, r0, r{insn.src})"


def _call_kfunc(insn: Insn) -> str:
    return f"call kfunc {insn.imm}" + (f" fd {insn.off}" if insn.off else "")


_WRITERS: dict[str, Callable[[Insn], str]] = {
    "alu_imm": _alu_imm,
    "alu_reg": _alu_reg,
    "movsx": _movsx,
    "neg": _neg,
    "end": _end,
    "cast": _cast,
    "jump_imm": lambda insn: _condition(insn, str(insn.imm)),
    "jump_reg": lambda insn: _condition(insn, _register(insn, insn.src)),
    "goto": lambda insn: f"goto {insn.off:+d}",
    "gotol": lambda insn: f"gotol {insn.imm:+d}",
    "may_goto": lambda insn: f"may_goto {insn.off:+d}",
    "call": lambda insn: f"call {insn.imm}",
    "call_local": lambda insn: f"call pc{insn.imm:+d}",
    "call_kfunc": _call_kfunc,
    "exit": lambda insn: "exit",
    "lddw": _lddw,
    "load_packet": _load_packet,
    "load": lambda insn: f"r{insn.dst} = {_cell(insn, insn.src)}",
    "store_imm": lambda insn: f"{_cell(insn, insn.dst)} = {insn.imm}",
    "store_reg": lambda insn: f"{_cell(insn, insn.dst)} = r{insn.src}",
    "atomic": lambda insn: f"lock {_cell(insn, insn.dst)} {ATOMIC_SYMBOLS[insn.imm]} r{insn.src}",
    "fetch": _fetch,
    "exchange": _fetch,
    "compare_exchange": _compare_exchange,
    "load_acquire": lambda insn: f"r{insn.dst} = load_acquire({_atomic_place(insn, insn.src)})",
    "store_release": lambda insn: f"store_release({_atomic_place(insn, insn.dst)}, r{insn.src})",
}
