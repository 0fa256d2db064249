"""How unwind rows lie in the memory that programs in the kernel read: the one place that says so.

Everything is 64-bit words in *pages*, which are the elements of an array of maps, made when they
are needed.  A *slice* is a run of records in one page, written as one word; 0 is the empty one.

- The map of processes has, by pid, the slice of a process's *ranges*, ascending: code that a file
  has in its memory: first address, end, base, and the slice of the file's *directory*.
- A directory has a word for each block of 64 KiB of code, counted from the base: the slice of its
  *rows*; the empty one as long as nobody has asked for it.
- A row has the distance from its block's begin, from which on it holds, and how the caller is
  found.  The first row of a block has distance 0.
"""

from __future__ import annotations

PAGES_MAP = "unwind_pages"
PROCESSES_MAP = "unwind_processes"
WANTED_MAP = "unwind_wanted"

PAGE_WORDS = 8192
PAGE_BYTES = 8 * PAGE_WORDS
# The most that all rows, directories and ranges may take: 64 MiB.
MOST_PAGES = 1024
MOST_PROCESSES = 16384
# Requests that are remembered, so that none is sent twice.
MOST_WANTED = 65536

# A slice: page, first record (of ranges: of four words), number of records.
PAGE_SHIFT, FIRST_SHIFT = 32, 16
FIELD_MASK = 0xFFFF

RANGE_WORDS = 4
RANGE_START, RANGE_END, RANGE_BASE, RANGE_DIRECTORY = 0, 8, 16, 24
# Powers of two: steps of the searches.
MOST_RANGES = 1024
MOST_ROWS = PAGE_WORDS
# A range's directory lies in one page.
MOST_BLOCKS = PAGE_WORDS
BLOCK_SHIFT = 16
BLOCK_BYTES = 1 << BLOCK_SHIFT

# A row's fields: from which bit on, and how many bits. Distances are signed, in words of 8 bytes.
ROW_KIND = (16, 4)
ROW_CFA = (20, 16)
ROW_FP = (36, 16)

# How the begin of the caller's frame (the CFA) is found; the return address is right below it.
NONE = 0  # nothing is known: as code with frame pointers
SP = 1  # the stack pointer and a distance
FP = 2  # the frame pointer and a distance
FP_INDIRECT = 3  # in memory, at the frame pointer and a distance; there, too, is the caller's own
PLT = 4  # as SP, and 8 more from the instruction on whose place in its 16 bytes is ROW_FP
SIGNAL = 5  # all registers are in a signal frame
STOP = 6  # there is no caller


def slice_word(page: int, first: int, count: int) -> int:
    """A slice as a word."""
    return page << PAGE_SHIFT | first << FIRST_SHIFT | count


def row_word(kind: int, cfa: int = 0, fp: int = 0) -> int:
    """A row without its place. Distances are in bytes, multiples of 8.

    ``fp`` is where the caller's frame pointer is saved, from the CFA; 0: it has not changed.
    """
    return kind << ROW_KIND[0] | (cfa // 8 & 0xFFFF) << ROW_CFA[0] | (fp // 8 & 0xFFFF) << ROW_FP[0]


def fits(distance: int) -> bool:
    """Whether a distance in bytes can be written in a row."""
    return distance % 8 == 0 and -0x8000 <= distance // 8 < 0x8000


# Code with frame pointers, behind its first two instructions.
BY_FRAME_POINTER = row_word(FP, 16, -16)
# At a function's first instruction: nothing is kept yet but where the call returns to.
AT_ENTRY = row_word(SP, 8, 0)
