"""Values of every layout as text and as JSON, golden."""

from __future__ import annotations

import json
import re
import struct
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prybee.output.json_text import quote
from prybee.output.names import Names, split_format
from prybee.output.values import JsonStyle, TextStyle, sort_key
from prybee.plan import layouts as L  # noqa: N812
from tests.output.helpers import Kernel, names

U64, S64, S32, U8 = (
    L.IntLayout(8, False),
    L.IntLayout(8, True),
    L.IntLayout(4, True),
    L.IntLayout(1, False),
)
STRING = L.StringLayout(8)
PAIR = L.TupleLayout(16, (L.Field("", 0, S32), L.Field("", 8, STRING)))
RECORD = L.StructLayout(16, "", (L.Field("a", 0, S32), L.Field("b", 8, STRING)))
UNION = L.StructLayout(8, "union u", (L.Field("n", 0, U64), L.Field("c", 0, U8)))
BITS = L.StructLayout(
    4,
    "struct bits",
    (
        L.Field("low", 0, L.IntLayout(4, False), 0, 3),
        L.Field("high", 0, S32, 3, 5),
        L.Field("rest", 1, U8),
    ),
)
NESTED = L.TupleLayout(24, (L.Field("", 0, S64), L.Field("", 8, PAIR)))
ENUM = L.EnumLayout(4, False, "e", ((0, "ZERO"), (1, "ONE"), (1, "ALSO_ONE")))
STACK = L.StackLayout(16 + 3 * 8, False, "bpftrace", 3)


def stack(*addresses: int, pid: int = 0, limit: int = 3, count: int | None = None) -> bytes:
    filled = [*addresses, *([0] * (limit - len(addresses)))]
    number = len(addresses) if count is None else count
    return struct.pack(f"<iIII{limit}Q", number, pid, 0, 0, *filled)


FRAMES = stack(0xF004, 0xF105, 0x5)
USER = stack(0x410, 0x900, pid=7, limit=3)

CASES = [
    (S64, struct.pack("<q", -3), "-3", "-3"),
    (U64, b"\xff" * 8, "18446744073709551615", '"18446744073709551615"'),
    (U64, struct.pack("<Q", 1 << 62), str(1 << 62), str(1 << 62)),
    (U64, struct.pack("<Q", (1 << 53) + 1), str((1 << 53) + 1), f'"{(1 << 53) + 1}"'),
    (L.BoolLayout(1), b"\1", "true", "true"),
    (L.BoolLayout(1), b"\0", "false", "false"),
    (L.PointerLayout(8), struct.pack("<Q", 0xFFFF888000000000), "0xffff888000000000", None),
    (L.PointerLayout(8), struct.pack("<Q", 7), "0x7", "7"),
    (ENUM, struct.pack("<I", 1), "ONE", "1"),
    (ENUM, struct.pack("<I", 9), "9", "9"),
    (STRING, b"ab\0cdefg", "ab", '"ab"'),
    (STRING, b"abcdefgh", "abcdefgh..", '"abcdefgh.."'),
    (L.BufferLayout(8), struct.pack("<I4s", 3, b"a\n\xff"), "a\\x0a\\xff", "[97,10,255]"),
    (L.ArrayLayout(8, S32, 2), struct.pack("<2i", 1, -2), "[1,-2]", "[1,-2]"),
    (L.ArrayLayout(0, S32, 0), b"", "[]", "[]"),
    (
        L.ArrayLayout(16, L.ArrayLayout(8, S32, 2), 2),
        struct.pack("<4i", 1, 2, 3, 4),
        "[[1,2],[3,4]]",
        "[[1,2],[3,4]]",
    ),
    (PAIR, struct.pack("<i4x8s", 1, b"x"), "(1, x)", '[1,"x"]'),
    (NESTED, struct.pack("<qi4x8s", 5, 1, b"x"), "(5, (1, x))", '[5,[1,"x"]]'),
    (RECORD, struct.pack("<i4x8s", 1, b"x"), "{ .a = 1, .b = x }", '{"a": 1, "b": "x"}'),
    (L.StructLayout(0, "", ()), b"", "{}", "{}"),
    (UNION, struct.pack("<Q", 0x101), "{ .n = 257, .c = 1 }", '{"n": 257, "c": 1}'),
    (
        BITS,
        struct.pack("<I", 0xAB00 | 0b11110_101),
        "{ .low = 5, .high = -2, .rest = 171 }",
        '{"low": 5, "high": -2, "rest": 171}',
    ),
    (L.NoneLayout(0), b"", "null", "null"),
    (L.KsymLayout(8), struct.pack("<Q", 0xF004), "schedule", '"schedule"'),
    (L.KsymLayout(8), struct.pack("<Q", 5), "0x5", '"0x5"'),
    (L.UsymLayout(16), struct.pack("<QII", 0x410, 7, 0), "main", '"main"'),
    (L.UsymLayout(16), struct.pack("<QII", 5, 7, 0), "0x5", '"0x5"'),
    (L.UsernameLayout(8), struct.pack("<Q", 0), "root", '"root"'),
    (L.UsernameLayout(8), struct.pack("<Q", 123456789), "123456789", '"123456789"'),
    (L.MacLayout(8), b"\0\x1b\x2c\xff\1\2\0\0", "00:1B:2C:FF:01:02", '"00:1B:2C:FF:01:02"'),
    (L.InetLayout(20), struct.pack("<I16s", 2, b"\x7f\0\0\1"), "127.0.0.1", '"127.0.0.1"'),
    (L.InetLayout(20), struct.pack("<I16s", 10, b"\0" * 15 + b"\1"), "::1", '"::1"'),
    (L.InetLayout(20), struct.pack("<I16s", 3, b""), "", '""'),
    (
        STACK,
        FRAMES,
        "\n        schedule+4\n        ext4_read+5\n        0x5\n",
        '"\\n        schedule+4\\n        ext4_read+5\\n        0x5\\n"',
    ),
    (
        STACK.replace(mode="perf"),
        FRAMES,
        "\n\tf004 schedule+4\n\tf105 ext4_read+5 (ext4)\n\t5 0x5 ([unknown])\n",
        None,
    ),
    (STACK.replace(mode="raw"), FRAMES, "\nf004\nf105\n5\n", None),
    (STACK.replace(user=True), USER, "\n        main+16\n        0x900\n", None),
    (
        STACK.replace(user=True, mode="perf"),
        USER,
        "\n\t410 main+16 (/bin/x)\n\t900 0x900 ([unknown])\n",
        None,
    ),
    (STACK, stack(count=-14), "\n", '"\\n"'),
    (
        L.StackLayout(16 + 2 * 32, True, "build_id", 2),
        struct.pack("<iIII", 2, 7, 0, 0)
        + struct.pack("<i20sQ", 1, bytes(range(20)), 9)
        + struct.pack("<i20sQ", 2, b"", 0x4000),
        "\n000102030405060708090a0b0c0d0e0f10111213 0x09\n4000\n",
        None,
    ),
]


