"""Unwind rows: what programs in the kernel would find, beside the call frames themselves."""

from __future__ import annotations

from bisect import bisect_right
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prybee.dwarf.call_frames import MACHINES, UNDEFINED
from prybee.dwarf.eh_frame import EhFrame
from prybee.elf import ElfFile
from prybee.elf.dynamic import needed
from prybee.symbols import unwind_layout as layout
from prybee.symbols.mappings import Mapping
from prybee.symbols.unwind_pages import NEEDED, SPARE, NoRoom, Pages
from prybee.symbols.unwind_rules import block, row
from prybee.symbols.unwind_tables import CodeFile

X86 = MACHINES["x86_64"]
SIGNAL = (b"\x77\xa0\x01\x06", b"\x77\xf8\x00", b"\x77\xa8\x01")


def field(word: int, where: tuple[int, int], signed: bool = False) -> int:
    value = word >> where[0] & (1 << where[1]) - 1
    return value - (1 << where[1]) if signed and value >> (where[1] - 1) else value


def meaning(word: int) -> tuple[int, int, int]:
    """Kind, and the distances in bytes."""
    return (
        field(word, layout.ROW_KIND),
        8 * field(word, layout.ROW_CFA, signed=True),
        8 * field(word, layout.ROW_FP, signed=True),
    )


@pytest.mark.parametrize(
    ("cfa", "fp", "ra", "expected"),
    [
        ((7, 8), None, -8, (layout.SP, 8, 0)),
        ((7, 4096), -16, -8, (layout.SP, 4096, -16)),
        ((6, 16), -16, -8, (layout.FP, 16, -16)),
        ((6, 16), None, UNDEFINED, (layout.STOP, 0, 0)),
        # A stub of the procedure linkage table, with and without branch protection.
        (b"\x77\x08\x80\x00\x3f\x1a\x3b\x2a\x33\x24\x22", None, -8, (layout.PLT, 8, 88)),
        (b"\x77\x08\x80\x00\x3f\x1a\x39\x2a\x33\x24\x22", None, -8, (layout.PLT, 8, 72)),
        # A frame that was aligned: *(rbp - 8), and rbp itself at rbp.
        (b"\x76\x78\x06", b"\x76\x00", -8, (layout.FP_INDIRECT, -8, 0)),
        (*SIGNAL, (layout.SIGNAL, 0, 0)),
        # What is not told: other registers, odd and far distances, other expressions.
        ((3, 16), None, -8, (layout.NONE, 0, 0)),
        ((7, 12), None, -8, (layout.NONE, 0, 0)),
        ((7, 1 << 20), None, -8, (layout.NONE, 0, 0)),
        ((7, 16), "other", -8, (layout.NONE, 0, 0)),
        ((7, 16), None, -16, (layout.NONE, 0, 0)),
        ((7, 16), b"\x76\x00", -8, (layout.NONE, 0, 0)),
        (b"\x76", b"\x76\x00", -8, (layout.NONE, 0, 0)),
        (b"\x76\x78\x06\x06", b"\x76\x00", -8, (layout.NONE, 0, 0)),
    ],
)
def test_rows(cfa: object, fp: object, ra: object, expected: tuple[int, int, int]) -> None:
    assert meaning(row(X86, cfa, fp, ra)) == expected  # type: ignore[arg-type]


@given(st.sampled_from((layout.SP, layout.FP)), st.integers(-32768, 32767), st.integers(-99, 99))
def test_words(kind: int, cfa: int, fp: int) -> None:
    assert meaning(layout.row_word(kind, 8 * cfa, 8 * fp)) == (kind, 8 * cfa, 8 * fp)
    assert layout.fits(8 * cfa)
    assert not layout.fits(8 * cfa + 1)


@cache
def loader() -> EhFrame:
    with ElfFile.open("/proc/self/exe") as elf:
        path = elf.interpreter
    if not path:
        pytest.skip("a static interpreter")
    with ElfFile.open(path) as elf:
        return EhFrame(elf)


@cache
def rows(number: int) -> list[int]:
    return block(loader(), number << layout.BLOCK_SHIFT)


