"""Instructions as records, and their bytes."""

from __future__ import annotations

from struct import Struct

from prybee.data import Data
from prybee.diagnostics import PrybeeError
from prybee.isa.opcodes import FORMS, LDDW, Form

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from prybee.isa.opcodes import Values

SLOT = 8  # bytes
_LITTLE = Struct("<BBhi")
_BIG = Struct(">BBhi")
_U32 = 0xFFFFFFFF


class IsaError(PrybeeError):
    """Bytes or text that are no valid instructions."""


class Insn(Data):
    """One instruction; LDDW, which takes two slots, is one too.

    ``off`` is signed 16 bits.  ``imm`` is signed 32 bits, and for LDDW unsigned 64 bits, the
    second slot's immediate in the upper half.
    """

    opcode: int
    dst: int = 0
    src: int = 0
    off: int = 0
    imm: int = 0

    @property
    def slots(self) -> int:
        """How many 8-byte slots it takes: jumps count in these."""
        return 2 if self.opcode == LDDW else 1


def form_of(insn: Insn, slot: int = 0) -> Form:
    """What an instruction is.

    Args:
        slot: its place in the program, for the message.

    Raises:
        IsaError: its fields do not make a valid instruction.
    """
    forms = FORMS.get(insn.opcode)
    if forms is None:
        raise IsaError(f"{_place(slot)}: unknown opcode {insn.opcode:#04x}")
    for field in ("src", "off", "imm", "dst"):
        value = getattr(insn, field)
        left = tuple(form for form in forms if value in getattr(form, field))
        if not left:
            allowed = " or ".join(dict.fromkeys(_range(getattr(form, field)) for form in forms))
            raise IsaError(
                f"{_place(slot)}: {field} is {value}, "
                f"opcode {insn.opcode:#04x} ({forms[0].kind}) takes {allowed}"
            )
        forms = left
    return forms[0]


def _place(slot: int) -> str:
    return f"instruction {slot} (byte {slot * SLOT})"


def _range(values: Values) -> str:
    if isinstance(values, range):
        return f"{values[0]} to {values[-1]}"
    return " or ".join(map(str, values))


def decode(code: bytes | bytearray | memoryview, order: str = "little") -> list[Insn]:
    """The instructions in a program's bytes.

    Args:
        code: the program.
        order: byte order of the machine it is for, ``little`` or ``big``.

    Raises:
        IsaError: it is cut off, or an instruction is not valid.
    """
    if len(code) % SLOT:
        raise IsaError(f"{len(code)} bytes are no whole number of {SLOT}-byte instructions")
    layout = _LITTLE if order == "little" else _BIG
    little = layout is _LITTLE
    rows = layout.iter_unpack(code)
    found = []
    slot = 0
    for opcode, registers, off, imm in rows:
        low, high = registers & 15, registers >> 4
        dst, src = (low, high) if little else (high, low)
        at = slot
        slot += 1
        if opcode == LDDW:
            second = next(rows, None)
            if second is None:
                raise IsaError(f"{_place(at)}: lddw takes two slots, the program ends after one")
            if second[:3] != (0, 0, 0):
                raise IsaError(
                    f"{_place(slot)}: the second slot of lddw must be zero but for its imm"
                )
            slot += 1
            imm = imm & _U32 | (second[3] & _U32) << 32
        insn = Insn(opcode, dst, src, off, imm)
        form_of(insn, at)
        found.append(insn)
    return found


def encode(insns: Iterable[Insn], order: str = "little") -> bytes:
    """The bytes of instructions.

    An LDDW's ``imm`` may also be given as a negative number.

    Args:
        order: byte order of the machine they are for, ``little`` or ``big``.

    Raises:
        IsaError: an instruction is not valid.
    """
    layout = _LITTLE if order == "little" else _BIG
    little = layout is _LITTLE
    parts = []
    slot = 0
    for insn in insns:
        opcode, imm = insn.opcode, insn.imm
        if opcode == LDDW and -(1 << 63) <= imm < 0:
            imm &= (1 << 64) - 1
            insn = insn.replace(imm=imm)
        form_of(insn, slot)
        registers = insn.src << 4 | insn.dst if little else insn.dst << 4 | insn.src
        parts.append(layout.pack(opcode, registers, insn.off, _signed(imm)))
        if opcode == LDDW:
            parts.append(layout.pack(0, 0, 0, _signed(imm >> 32)))
        slot += insn.slots
    return b"".join(parts)


def _signed(value: int) -> int:
    """The lower 32 bits as a signed number."""
    value &= _U32
    return value - (1 << 32) if value >> 31 else value
