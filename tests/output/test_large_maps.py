"""Maps with many entries, which are formatted in blocks."""

from __future__ import annotations

import struct
from collections.abc import Callable

import pytest

from prybee.output.maps import MapText, Table, merge
from prybee.output.printf import formatted
from prybee.output.values import TextStyle
from prybee.plan import layouts as L  # noqa: N812
from prybee.plan.layouts import Layout
from tests.output.helpers import names, record, run, script_map

S64 = L.IntLayout(8, True)
PAIR = L.TupleLayout(16, (L.Field("", 0, L.IntLayout(4, False)), L.Field("", 8, L.StringLayout(8))))

KEYS: dict[str, tuple[Layout, Callable[[int], bytes]]] = {
    "int": (S64, lambda n: struct.pack("<q", n - 5)),
    "string": (L.StringLayout(16), lambda n: struct.pack("<16s", b"k%d" % n)),
    "long string": (L.StringLayout(80), lambda n: struct.pack("<80s", b"k%d" % n)),
    "tuple": (PAIR, lambda n: struct.pack("<I4x8s", n, b"x%d" % (n % 9))),
    "symbol": (L.KsymLayout(8), lambda n: struct.pack("<Q", 0xF000 + n)),
    "address": (L.InetLayout(20), lambda n: struct.pack("<I4B12x", 2, 10, 0, n >> 8, n & 255)),
}
VALUES: dict[str, tuple[Layout, Callable[[int], bytes]]] = {
    "int": (S64, lambda n: struct.pack("<q", 500 - n)),
    "narrow": (L.IntLayout(2, False), lambda n: struct.pack("<H6x", n)),
}


@pytest.mark.parametrize("value", VALUES)
@pytest.mark.parametrize("key", KEYS)
def test_a_whole_map_is_its_lines(key: str, value: str) -> None:
    (key_layout, make_key), (value_layout, make_value) = KEYS[key], VALUES[value]
    spec = script_map("@a%b", key_layout, value_layout)
    for count in (0, 1, 255, 256, 257, 600):
        items = [(make_key(n), make_value(n * 7 % 600)) for n in range(count)]
        table = merge(spec, items).arrange()
        show = MapText(names())
        lines = [
            show.lines(Table(spec, [key], [value]))
            for key, value in zip(table.keys, table.values, strict=True)
        ]
        assert len(lines) == count
        assert all(line.startswith(b"@a%b[") and line.count(b"\n") == 1 for line in lines)
        assert MapText(names()).lines(table) == b"".join(lines)


@pytest.mark.parametrize("size", [16, 64, 65, 200])
def test_many_records_with_strings(size: int) -> None:
    spec = record(8 + size, (8, L.StringLayout(size)), detail=("%s\n",))
    texts = [b"text %d" % n for n in range(600)]
    shown = formatted(spec, "<%s>\n", TextStyle(names()), together=True)
    records = run(*[struct.pack(f"<4x{size}s", text) for text in texts])
    assert b"".join(shown(records)) == b"".join([b"<%s>\n" % text for text in texts])
