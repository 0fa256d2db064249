"""printf: what bpftrace 0.27.1 printed for the same formats (run on the development machine)."""

from __future__ import annotations

import itertools
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prybee.output.printf import formatted
from prybee.output.values import TextStyle
from prybee.plan.formats import Conversion, conversions, parse
from prybee.plan.layouts import (
    BoolLayout,
    BufferLayout,
    EnumLayout,
    IntLayout,
    Layout,
    PointerLayout,
    StringLayout,
)
from tests.output.helpers import names, record, run

S8, S64 = IntLayout(1, True), IntLayout(8, True)
U8, U32, U64 = IntLayout(1, False), IntLayout(4, False), IntLayout(8, False)
POINTER = PointerLayout(8)
STRING = StringLayout(8)


def show(text: str, *values: tuple[Layout, bytes]) -> str:
    """Format values that lie one behind the other, each at a multiple of 8."""
    fields, body, at = [], b"\0" * 4, 8
    for layout, data in values:
        fields.append((at, layout))
        room = (layout.size + 7) // 8 * 8
        body += data.ljust(layout.size, b"\0") + bytes(room - layout.size)
        at += room
    spec = record(at, *fields)
    (shown,) = formatted(spec, text, TextStyle(names()))(run(body))
    return shown.decode("latin-1")


def integer(value: int, layout: Layout = S64) -> tuple[Layout, bytes]:
    return layout, (value & ((1 << 64) - 1)).to_bytes(8, "little")[: layout.size]


def buffer(data: bytes) -> tuple[Layout, bytes]:
    return BufferLayout(4 + 8), struct.pack("<I", len(data)) + data.ljust(8, b"\xee")


@pytest.mark.parametrize(
    ("conversion", "value", "expected"),
    [
        ("%5d", integer(2), "    2"),
        ("%-5d", integer(3), "3    "),
        ("%05d", integer(4), "00004"),
        ("%+d", integer(5), "+5"),
        ("% d", integer(6), "6"),
        ("%+5d", integer(5), "   +5"),
        ("%-+5d", integer(5), "+5   "),
        ("%+05d", integer(5), "000+5"),
        ("%05d", integer(-5), "000-5"),
        ("%-05d", integer(5), "50000"),
        ("%5.3d", integer(5), "    5"),
        ("%.5d", integer(5), "5"),
        ("%*d", integer(1), "1"),
        ("%+u", integer(5), "5"),
        ("%#x", integer(255), "0xff"),
        ("%#X", integer(255), "0XFF"),
        ("%#o", integer(8), "010"),
        ("%#x", integer(0), "0"),
        ("%#o", integer(0), "0"),
        ("%X", integer(255), "FF"),
        ("%-#8x", integer(255), "0xff    "),
        ("%#010x", integer(255), "0000000xff"),
        ("%5c", integer(65), "    A"),
        ("%-5c", integer(66), "B    "),
        ("%05c", integer(65), "0000A"),
        ("%c", integer(321), "A"),
        ("%lc", integer(65), "A"),
        ("%p", integer(0x1234), "0x1234"),
        ("%p", integer(-1), "0xffffffffffffffff"),
        ("%20p", integer(0x1234), "              0x1234"),
        ("%-20p", integer(0x1234), "0x1234              "),
        ("%020p", integer(0x1234), "000000000000000x1234"),
        # Without a length modifier only 32 bits are shown.
        ("%d", integer(0xFFFFFFFFFF), "-1"),
        ("%u", integer(0xFFFFFFFFFF), "4294967295"),
        ("%x", integer(0xFFFFFFFFFF), "ffffffff"),
        ("%ld", integer(0xFFFFFFFFFF), "1099511627775"),
        ("%lu", integer(-1), "18446744073709551615"),
        ("%lld", integer(-1), "-1"),
        ("%llx", integer(-1), "ffffffffffffffff"),
        ("%hd", integer(70000), "4464"),
        ("%hhd", integer(300), "44"),
        ("%hu", integer(70000), "4464"),
        ("%zd", integer(1), "1"),
        ("%jd", integer(2), "2"),
        ("%Lx", integer(5), "5"),
        ("%d", integer(200, U8), "200"),
        ("%d", integer(-56, S8), "-56"),
        ("%u", integer(-1, S8), "4294967295"),
        ("%x", integer(-1, S8), "ffffffff"),
        ("%o", integer(-1, S8), "37777777777"),
        ("%llu", integer(-1, S8), "18446744073709551615"),
        ("%d", integer(0xFFFFFFFF, U32), "-1"),
        ("%d", (BoolLayout(1), b"\1"), "1"),
        ("%d", (POINTER, b"\5"), "5"),
        ("%s", (POINTER, b"\x09"), "0x9"),
        ("%6s", (POINTER, b"\x05"), "   0x5"),
        ("%s", integer(-5), "-5"),
        ("%s", integer((1 << 64) - 1, U64), "18446744073709551615"),
        ("%06s", integer(-5), "0000-5"),
        ("%s", (BoolLayout(1), b"\1"), "true"),
        ("%-6s", (BoolLayout(1), b"\0"), "false "),
        ("%s", (STRING, b"abc"), "abc"),
        ("%10s", (STRING, b"abc"), "       abc"),
        ("%-10s", (STRING, b"abc"), "abc       "),
        ("%.2s", (STRING, b"abc"), "abc"),
        ("%010s", (STRING, b"abc"), "0000000abc"),
        ("%10.3s", (STRING, b"abcdef"), "    abcdef"),
        ("%hs", (STRING, b"x"), "x"),
        ("%s", (STRING, b"abc\0xyz"), "abc"),
        ("%s", (STRING, b"abcdefgh"), "abcdefgh.."),
        ("%20s", (STRING, b"abcdefgh"), "          abcdefgh.."),
        ("%r", buffer(b"a\x01b"), "a\\x01b"),
        ("%s", buffer(b"a\x01b"), "a\\x01b"),
        ("%rx", buffer(b"ab"), "\\x61\\x62"),
        ("%rh", buffer(b"ab\xff"), "61 62 ff"),
        ("%20r", buffer(b"ab"), "                  ab"),
        ("%-20r", buffer(b"ab"), "ab                  "),
        ("%20rx", buffer(b"ab"), "            \\x61\\x62"),
        ("%20rh", buffer(b"ab"), "               61 62"),
        ("%rhx", buffer(b"ab"), "61 62x"),
        ("%s", (EnumLayout(4, False, "b", ((1, "ONE"), (2, "TWO"))), b"\2"), "TWO"),
        ("%d", (EnumLayout(4, False, "b", ((1, "ONE"), (2, "TWO"))), b"\2"), "2"),
        ("%s", (EnumLayout(4, True, "b", ((1, "ONE"),)), b"\xff" * 4), "-1"),
    ],
)
def test_one_conversion(conversion: str, value: tuple[Layout, bytes], expected: str) -> None:
    assert show(f"[{conversion}]", value) == f"[{expected}]"