@given(st.data())
def test_lookups_of_a_real_file(data: st.DataObject) -> None:
    """Whatever address inside a function: the row that its description has for it."""
    frames = loader()
    start = data.draw(st.sampled_from(frames.starts)) + frames._base
    function = next(iter(frames.functions(start, start + 1)))
    address = data.draw(st.integers(function.start, function.end - 1))
    words = rows(address >> layout.BLOCK_SHIFT)
    places = [word & 0xFFFF for word in words]
    assert places == sorted(set(places))
    assert places[0] == 0
    found = words[bisect_right(places, address & 0xFFFF) - 1]
    _, *want = next(
        each for each in reversed(function.rows()) if function.start + each[0] <= address
    )
    assert meaning(found) == meaning(row(X86, *want))


def test_gaps_have_no_rows() -> None:
    """Behind the last function nothing is claimed."""
    frames = loader()
    last = list(frames.functions())[-1]
    behind = last.end + 4096
    words = rows(behind >> layout.BLOCK_SHIFT)
    found = [word for word in words if word & 0xFFFF <= behind & 0xFFFF][-1]
    assert meaning(found)[0] == layout.NONE


class Memory(Pages):
    """Pages in our own memory."""

    def __init__(self, most: int) -> None:
        super().__init__(self, most)  # type: ignore[arg-type]

    max_entries = layout.MOST_PAGES

    def _add_page(self) -> None:
        self._words.append(memoryview(bytearray(layout.PAGE_BYTES)).cast("Q"))


def test_a_file_in_memory() -> None:
    """Blocks are brought one by one; the directory tells which are there."""
    pages = Memory(9)
    with ElfFile.open("/proc/self/exe") as elf:
        path = elf.interpreter
    with ElfFile.open(path) as elf:
        file = CodeFile(pages, elf)
        code = next(segment for segment in elf.segments if segment.type == 1 and segment.flags & 1)
    assert file.missing == list(range(file.blocks))
    page, first, count = (
        file.directory >> layout.PAGE_SHIFT,
        file.directory >> layout.FIRST_SHIFT & layout.FIELD_MASK,
        file.directory & layout.FIELD_MASK,
    )
    assert count == file.blocks
    assert list(pages._words[page][first : first + count]) == [0] * count
    assert file.load(1)
    assert not file.load(1)
    assert not file.load(99)
    assert file.missing == [0, *range(2, count)]
    slice_ = pages._words[page][first + 1]
    at = slice_ >> layout.FIRST_SHIFT & layout.FIELD_MASK
    want = block(loader(), file.origin + layout.BLOCK_BYTES)
    assert list(pages._words[slice_ >> 32][at : at + (slice_ & 0xFFFF)]) == want

    def base_at(offset: int) -> int | None:
        return file.base(Mapping(0x7F0000001000, 0x7F0000101000, offset, "08:01", 7, "/ld.so"))

    # Where a mapping of the code begins, the base leads back to the link-time address.
    base = base_at(code.offset)
    assert base is not None
    assert 0x7F0000001000 - base == code.address - file.origin
    assert base_at(1 << 40) is None


def test_no_room_for_rows() -> None:
    """Where memory has reached its limit blocks stay empty, and can be asked for again."""
    pages = Memory(1)
    with ElfFile.open("/proc/self/exe") as elf:
        path = elf.interpreter
    with ElfFile.open(path) as elf:
        file = CodeFile(pages, elf)
    size = layout.PAGE_WORDS - 100
    other = pages.take(size)
    for need in (SPARE, NEEDED):
        with pytest.raises(NoRoom):
            file.load(1, need)
    assert 1 in file.missing
    pages.give_back(*other, size)
    assert file.load(1, SPARE)
    words = file.rows[1][2]
    assert file.drop(1) == words > 100
    assert file.missing == list(range(file.blocks))
    page, first = file.directory >> 32, file.directory >> 16 & 0xFFFF
    assert pages._words[page][first + 1] == 0
    assert file.load(1)
    count = file.blocks
    assert file.close() == words + count
    assert not file.load(1)
    # All is free again.
    assert pages.take(layout.PAGE_WORDS) == (0, 0)


def test_libraries_that_a_file_needs() -> None:
    with ElfFile.open("/proc/self/exe") as elf:
        names = needed(elf)
    assert any(name.startswith("libc.") for name in names)
