"""Call frame information: how the caller's registers are found at each place of a function.

DWARF 5, section 6.4: a function's *description* (FDE) is a program for a small machine whose
state says, for each address, where the caller's stack begins (the CFA) and where registers were
saved.  Here that program is run, and of all registers two are kept: the frame pointer and the
return address; an unwinder needs no others.
"""

from __future__ import annotations

from prybee.data import Data
from prybee.dwarf.leb128 import sleb, uleb
from prybee.dwarf.sections import DwarfError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    # Where a register of the caller is: None: it has not changed; a number: that far from the
    # CFA; bytes: at the address that this expression gives; a text: as it says.
    Place = int | bytes | str | None
    # A register's number and a distance from it, or an expression.
    Cfa = tuple[int, int] | bytes
    # Distance from the function's begin, and what holds from there on.
    Row = tuple[int, Cfa, Place, Place]
    # CFA, frame pointer, return address; the CFA is OTHER before any instruction.
    State = tuple[Any, Place, Place]

UNDEFINED = "undefined"  # there is no caller, or the value is lost
OTHER = "other"  # in another register, or a value that is computed

_ADVANCE, _OFFSET, _RESTORE = 0x40, 0x80, 0xC0
_NO_OPERANDS = frozenset((0x00, 0x2D))  # nop; AArch64: the return address is (not) signed
_ONE_REGISTER = {0x07: UNDEFINED, 0x08: None}


class Machine(Data):
    """DWARF's numbers of the registers that matter, of one machine."""

    sp: int
    fp: int
    ra: int


# System V ABI, AMD64 supplement, figure 3.36; DWARF for the Arm 64-bit architecture, 4.1.
MACHINES = {"x86_64": Machine(7, 6, 16), "aarch64": Machine(31, 29, 30)}


class Common:
    """What descriptions share (a CIE).

    Attributes:
        code: what advances are multiplied with, in bytes.
        data: what distances are multiplied with, in bytes.
        encoding: of addresses in descriptions (``DW_EH_PE_*``).
        augmented: descriptions have a block of further data.
        signal: they describe a handler's return: the address found is that of an instruction that
            was interrupted, not behind a call.
        rows: what programs gave, by their bytes: many functions have the same.
    """

    __slots__ = ("augmented", "code", "data", "encoding", "initial", "machine", "rows", "signal")

    def __init__(
        self,
        code: int,
        data: int,
        encoding: int,
        augmented: bool,
        signal: bool,
        instructions: bytes,
        machine: Machine,
    ) -> None:
        self.code = code
        self.data = data
        self.encoding = encoding
        self.augmented = augmented
        self.signal = signal
        self.machine = machine
        self.rows: dict[bytes, list[Row]] = {}
        empty = (OTHER, None, None)
        # (CFA, frame pointer, return address) at the begin of every function.
        self.initial = _run(self, instructions, empty, empty)[-1][1:]

    def run(self, instructions: bytes) -> list[Row]:
        """The rows of a function, ascending; the first is at its begin.

        Raises:
            DwarfError: the program is damaged, or has an instruction that is not known.
        """
        rows = self.rows.get(instructions)
        if rows is None:
            rows = _run(self, instructions, self.initial, self.initial)
            self.rows[instructions] = rows
        return rows


def _run(common: Common, code: bytes, state: State, initial: State) -> list[Row]:
    try:
        return _steps(common, code, state, initial)
    except IndexError:
        raise DwarfError("", "is damaged: a program of call frames ends within") from None


