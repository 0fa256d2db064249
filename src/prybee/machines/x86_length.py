"""Lengths of x86 instructions: where in a function the next one begins.

A breakpoint in the middle of an instruction changes what a program does, so a uprobe at an offset
is looked at first.  Only lengths are decoded (Intel SDM volume 2, chapter 2 and appendix A): the
prefixes, which opcodes have a ModRM byte, and how long the immediate is.
"""

from __future__ import annotations

_PREFIXES = frozenset((0x26, 0x2E, 0x36, 0x3E, 0x64, 0x65, 0x66, 0x67, 0xF0, 0xF2, 0xF3))
_LONGEST = 15


def _opcodes(text: str) -> frozenset[int]:
    """A set of opcodes from text like ``80-8f a8``."""
    found: set[int] = set()
    for word in text.split():
        first, _dash, last = word.partition("-")
        found.update(range(int(first, 16), int(last or first, 16) + 1))
    return frozenset(found)


# One-byte opcodes.
_INVALID = _opcodes("06 07 0e 16 17 1e 1f 27 2f 37 3f 60 61 82 9a ce d4 d5 d6 ea")
_MODRM = _opcodes(
    "00-03 08-0b 10-13 18-1b 20-23 28-2b 30-33 38-3b 63 69 6b 80 81 83-8f c0 c1 c6 c7 d0-d3 "
    "d8-df f6 f7 fe ff"
)
_IMM8 = _opcodes(
    "04 0c 14 1c 24 2c 34 3c 6a 6b 70-7f 80 83 a8 b0-b7 c0 c1 c6 cd e0-e7 eb"
)  # fmt: skip
# 4 bytes, or 2 with the operand-size prefix.
_IMM32 = _opcodes("05 0d 15 1d 25 2d 35 3d 68 69 81 a9 c7")
# Jumps and calls: 4 bytes always in 64-bit mode.
_REL32 = _opcodes("e8 e9")
_IMM16 = _opcodes("c2 ca")

# Two-byte opcodes, behind 0f.
_INVALID_0F = _opcodes("04 0a 0c 24-27 36 39 3b-3f")
_PLAIN_0F = _opcodes("05-09 0b 0e 30-37 77 80-8f a0-a2 a8-aa c8-cf")
_REL32_0F = _opcodes("80-8f")
_IMM8_0F = _opcodes("0f 70-73 a4 ac ba c2 c4-c6")


class UnknownInstruction(Exception):
    """Bytes that are no instruction known here."""


def length(code: bytes, at: int = 0, bits: int = 64) -> int:
    """The length in bytes of the instruction that begins at ``code[at]``.

    Args:
        bits: 64, or 32 for the code of i386.

    Raises:
        UnknownInstruction: it is none, or the code ends within it.
    """
    try:
        end = _end(code, at) if bits == 64 else _end_of_32(code, at)
    except IndexError:
        raise UnknownInstruction("the code ends within an instruction") from None
    if end - at > _LONGEST or end > len(code):
        raise UnknownInstruction("too long for an instruction")
    return end - at


def begins_at(code: bytes, offset: int, bits: int = 64) -> bool:
    """Whether an instruction begins at ``offset`` when one does at 0.

    Raises:
        UnknownInstruction: the way there cannot be followed.
    """
    at = 0
    while at < offset:
        at += length(code, at, bits)
    return at == offset


def _end(code: bytes, start: int) -> int:
    at = start
    narrow = short_address = wide = False
    while code[at] in _PREFIXES:
        narrow = narrow or code[at] == 0x66
        short_address = short_address or code[at] == 0x67
        at += 1
        if at - start > _LONGEST:
            raise UnknownInstruction("nothing but prefixes")
    if code[at] & 0xF0 == 0x40:
        wide = bool(code[at] & 8)
        at += 1
    opcode = code[at]
    at += 1
    if opcode == 0x0F:
        return _end_0f(code, at)
    if opcode in (0xC4, 0xC5, 0x62) or (opcode == 0x8F and code[at] & 0x1F >= 8):
        return _end_vector(code, at, opcode)
    if opcode in _INVALID:
        raise UnknownInstruction(f"opcode {opcode:#04x}")
    immediate = _immediate(code, at, opcode, narrow and not wide, wide, short_address)
    if opcode in _MODRM:
        at = _behind_modrm(code, at)
    return at + immediate


