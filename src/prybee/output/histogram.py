"""Histograms: buckets to intervals, rows and bars, as upstream draws them.

A bucket's interval is ``(low, high)``: low inclusive, high exclusive, None for no end.
"""

from __future__ import annotations

import struct

from prybee.plan.layouts import HistLayout, LhistLayout

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    Interval = tuple[int | None, int | None]

BAR = 52
_FLOAT = struct.Struct("<f")
_UNITS = ("", "K", "M", "G", "T", "P", "E")


def hist_interval(index: int, bits: int) -> Interval:
    """The interval of a ``hist()`` bucket: 0 holds negatives, then come the single values below
    2·2^bits, then 2^bits equal parts of each power of two."""
    if index == 0:
        return None, 0
    value = index - 1
    if value < 2 << bits:
        return value, value + 1
    shift = (value >> bits) - 1
    low = ((value & ((1 << bits) - 1)) | (1 << bits)) << shift
    return low, low + (1 << shift)


def hist_index(value: int, bits: int) -> int:
    """The ``hist()`` bucket of a value (what the generated programs compute)."""
    if value < 0:
        return 0
    if value < 2 << bits:
        return value + 1
    shift = value.bit_length() - 1 - bits
    return (shift << bits) + (value >> shift) + 1


def lhist_interval(index: int, layout: LhistLayout) -> Interval:
    """The interval of an ``lhist()`` bucket: 0 lies below min, the last at or above max."""
    if index == 0:
        return None, layout.min
    low = layout.min + (index - 1) * layout.step
    last = (layout.max - layout.min) // layout.step + 1
    if index >= last:
        return low, None
    return low, low + layout.step


def interval(index: int, layout: HistLayout | LhistLayout) -> Interval:
    """The interval of a bucket of either kind."""
    if isinstance(layout, HistLayout):
        return hist_interval(index, layout.bits)
    return lhist_interval(index, layout)


def hist_bound(value: int, bits: int) -> str:
    """The start of a ``hist()`` bucket, in the unit that the bucket's width reaches."""
    if value < 2 << bits:
        return str(value)
    unit = (value.bit_length() - 1 - bits) // 10
    return f"{value >> 10 * unit}{_UNITS[unit]}"


def lhist_bound(value: int, step: int) -> str:
    """The start of an ``lhist()`` bucket: K and M only where ``step`` is a multiple of 1024."""
    if step % 1024 or not value:
        return str(value)
    unit = 0
    while unit < 2 and value % 1024 == 0:
        value //= 1024
        unit += 1
    return f"{value}{_UNITS[unit]}"


def label(bounds: Interval, layout: HistLayout | LhistLayout) -> str:
    """An interval as rows show it: ``(..., 0)``, ``[1]``, ``[2, 4)``, ``[100, ...)``."""
    low, high = bounds
    if low is not None and high is not None and high - low == 1:
        return f"[{low}]"
    first, end = (
        ""
        if value is None
        else hist_bound(value, layout.bits)
        if isinstance(layout, HistLayout)
        else lhist_bound(value, layout.step)
        for value in bounds
    )
    return f"{f'[{first}' if first else '(...'}, {f'{end})' if end else '...)'}"


def bar(count: int, most: int) -> str:
    """The bar of a row: ``count / most`` of 52 columns, in 32-bit floats as upstream computes."""
    if not most:
        return ""
    (ratio,) = _FLOAT.unpack(_FLOAT.pack(_single(count) / _single(most)))
    return "@" * int(_single(ratio * _single(BAR)))


def _single(number: float) -> float:
    value: float = _FLOAT.unpack(_FLOAT.pack(number))[0]
    return value


def filled(counts: Mapping[int, int]) -> list[tuple[int, int]]:
    """(bucket, count) from the first bucket that is not empty to the last one."""
    used = [index for index, count in counts.items() if count]
    if not used:
        return []
    return [(index, counts.get(index, 0)) for index in range(min(used), max(used) + 1)]


def rows(counts: Mapping[int, int], layout: HistLayout | LhistLayout, div: int = 1) -> list[str]:
    """The rows of a histogram, from the first to the last bucket in use.

    Args:
        counts: bucket → count.
        layout: which histogram.
        div: what counts of a ``hist()`` are divided by (upstream ignores it for ``lhist``).
    """
    shown = filled(counts)
    if div > 1 and isinstance(layout, HistLayout):
        shown = [(index, count // div) for index, count in shown]
    most = max((count for _index, count in shown), default=0)
    return [
        f"{label(interval(index, layout), layout):<16}{count:>8} |{bar(count, most):<52}|"
        for index, count in shown
    ]


def json_rows(counts: Mapping[int, int], layout: HistLayout | LhistLayout) -> list[bytes]:
    """The buckets as JSON objects with inclusive ends."""
    from prybee.output.values import json_number

    found = []
    for index, count in filled(counts):
        low, high = interval(index, layout)
        parts = []
        if low is not None:
            parts.append(b'"min": ' + json_number(low))
        if high is not None:
            parts.append(b'"max": ' + json_number(high - 1))
        parts.append(b'"count": %d' % count)
        found.append(b"{%s}" % b", ".join(parts))
    return found
