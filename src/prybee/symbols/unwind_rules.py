"""Call frame information as the rows that programs in the kernel read (unwind_layout.py)."""

from __future__ import annotations

from prybee.dwarf.call_frames import UNDEFINED
from prybee.dwarf.leb128 import sleb
from prybee.dwarf.sections import DwarfError
from prybee.symbols import unwind_layout as layout

TYPE_CHECKING = False
if TYPE_CHECKING:
    from prybee.dwarf.call_frames import Cfa, Machine, Place
    from prybee.dwarf.eh_frame import EhFrame

# Code between two functions that is more than what aligns them: nothing is known of it.
_GAP = 64

# DW_OP_*: the expressions that compilers and linkers write.
_BREG = 0x70
_DEREF = 0x06
# PLT stubs push a word at one of their instructions (elf_x86_64_eh_frame_plt of binutils):
# breg7 8; breg16 0; lit15; and; litN; ge; lit3; shl; plus.
_PLT_BEGIN, _PLT_END = b"\x77\x08\x80\x00\x3f\x1a", b"\x2a\x33\x24\x22"
_LIT = 0x30
# The return of a signal handler (sigaction.c of the GNU C library): registers in the signal frame.
_SIGNAL = (b"\x77\xa0\x01\x06", b"\x77\xf8\x00", b"\x77\xa8\x01")

_known: dict[tuple[Cfa, Place, Place], int] = {}


def row(machine: Machine, cfa: Cfa, fp: Place, ra: Place) -> int:
    """What a row of call frame information says, as a word without place.

    What cannot be said so becomes :data:`~prybee.symbols.unwind_layout.NONE`.
    """
    key = (cfa, fp, ra)
    word = _known.get(key)
    if word is None:
        word = _known[key] = _row(machine, cfa, fp, ra)
    return word


def _row(machine: Machine, cfa: Cfa, fp: Place, ra: Place) -> int:
    none = layout.row_word(layout.NONE)
    if ra == UNDEFINED:
        return layout.row_word(layout.STOP)
    if (cfa, fp, ra) == _SIGNAL:
        return layout.row_word(layout.SIGNAL)
    if ra != -8:
        return none
    saved = 0 if fp is None else fp
    if isinstance(cfa, tuple):
        register, distance = cfa
        if register not in (machine.sp, machine.fp) or not isinstance(saved, int):
            return none
        kind = layout.SP if register == machine.sp else layout.FP
    elif cfa[:6] == _PLT_BEGIN and cfa[7:] == _PLT_END and len(cfa) == 11 and not saved:
        kind, distance, saved = layout.PLT, 8, 8 * (cfa[6] - _LIT)
    elif isinstance(saved, bytes):
        # A frame that was aligned: the CFA is in memory, and beside it the frame pointer.
        where = _indirect(cfa, machine.fp, _DEREF)
        place = _indirect(saved, machine.fp)
        if where is None or place is None:
            return none
        kind, distance, saved = layout.FP_INDIRECT, where, place
    else:
        return none
    assert isinstance(saved, int)
    if not layout.fits(distance) or not layout.fits(saved):
        return none
    return layout.row_word(kind, distance, saved)


def _indirect(expression: bytes, register: int, *behind: int) -> int | None:
    """The distance from a register that an expression says, with given operations behind it."""
    if expression[:1] != bytes((_BREG + register,)):
        return None
    try:
        distance, end = sleb(expression, 1)
    except IndexError:
        return None
    return distance if expression[end:] == bytes(behind) else None


def block(frames: EhFrame, start: int) -> list[int]:
    """The rows of the block of code at a link-time address, ascending, the first at its begin."""
    end = start + layout.BLOCK_BYTES
    none = layout.row_word(layout.NONE)
    last = none
    words = [none]
    reached = start
    machine = frames.machine
    for function in frames.functions(start, end):
        begin = function.start
        if begin - reached > _GAP and last != none:
            words.append(none | reached - start)
            last = none
        try:
            rows = function.rows()
        except DwarfError:
            rows = [(0, b"", None, None)]
        for at, cfa, fp, ra in rows:
            address = begin + at
            if address >= end:
                break
            word = _known.get((cfa, fp, ra))
            if word is None:
                word = row(machine, cfa, fp, ra)
            if address <= start:
                words[0] = last = word
            elif word != last:
                words.append(word | address - start)
                last = word
        reached = max(reached, function.end)
    if end - reached > _GAP and last != none:
        words.append(none | reached - start)
    return words[: layout.MOST_ROWS]