# What 64-bit mode has given up or another meaning.
_OLD_PLAIN = _opcodes("06 07 0e 16 17 1e 1f 27 2f 37 3f 40-4f 60 61 ce d6")
_OLD_IMM8 = _opcodes("d4 d5")
_OLD_FAR = _opcodes("9a ea")
_PAIRS = _opcodes("62 c4 c5")


def _end_of_32(code: bytes, start: int) -> int:
    """The end of an instruction of 32-bit code; the same but for some opcodes."""
    at = start
    while code[at] in _PREFIXES:
        at += 1
    prefixes = code[start:at]
    narrow = 0x66 in prefixes
    opcode = code[at]
    if 0x67 in prefixes:
        raise UnknownInstruction("addresses of 16 bits")
    if opcode in _OLD_PLAIN:
        return at + 1
    if opcode in _OLD_IMM8:
        return at + 2
    if opcode in _OLD_FAR:
        return at + (5 if narrow else 7)
    if 0xA0 <= opcode <= 0xA3:
        return at + 5
    if opcode == 0x82:
        return _behind_modrm(code, at + 1) + 1
    if narrow and opcode in _REL32:
        return at + 3
    if opcode in _PAIRS and code[at + 1] < 0xC0:
        # lds, les and bound; with a register behind it, the prefix of a vector instruction.
        return _behind_modrm(code, at + 1)
    return _end(code, start)


def _immediate(
    code: bytes, at: int, opcode: int, narrow: bool, wide: bool, short_address: bool
) -> int:
    """Bytes of immediate data of a one-byte opcode; its ModRM byte, if any, is at ``at``."""
    word = 2 if narrow else 4
    if opcode in _IMM8:
        return 1
    if opcode in _IMM32:
        return word
    if opcode in _REL32:
        return 4
    if opcode in _IMM16:
        return 2
    if 0xB8 <= opcode <= 0xBF:
        return 8 if wide else word
    if 0xA0 <= opcode <= 0xA3:
        return 4 if short_address else 8
    if opcode == 0xC8:
        return 3
    if opcode in (0xF6, 0xF7) and code[at] & 0x30 == 0:  # test
        return 1 if opcode == 0xF6 else word
    return 0


def _end_0f(code: bytes, at: int) -> int:
    opcode = code[at]
    at += 1
    if opcode == 0x38:
        return _behind_modrm(code, at + 1)
    if opcode == 0x3A:
        return _behind_modrm(code, at + 1) + 1
    if opcode in _INVALID_0F:
        raise UnknownInstruction(f"opcode 0x0f{opcode:02x}")
    if opcode in _PLAIN_0F:
        return at + (4 if opcode in _REL32_0F else 0)
    return _behind_modrm(code, at) + (opcode in _IMM8_0F)


def _end_vector(code: bytes, at: int, opcode: int) -> int:
    """VEX, EVEX and XOP: the prefix says which opcode map; all but vzeroupper have ModRM."""
    if opcode == 0xC5:
        map_, at = 1, at + 1
    elif opcode == 0x62:
        map_, at = code[at] & 7, at + 3
    else:
        map_, at = code[at] & 0x1F, at + 2
    number = code[at]
    at += 1
    if map_ == 1 and number == 0x77 and opcode != 0x62:
        return at
    at = _behind_modrm(code, at)
    if map_ == 10:  # XOP with a 4-byte immediate
        return at + 4
    return at + (map_ in (3, 8) or (map_ == 1 and number in _IMM8_0F))


def _behind_modrm(code: bytes, at: int) -> int:
    """The offset behind a ModRM byte, its SIB byte and displacement."""
    modrm = code[at]
    at += 1
    mode, register = modrm >> 6, modrm & 7
    if mode == 3:
        return at
    displacement = (0, 1, 4)[mode]
    if register == 4:
        if mode == 0 and code[at] & 7 == 5:
            displacement = 4
        at += 1
    elif mode == 0 and register == 5:
        displacement = 4
    return at + displacement