def _steps(common: Common, code: bytes, state: State, initial: State) -> list[Row]:
    """Runs a program. One function with all instructions: this is where the time goes."""
    cfa, fp, ra = state
    fp_number, ra_number = common.machine.fp, common.machine.ra
    factor, scale = common.data, common.code
    rows: list[Row] = []
    kept: list[tuple[Cfa, Place, Place]] = []
    here = 0
    at, end = 0, len(code)
    while at < end:
        byte = code[at]
        at += 1
        high = byte & 0xC0
        place: Place
        if high == _ADVANCE or 0x02 <= byte <= 0x04 or byte == 0x1D:
            if high == _ADVANCE:
                step = byte & 0x3F
            else:
                size = 1 << (byte - 2) if byte <= 0x04 else 8
                if at + size > end:
                    raise IndexError
                step = int.from_bytes(code[at : at + size], "little")
                at += size
            if step:
                rows.append((here, cfa, fp, ra))
                here += step * scale
            continue
        if high == _OFFSET:
            number = byte & 0x3F
            value, at = uleb(code, at)
            place = value * factor
        elif high == _RESTORE:
            number = byte & 0x3F
            place = initial[1] if number == fp_number else initial[2]
        elif byte in _NO_OPERANDS:
            continue
        elif byte == 0x0E:  # def_cfa_offset
            value, at = uleb(code, at)
            cfa = (cfa[0], value) if isinstance(cfa, tuple) else OTHER
            continue
        elif byte == 0x0D:  # def_cfa_register
            number, at = uleb(code, at)
            cfa = (number, cfa[1]) if isinstance(cfa, tuple) else OTHER
            continue
        elif byte == 0x0C:  # def_cfa
            number, at = uleb(code, at)
            value, at = uleb(code, at)
            cfa = (number, value)
            continue
        elif byte == 0x0A:  # remember_state
            kept.append((cfa, fp, ra))
            continue
        elif byte == 0x0B:  # restore_state
            if not kept:
                raise DwarfError("", "is damaged: call frames restore what was not kept")
            cfa, fp, ra = kept.pop()
            continue
        elif byte == 0x0F:  # def_cfa_expression
            cfa, at = _block(code, at)
            continue
        elif byte == 0x2E:  # GNU_args_size
            value, at = uleb(code, at)
            continue
        elif byte == 0x12:  # def_cfa_sf
            number, at = uleb(code, at)
            value, at = sleb(code, at)
            cfa = (number, value * factor)
            continue
        elif byte == 0x13:  # def_cfa_offset_sf
            value, at = sleb(code, at)
            cfa = (cfa[0], value * factor) if isinstance(cfa, tuple) else OTHER
            continue
        elif byte in _ONE_REGISTER:
            number, at = uleb(code, at)
            place = _ONE_REGISTER[byte]
        elif byte == 0x05:  # offset_extended
            number, at = uleb(code, at)
            value, at = uleb(code, at)
            place = value * factor
        elif byte == 0x06:  # restore_extended
            number, at = uleb(code, at)
            place = initial[1] if number == fp_number else initial[2]
        elif byte == 0x11:  # offset_extended_sf
            number, at = uleb(code, at)
            value, at = sleb(code, at)
            place = value * factor
        elif byte == 0x2F:  # GNU_negative_offset_extended
            number, at = uleb(code, at)
            value, at = uleb(code, at)
            place = -value * factor
        elif byte == 0x10:  # expression
            number, at = uleb(code, at)
            place, at = _block(code, at)
        elif byte == 0x16:  # val_expression
            number, at = uleb(code, at)
            _, at = _block(code, at)
            place = OTHER
        elif byte == 0x09 or byte == 0x14:  # register, val_offset
            number, at = uleb(code, at)
            _, at = uleb(code, at)
            place = OTHER
        elif byte == 0x15:  # val_offset_sf
            number, at = uleb(code, at)
            _, at = sleb(code, at)
            place = OTHER
        else:
            raise DwarfError("", f"has an instruction of call frames that is not known: {byte:#x}")
        if number == fp_number:
            fp = place
        elif number == ra_number:
            ra = place
    rows.append((here, cfa, fp, ra))
    return rows


def _block(code: bytes, at: int) -> tuple[bytes, int]:
    size, at = uleb(code, at)
    if at + size > len(code):
        raise IndexError
    return code[at : at + size], at + size
