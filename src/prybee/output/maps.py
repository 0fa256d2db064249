"""Maps of a script as they are shown: CPUs merged, sorted, one line per key.

Items come as the engine reads them: ``(key bytes, value bytes)``, or for values kept per CPU
``(key bytes, [value bytes of each CPU])``.
"""

from __future__ import annotations

import struct
from operator import add

from prybee.output.coder import Coder, Piece, literal
from prybee.output.histogram import json_rows, rows
from prybee.output.values import JsonStyle, TextStyle, json_number, json_string, sort_key
from prybee.plan import layouts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from prybee.output.names import Names
    from prybee.plan.layouts import Layout
    from prybee.plan.plan import ScriptMap

    Items = Sequence[tuple[bytes, bytes | Sequence[bytes]]]

_MASK = (1 << 64) - 1
# In maps of up to so many entries, equal values are in the order of their keys.
_TIDY = 4096
# Values that are merged to one integer each.
_NUMBERS = (
    layouts.IntLayout,
    layouts.CountLayout,
    layouts.SumLayout,
    layouts.MinMaxLayout,
)
HISTOGRAMS = (layouts.HistLayout, layouts.LhistLayout)


class Stats:
    """A merged ``stats()`` or ``avg()`` value."""

    __slots__ = ("average", "count", "total")

    def __init__(self, count: int, total: int) -> None:
        self.count = count
        self.total = total
        # C's division: towards zero.
        self.average = (abs(total) // count * (1 if total >= 0 else -1)) if count else 0

    def divided(self, div: int) -> Stats:
        """The same with total and average divided, as ``print(@s, 0, div)`` shows it."""
        made = Stats(self.count, int(self.total / div) if div > 1 else self.total)
        made.average = int(self.average / div) if div > 1 else self.average
        return made


class Table:
    """The content of a map, merged: parallel lists of keys and values.

    Values are ints, :class:`Stats`, dicts of bucket → count, or the value's bytes.
    """

    __slots__ = ("keys", "spec", "values")

    def __init__(self, spec: ScriptMap, keys: list[bytes], values: list[Any]) -> None:
        self.spec = spec
        self.keys = keys
        self.values = values

    def arrange(self, top: int = 0) -> Table:
        """Sorted as it is printed; with ``top``, only so many of the last ones."""
        count = len(self.keys)
        order = list(range(count))
        weigh = _weight(self.spec)
        key = self.spec.key
        if isinstance(self.spec.value, layouts.TseriesLayout):
            # By the keys' bytes, as upstream has it.
            order.sort(key=self.keys.__getitem__)
            key = None
        if count > 1 and key is not None and (weigh is None or count <= _TIDY):
            sort = sort_key(key)
            order.sort(key=[sort(each) for each in self.keys].__getitem__)
        if count > 1 and weigh is not None:
            weights = self.values if weigh is _self else [weigh(value) for value in self.values]
            order.sort(key=weights.__getitem__)
        if top > 0:
            order = order[-top:]
        keys, values = self.keys, self.values
        return Table(self.spec, [keys[i] for i in order], [values[i] for i in order])


def merge(spec: ScriptMap, items: Items) -> Table:
    """Items of a map as a table, CPUs merged."""
    value = spec.value
    if isinstance(value, HISTOGRAMS):
        return _merge_buckets(spec, items)
    if isinstance(value, layouts.TseriesLayout):
        return _merge_series(spec, items)
    keys = [key for key, _value in items]
    if not spec.per_cpu:
        raw: list[Any] = [data for _key, data in items]
        integer = _integer(value)
        if integer is None:
            return Table(spec, keys, raw)
        if not raw:
            return Table(spec, keys, raw)
        padding = len(raw[0]) - integer.size
        rows = struct.Struct(f"{integer.format}{padding}x").iter_unpack(b"".join(raw))
        return Table(spec, keys, [number for (number,) in rows])
    if not keys:
        return Table(spec, keys, [])
    per_cpu: list[Sequence[bytes]] = [data for _key, data in items]  # type: ignore[misc]
    return Table(spec, keys, _merge_cpus(value, per_cpu))


def _integer(layout: Layout) -> struct.Struct | None:
    """How plain integer values are read; None for other values."""
    from prybee.output.values import INT_CODES

    if isinstance(layout, layouts.IntLayout):
        return struct.Struct("<" + INT_CODES[layout.size, layout.signed])
    return None


def _columns(values: Sequence[Sequence[bytes]], words: int) -> list[list[int]]:
    """Unsigned words of per-CPU values: one list per CPU and word, ``[cpu * words + word]``."""
    wide = len(values[0]) * words
    flat = memoryview(b"".join([b"".join(each) for each in values])).cast("Q").tolist()
    return [flat[at::wide] for at in range(wide)]


def _sum(columns: list[list[int]]) -> list[int]:
    if len(columns) == 2:
        return list(map(add, *columns))
    return list(map(sum, zip(*columns, strict=True)))


def _signed(number: int) -> int:
    number &= _MASK
    return number - (1 << 64) if number >> 63 else number


def _merge_cpus(value: Layout, values: Sequence[Sequence[bytes]]) -> list[Any]:
    if isinstance(value, layouts.CountLayout):
        return _sum(_columns(values, 1))
    if isinstance(value, layouts.SumLayout):
        width = len(values[0][0]) // 8
        totals = _sum(_columns(values, width)[::width])
        return [_signed(n) if value.signed else n & _MASK for n in totals]
    columns = _columns(values, 2)
    firsts, seconds = columns[::2], columns[1::2]
    if isinstance(value, layouts.StatsLayout):
        merged = zip(_sum(firsts), _sum(seconds), strict=True)
        if value.signed:
            return [Stats(count, _signed(total)) for total, count in merged]
        return [Stats(count, total & _MASK) for total, count in merged]
    assert isinstance(value, layouts.MinMaxLayout), f"{value} is not kept per CPU"
    best = max if value.is_max else min
    found = []
    for numbers, flags in zip(zip(*firsts, strict=True), zip(*seconds, strict=True), strict=True):
        seen = [n for n, flag in zip(numbers, flags, strict=True) if flag & 0xFFFFFFFF]
        if value.signed:
            seen = [_signed(n) for n in seen]
        found.append(best(seen) if seen else 0)
    return found


def _merge_buckets(spec: ScriptMap, items: Items) -> Table:
    """Entries of a histogram's map, whose keys end in a bucket number, by their keys."""
    found: dict[bytes, dict[int, int]] = {}
    if items:
        sums = _sum(_columns([v for _k, v in items], 1))  # type: ignore[misc]
        for (key, _value), count in zip(items, sums, strict=True):
            bucket = int.from_bytes(key[-8:], "little")
            found.setdefault(key[:-8], {})[bucket] = count
    return Table(spec, list(found), list(found.values()))


def _merge_series(spec: ScriptMap, items: Items) -> Table:
    """Entries of a time series' map, whose keys end in a bucket number, by their keys."""
    from prybee.output.tseries import merge as merged

    layout = spec.value
    assert isinstance(layout, layouts.TseriesLayout)
    found: dict[bytes, dict[int, int]] = {}
    for key, values in items:
        epoch, value = merged(layout, values)  # type: ignore[arg-type]
        found.setdefault(key[:-8], {})[epoch] = value
    return Table(spec, list(found), list(found.values()))


def _self(value: Any) -> Any:
    return value


def _weight(spec: ScriptMap) -> Callable[[Any], Any] | None:
    """What a value is sorted by; None: the map is sorted by key."""
    value = spec.value
    if isinstance(value, layouts.IntLayout | layouts.CountLayout | layouts.SumLayout):
        return _self
    if isinstance(value, layouts.MinMaxLayout):
        # As unsigned, whatever they are: upstream's rule.
        return lambda number: number & _MASK
    if isinstance(value, layouts.StatsLayout):
        return lambda stats: stats.average
    if isinstance(value, HISTOGRAMS):
        return lambda counts: sum(counts.values())
    return None


def _divide(number: int, div: int) -> int:
    """C's division; a ``div`` of 0 or 1 leaves a number as it is."""
    if div <= 1:
        return number
    return abs(number) // div * (1 if number >= 0 else -1)


class MapText:
    """Shows maps as text."""

    def __init__(self, names: Names) -> None:
        self.style = TextStyle(names)
        self._keys: dict[tuple[Layout, int], Callable[[Any], list[bytes]]] = {}
        self._lines: dict[tuple[str, int], Callable[[Any, list[Any]], list[bytes]]] = {}

    def keys(self, layout: Layout, keys: list[bytes]) -> list[bytes]:
        """Keys as text; a tuple's own parentheses are left out."""
        if not keys:
            return []
        size = len(keys[0])
        show = self._keys.get((layout, size))
        if show is None:
            coder = Coder()
            piece = self.style.piece(coder, layout, 0)
            if isinstance(layout, layouts.TupleLayout):
                piece = Piece(piece.spec[1:-1], piece.args)
            # A histogram's key is padded to 8 bytes.
            show = self._keys[layout, size] = coder.run(piece, size)
        return show(b"".join(keys))

    def _numbered(self, table: Table) -> list[bytes] | None:
        """The lines of a keyed map of integers, key and value by one format; None for others."""
        spec = table.spec
        layout = spec.key
        if layout is None or not table.keys or not isinstance(spec.value, _NUMBERS):
            return None
        size = len(table.keys[0])
        show = self._lines.get((spec.name, size))
        if show is None:
            coder = Coder()
            key = self.style.piece(coder, layout, 0)
            inner = key.spec[1:-1] if isinstance(layout, layouts.TupleLayout) else key.spec
            head = literal(spec.name.encode())
            piece = Piece(b"%s[%s]: %%d\n" % (head, inner), [*key.args, "value"])
            show = self._lines[spec.name, size] = coder.beside(piece, size)
        return show(b"".join(table.keys), table.values)

    def values(self, table: Table, div: int) -> list[bytes]:
        """Values in one line each."""
        return _plain_values(table, self.style, b"%d", _text_stats, div)

    def lines(self, table: Table, div: int = 1) -> bytes:
        """A whole map; empty where a map has no entries."""
        spec = table.spec
        numbered = self._numbered(table) if div <= 1 else None
        if numbered is not None:
            return b"".join(numbered)
        name = spec.name.encode()
        heads = (
            [b""]
            if spec.key is None
            else [b"[%s]" % key for key in self.keys(spec.key, table.keys)]
        )
        if isinstance(spec.value, HISTOGRAMS):
            blocks = []
            for head, counts in zip(heads, table.values, strict=False):
                drawn = "".join(f"{row}\n" for row in rows(counts, spec.value, div)).encode()
                blocks.append(b"%s%s:\n%s\n" % (name, head, drawn))
            return b"".join(blocks)
        if isinstance(spec.value, layouts.TseriesLayout):
            from prybee.output.tseries import chart, window

            layout, epochs, names = spec.value, window(table.values, spec.value), self.style.names
            charts = [chart(series, layout, epochs, names) for series in table.values]
            return b"".join(
                [b"%s%s:\n%s" % (name, *pair) for pair in zip(heads, charts, strict=False)]
            )
        line = literal(name) + b"%s: %s\n"
        return b"".join([line % pair for pair in zip(heads, self.values(table, div), strict=False)])


class MapJson:
    """Shows maps as JSON objects."""

    def __init__(self, names: Names) -> None:
        self.style = JsonStyle(names)
        self._text = MapText(names)

    def values(self, table: Table, div: int) -> list[bytes]:
        """Values alone."""
        layout = table.spec.value
        if isinstance(layout, HISTOGRAMS):
            return [b"[%s]" % b",".join(json_rows(counts, layout)) for counts in table.values]
        if isinstance(layout, layouts.TseriesLayout):
            from prybee.output import tseries

            epochs, names = tseries.window(table.values, layout), self.style.names
            return [
                b"[%s]" % b",".join(tseries.json_rows(series, layout, epochs, names))
                for series in table.values
            ]
        return _plain_values(table, self.style, None, _json_stats, div)

    def lines(self, table: Table, div: int = 1) -> bytes:
        """A whole map as one line; empty where a map has no entries."""
        if not table.values:
            return b""
        spec = table.spec
        values = self.values(table, div)
        if spec.key is None:
            data = values[0]
        else:
            keys = self._text.keys(spec.key, table.keys)
            data = b"{%s}" % b", ".join(
                [
                    b"%s: %s" % (json_string(key.replace(b" ", b"")), value)
                    for key, value in zip(keys, values, strict=True)
                ]
            )
        return b'{"type": "%s", "data": {%s: %s}}\n' % (
            message_type(spec.value),
            json_string(spec.name.encode()),
            data,
        )


def message_type(value: Layout) -> bytes:
    """The ``type`` of a map's JSON message."""
    if isinstance(value, HISTOGRAMS):
        return b"hist"
    if isinstance(value, layouts.TseriesLayout):
        return b"tseries"
    return b"stats" if isinstance(value, layouts.StatsLayout) else b"map"


def _text_stats(stats: Stats) -> bytes:
    return b"{ .count = %d, .average = %d, .total = %d }" % (
        stats.count,
        stats.average,
        stats.total,
    )


def _json_stats(stats: Stats) -> bytes:
    return b'{"count": %d, "average": %s, "total": %s}' % (
        stats.count,
        json_number(stats.average),
        json_number(stats.total),
    )


def _plain_values(
    table: Table,
    style: TextStyle | JsonStyle,
    number: bytes | None,
    show_stats: Callable[[Stats], bytes],
    div: int,
) -> list[bytes]:
    """Values other than histograms. ``number`` is the format of an int; None: as JSON."""
    layout = table.spec.value
    values = table.values
    if isinstance(layout, layouts.StatsLayout):
        shown = [value.divided(div) for value in values]
        if layout.average_only:
            values = [value.average for value in shown]
            div = 1
        else:
            return [show_stats(value) for value in shown]
    elif not isinstance(layout, _NUMBERS):
        if not values:
            return []
        return style.many(layout)(b"".join([value[: layout.size] for value in values]))
    if div > 1:
        values = [_divide(value, div) for value in values]
    if number is None:
        return [json_number(value) for value in values]
    return [number % value for value in values]
