"""Time series: intervals side by side, as charts and as JSON.

All series of a map are shown over one window of time, which ends with the latest interval of any
of them.  A merged series is a dict of epoch (the number of an interval since 1970) → value.
"""

from __future__ import annotations

import struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from prybee.output.names import Names
    from prybee.plan.layouts import TseriesLayout

    Series = Mapping[int, int]

# Columns of the graph, borders included; the first shows the least value, the last the greatest.
WIDTH = 53
CLOCK = "sw_tai"
# Precision of the time of a row by what lies between two rows: at least so many nanoseconds,
# heading, strftime format.
_PRECISIONS = (
    (1_000_000_000, "hh:mm:ss", "%H:%M:%S"),
    (1_000_000, "hh:mm:ss.ms", "%H:%M:%S.%l"),
    (1_000, "hh:mm:ss.μs", "%H:%M:%S.%f"),
    (0, "hh:mm:ss.ns", "%H:%M:%S.%k"),
)
_UNSIGNED, _SIGNED = struct.Struct("<QQQ"), struct.Struct("<qQQ")


def merge(layout: TseriesLayout, values: Sequence[bytes]) -> tuple[int, int]:
    """The CPUs' values of one entry as (epoch, value): what older epochs left does not count."""
    read = _SIGNED if layout.signed else _UNSIGNED
    words = [read.unpack_from(value) for value in values]
    epoch = max(number for _value, _meta, number in words)
    found = [(value, meta) for value, meta, number in words if number == epoch and meta]
    numbers = [value for value, _meta in found]
    if not numbers:
        return epoch, 0
    match layout.aggregation:
        case "sum":
            return epoch, _wrapped(sum(numbers), layout.signed)
        case "avg":
            total = _wrapped(sum(numbers), layout.signed)
            average = abs(total) // sum(meta for _value, meta in found)
            return epoch, average if total >= 0 else -average
        case "min":
            return epoch, min(numbers)
        case "max":
            return epoch, max(numbers)
    # The last number: meta is when it came.
    return epoch, max(found, key=lambda pair: pair[1])[0]


def _wrapped(number: int, signed: bool) -> int:
    number &= (1 << 64) - 1
    return number - (1 << 64) if signed and number >> 63 else number


def window(series: Sequence[Series], layout: TseriesLayout) -> range:
    """The epochs to show; none where nothing was ever put in, or all was zeroed."""
    last = max((epoch for each in series for epoch in each), default=0)
    return range(max(0, last - layout.buckets + 1), last + 1) if last else range(0)


def chart(series: Series, layout: TseriesLayout, epochs: range, names: Names) -> bytes:
    """The chart of one series, from its first interval with a value to the end of the window."""
    present = [epoch for epoch in epochs if epoch in series]
    if not epochs:
        return b"<no data>\n"
    shown = range(present[0] if present else epochs[-1], epochs[-1] + 1)
    between = layout.interval if len(shown) > 1 else 0
    heading, format_ = next(row[1:] for row in _PRECISIONS if between >= row[0])
    time = names.clock(format_, CLOCK)
    times = [time(epoch * layout.interval) for epoch in shown]
    width = len(times[0]) + 1
    values = [series[epoch] for epoch in present]
    least, most = min(values, default=0), max(values, default=0)
    if present and least == most:
        # As far as the type goes.
        first, last = (-(1 << 63), (1 << 63) - 1) if layout.signed else (0, (1 << 64) - 1)
        least, most = max(first, least - 1), min(last, most + 1)
    left, right = (str(least), str(most)) if present else ("null", "null")
    margin = b" " * width
    labels = b"%s%s\n" % (margin, f"{left}{right:>{WIDTH - len(left)}}".encode())
    ruler = b"_" * (WIDTH - 2)
    lines = [labels, b"%s|%s|\n" % (heading.encode().ljust(width), ruler)]
    # Upstream counts the columns for zero by 53, those for values by 52.
    zero = -least * WIDTH // (most - least) if least < 0 < most else -1
    for epoch, stamp in zip(shown, times, strict=True):
        value = series.get(epoch)
        row = bytearray(b"|" + b" " * (WIDTH - 2) + b"|")
        if zero >= 0:
            row[zero] = ord(".")
        if value is not None:
            row[_column(value, least, most)] = ord("*")
        lines.append(b"%s %s %s\n" % (stamp, row, b"-" if value is None else b"%d" % value))
    return b"".join([*lines, b"%sv%sv\n" % (margin, ruler), labels, b"\n"])


def _column(value: int, least: int, most: int) -> int:
    return (value - least) * (WIDTH - 1) // (most - least)


def json_rows(series: Series, layout: TseriesLayout, epochs: range, names: Names) -> list[bytes]:
    """The intervals that have a value as JSON objects."""
    time = names.clock("%Y-%m-%d %H:%M:%S.%k", CLOCK)
    return [
        b'{"interval_start":"%s","value":%d}' % (time(epoch * layout.interval), series[epoch])
        for epoch in epochs
        if epoch in series
    ]