@pytest.mark.parametrize(("layout", "data", "text", "json_text"), CASES)
def test_value(layout: L.Layout, data: bytes, text: str, json_text: str | None) -> None:
    assert TextStyle(names()).one(layout)(data).decode() == text
    shown = JsonStyle(names()).one(layout)(data).decode()
    json.loads(shown)
    if json_text is not None:
        assert shown == json_text


@pytest.mark.parametrize(("layout", "data", "text", "json_text"), CASES)
def test_many_values_are_shown_as_one(
    layout: L.Layout, data: bytes, text: str, json_text: str | None
) -> None:
    style = TextStyle(names())
    if not layout.size:
        with pytest.raises(ValueError, match="size"):
            style.many(layout)
        return
    assert [t.decode() for t in style.many(layout)(data * 3)] == [text] * 3


def test_trailer_is_configurable() -> None:
    assert TextStyle(names(b"~")).one(STRING)(b"abcdefgh") == b"abcdefgh~"


def test_symbols_are_asked_for_once() -> None:
    kernel = Kernel()
    style = TextStyle(Names(lambda: kernel))
    show = style.one(STACK)
    for _ in range(3):
        show(FRAMES)
        style.one(L.KsymLayout(8))(struct.pack("<Q", 0xF004))
    assert kernel.asked == 3


def test_no_resolver_gives_addresses() -> None:
    style = TextStyle(Names())
    assert style.one(STACK)(stack(0xF004)) == b"\n        0xf004\n"
    assert style.one(STACK.replace(user=True))(USER) == b"\n        0x410\n        0x900\n"


def test_timestamp_follows_its_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    boot = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    now = time.clock_gettime_ns(time.CLOCK_REALTIME)
    style = TextStyle(names())
    shown = style.one(L.TimestampLayout(8, "%s.%k", "boot"))(struct.pack("<Q", boot)).decode()
    second, fraction = shown.split(".")
    assert len(fraction) == 9
    assert abs(int(second) * 10**9 + int(fraction) - now) < 5 * 10**8
    default = style.one(L.TimestampLayout(8, "", "boot"))(struct.pack("<Q", boot)).decode()
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}\+0000", default)
    year = style.one(L.TimestampLayout(8, "%Y", "boot"))(struct.pack("<Q", boot)).decode()
    assert year == time.strftime("%Y")


def test_fractions_of_a_format() -> None:
    assert split_format("%H:%M.%f %k %l%%f") == ["%H:%M.", "f", " ", "k", " ", "l", "%%f"]
    shown = Names().clock("%f|%k|%l", "boot")(1_234_567_891)
    six, nine, three = shown.decode().split("|")
    assert nine.startswith(six)
    assert six.startswith(three)
    assert (len(six), len(nine), len(three)) == (6, 9, 3)


def test_sort_keys() -> None:
    unsigned = sort_key(U64)
    assert unsigned(b"\xff" * 8) == -1, "integers compare as signed, upstream's rule"
    assert sort_key(STRING)(b"ab\0junk!") == b"ab"
    assert sort_key(PAIR)(struct.pack("<i4x8s", -2, b"x")) == (-2, b"x")


@given(st.binary(max_size=40))
def test_json_strings_load(text: bytes) -> None:
    loaded = json.loads(quote(text))
    decoded = text.decode("utf-8", "surrogateescape")
    expected = "".join(chr(ord(c) - 0xDC00) if 0xDC80 <= ord(c) <= 0xDCFF else c for c in decoded)
    assert loaded == expected


@given(st.integers(-(1 << 63), (1 << 63) - 1))
def test_json_numbers_lose_nothing(value: int) -> None:
    shown = JsonStyle(names()).one(S64)(struct.pack("<q", value)).decode()
    assert int(shown.strip('"')) == value
    if not shown.startswith('"'):
        assert float(shown) == value