def test_several_fields_and_percent_signs() -> None:
    assert show("%d%% of %s: %x\n", integer(3), (STRING, b"bash"), integer(10)) == "3% of bash: a\n"
    assert show("no fields, 100%%\n") == "no fields, 100%\n"
    assert show("%lld %", integer(1)) == "1 %"


def test_a_run_of_records_gives_one_text_each() -> None:
    spec = record(16, (8, S64))
    view = run(*(struct.pack("<4xq", n) for n in range(5)))
    shown = formatted(spec, "%d;", TextStyle(names()))(view)
    assert b"".join(shown) == b"0;1;2;3;4;"


def test_text_that_is_not_utf8_passes_through() -> None:
    assert show("\udcff%s", (STRING, b"\xe9")) == "\xff\xe9"


def test_flags_in_another_order_are_no_conversion() -> None:
    assert conversions("%#+d %0-5d %5$d %y %-5-d") == ()
    assert parse("%%%") == ("%%",)


def test_unsupported_conversions_parse() -> None:
    assert [c.kind for c in conversions("%f %n %g %gr")] == ["f", "n", "g", "gr"]
    assert not any(c.supported for c in conversions("%f %n %g"))


@given(st.text(alphabet="%-+ #0*123.lhdsxr\nq", max_size=30))
def test_parsing_loses_nothing(text: str) -> None:
    pieces = parse(text)
    # No two literals in a row, and literal text is all that is not a conversion.
    assert not any(isinstance(a, str) and isinstance(b, str) for a, b in itertools.pairwise(pieces))
    for piece in pieces:
        assert isinstance(piece, Conversion | str)
        assert piece != ""


@given(
    st.integers(-(1 << 63), (1 << 64) - 1),
    st.sampled_from(["", "hh", "h", "l", "ll"]),
    st.sampled_from("duxo"),
)
def test_integers_are_cut_to_the_length(value: int, length: str, kind: str) -> None:
    bits = {"": 32, "hh": 8, "h": 16, "l": 64, "ll": 64}[length]
    wanted = value & ((1 << bits) - 1)
    if kind == "d" and wanted >> (bits - 1):
        wanted -= 1 << bits
    form = {"d": "d", "u": "d", "x": "x", "o": "o"}[kind]
    assert show(f"%{length}{kind}", integer(value)) == format(wanted, form)


@pytest.mark.parametrize("count", [0, 1, 255, 256, 257, 600])
@pytest.mark.parametrize(
    ("text", "fields"),
    [
        ("%d %s %u%%\n", ((8, S64), (16, STRING), (24, S64))),
        ("%d\n", ((8, S64),)),
        ("no fields\n", ()),
        # Two variables make one argument: record by record.
        ("%r;", ((8, BufferLayout(12)),)),
        ("%5s|%#x|%p\n", ((16, STRING), (24, S64), (32, POINTER))),
    ],
)
def test_blocks_give_the_same_bytes(
    count: int, text: str, fields: tuple[tuple[int, Layout], ...]
) -> None:
    spec = record(40, *fields)
    view = run(*(struct.pack("<4xi4xqqqq", n % 9, 0, n, n - 100, n * 7)[:36] for n in range(count)))
    style = TextStyle(names())
    alone = formatted(spec, text, style)(view)
    together = formatted(spec, text, style, together=True)(view)
    assert len(alone) == count
    assert b"".join(alone) == b"".join(together)
