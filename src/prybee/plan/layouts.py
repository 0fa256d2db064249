"""How a value lies in bytes, and what it is, for whoever reads records and maps.

A layout is all that the reading side knows of a type of the language: enough to decode and print a
value, and nothing that leads further (a pointer is a number here; what it points to stays with
the compiler).  Sizes and offsets are in bytes; numbers are little-endian unless a layout says so.
"""

from __future__ import annotations

from prybee.data import Data


class Layout(Data):
    """Base of all layouts; ``size`` is what one value takes in a record, key or map value."""

    size: int


class IntLayout(Layout):
    """A signed or unsigned integer of 1, 2, 4 or 8 bytes."""

    signed: bool


class BoolLayout(Layout):
    """One byte; prints as ``true`` or ``false``."""


class PointerLayout(Layout):
    """An address, eight bytes; prints as ``0x…``."""


class EnumLayout(Layout):
    """An integer that prints as the enumerator's name, where it has one."""

    signed: bool
    name: str
    names: tuple[tuple[int, str], ...]


class StringLayout(Layout):
    """Text up to ``size`` bytes; a NUL ends it. Full to the last byte means it was cut, unless
    it is ``whole``: the array of a C struct."""

    whole: bool = False


class BufferLayout(Layout):
    """A u32 with the number of bytes in use, then ``size - 4`` bytes."""


class ArrayLayout(Layout):
    """``count`` values of ``element``, each ``element.size`` bytes."""

    element: Layout
    count: int


class Field(Data):
    """A member of a struct, record or tuple.

    ``bit_offset`` and ``bit_size`` are for bitfields: bits counted from the start of the byte at
    ``offset``; ``bit_size`` 0 means an ordinary member.
    """

    name: str
    offset: int
    layout: Layout
    bit_offset: int = 0
    bit_size: int = 0


class StructLayout(Layout):
    """A C struct or union, or a record of the language: prints as ``{ .a = 1, .b = 2 }``."""

    name: str
    fields: tuple[Field, ...]


class TupleLayout(Layout):
    """A tuple; fields have empty names; prints as ``(1, x)``."""

    fields: tuple[Field, ...]


class NoneLayout(Layout):
    """No value (size 0), as a call of a void function has, or one that cannot be read, such as a
    floating-point number; prints as ``null``."""


class TimestampLayout(Layout):
    """Eight bytes of nanoseconds of a clock, printed by ``strftime``.

    ``mode`` is the clock: ``boot``, ``monotonic``, ``tai`` or ``sw_tai``.  ``format`` is a
    strftime format with bpftrace's ``%f`` (µs), ``%k`` (ns) and ``%l`` (ms); empty for the default.
    """

    format: str
    mode: str


class KsymLayout(Layout):
    """A kernel address (8 bytes) that prints as the symbol it lies in."""


class UsymLayout(Layout):
    """A user address: u64 address, u32 pid, u32 probe number; prints as a symbol."""


class UsernameLayout(Layout):
    """A uid (8 bytes) that prints as the user's name."""


class MacLayout(Layout):
    """Six bytes (in 8): prints as ``AA:BB:CC:DD:EE:FF``."""


class InetLayout(Layout):
    """u32 address family (2 or 10), then 4 or 16 bytes of address: prints as an IP address."""


class CgroupPathLayout(Layout):
    """A cgroup id (8 bytes); prints as its path. ``glob`` selects hierarchies by name."""

    glob: str


class StackLayout(Layout):
    """A stack: u32 frame count (negative: errno), u32 pid, u32 probe number, u32 zero,
    then ``limit`` frames.

    A frame is a u64 address; with mode ``build_id`` it is the kernel's 32-byte
    ``bpf_stack_build_id`` (s32 status, 20 bytes, u64 offset or ip).

    ``mode`` is ``bpftrace``, ``perf``, ``raw`` or ``build_id``.
    """

    user: bool
    mode: str
    limit: int


# Values that live in maps only.


class CountLayout(Layout):
    """``count()``: u64 per CPU."""


class SumLayout(Layout):
    """``sum()``: s64 or u64 per CPU."""

    signed: bool


class MinMaxLayout(Layout):
    """``min()`` and ``max()``: u64 or s64 value, u32 set flag (0: this CPU has none), u32 zero."""

    signed: bool
    is_max: bool


class StatsLayout(Layout):
    """``avg()`` and ``stats()``: s64/u64 total, u64 count, per CPU."""

    signed: bool
    average_only: bool


class HistLayout(Layout):
    """``hist()``: the bucket number is the last 8 bytes of the key; the value a u64 per CPU.

    ``bits`` is the number of sub-bucket bits k (0 … 5).
    """

    bits: int


class LhistLayout(Layout):
    """``lhist()``: like hist; bucket 0 is below ``min``, the last one at or above ``max``."""

    min: int
    max: int
    step: int


class TseriesLayout(Layout):
    """``tseries()``: a ring of ``buckets`` intervals of ``interval`` ns with an aggregation."""

    interval: int
    buckets: int
    aggregation: str
    signed: bool


AGGREGATIONS = (
    CountLayout,
    SumLayout,
    MinMaxLayout,
    StatsLayout,
    HistLayout,
    LhistLayout,
    TseriesLayout,
)
