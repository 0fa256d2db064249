"""Time series: CPUs merged, windows, charts and JSON."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prybee.output import tseries
from prybee.output.maps import MapJson, MapText, merge
from prybee.plan.layouts import IntLayout, TseriesLayout
from prybee.plan.plan import ScriptMap
from tests.output.helpers import names

SECOND = 1_000_000_000


@pytest.fixture(autouse=True)
def utc(monkeypatch: pytest.MonkeyPatch) -> None:
    import time

    monkeypatch.setenv("TZ", "UTC")
    time.tzset()


def layout(
    aggregation: str = "", interval: int = SECOND, buckets: int = 5, signed: bool = True
) -> TseriesLayout:
    return TseriesLayout(24, interval, buckets, aggregation, signed)


def word(value: int, meta: int, epoch: int) -> bytes:
    return struct.pack("<QQQ", value % (1 << 64), meta, epoch)


# aggregation, signed, values of the CPUs (value, meta, epoch), merged
MERGED = [
    ("", True, [(5, 100, 7), (6, 99, 7)], (7, 5)),
    ("", True, [(5, 100, 7), (6, 99, 8)], (8, 6)),
    ("", True, [(0, 0, 0), (-6, 99, 8)], (8, -6)),
    ("", False, [(-1, 1, 8)], (8, (1 << 64) - 1)),
    ("sum", True, [(5, 2, 7), (-8, 1, 7), (100, 1, 6)], (7, -3)),
    ("sum", False, [((1 << 63), 1, 1), ((1 << 63) + 1, 1, 1)], (1, 1)),
    ("avg", True, [(5, 2, 7), (-12, 1, 7)], (7, -2)),
    ("avg", False, [(5, 2, 7), (4, 1, 7)], (7, 3)),
    ("min", True, [(5, 2, 7), (-12, 1, 7), (-99, 1, 3)], (7, -12)),
    ("min", False, [(5, 2, 7), (-12, 1, 7)], (7, 5)),
    ("max", True, [(-5, 2, 7), (-12, 1, 7), (0, 0, 7)], (7, -5)),
    ("max", False, [(5, 2, 7), (-12, 1, 7)], (7, (1 << 64) - 12)),
    ("max", True, [(0, 0, 0), (0, 0, 0)], (0, 0)),
]


@pytest.mark.parametrize(("aggregation", "signed", "cpus", "merged"), MERGED)
def test_cpus_are_merged(
    aggregation: str, signed: bool, cpus: list[tuple[int, int, int]], merged: tuple[int, int]
) -> None:
    spec = layout(aggregation, signed=signed)
    assert tseries.merge(spec, [word(*cpu) for cpu in cpus]) == merged


def test_the_window_ends_with_the_latest_of_all_series() -> None:
    assert tseries.window([{3: 1, 9: 1}, {5: 1}], layout()) == range(5, 10)
    assert tseries.window([{3: 1}], layout()) == range(4)
    assert tseries.window([{0: 0}], layout()) == range(0)
    assert tseries.window([], layout()) == range(0)


RULER = "_" * 51


def test_chart() -> None:
    """As bpftrace 0.27.1 draws it: zero line, gaps, values at the borders."""
    drawn = tseries.chart({1: -50, 2: 1, 4: 20}, layout(), range(5), names()).decode()
    assert drawn == (
        "         -50                                                20\n"
        f"hh:mm:ss |{RULER}|\n"
        "00:00:01 *                                    .              | -50\n"
        "00:00:02 |                                    *              | 1\n"
        "00:00:03 |                                    .              | -\n"
        "00:00:04 |                                    .              * 20\n"
        f"         v{RULER}v\n"
        "         -50                                                20\n"
        "\n"
    )


@pytest.mark.parametrize(
    ("least", "most", "column"), [(-1, 52, 1), (-1, 53, 0), (-100, 1, 52), (-30, 4, 46)]
)
def test_zero_is_where_upstream_has_it(least: int, most: int, column: int) -> None:
    drawn = tseries.chart({1: least, 3: most}, layout(), range(1, 4), names()).decode()
    assert drawn.splitlines()[3][9:].find(".") == column


def test_one_value_in_the_middle() -> None:
    drawn = tseries.chart({4: 3}, layout(interval=100_000_000), range(5), names()).decode()
    assert drawn.splitlines()[:3] == [
        "                   2                                                   4",
        f"hh:mm:ss.ns        |{RULER}|",
        "00:00:00.400000000 |                         *                         | 3",
    ]


def test_no_value_in_the_window() -> None:
    drawn = tseries.chart({}, layout(), range(3, 8), names()).decode()
    assert drawn.splitlines()[2] == f"00:00:07.000000000 |{' ' * 51}| -"
    assert drawn.startswith(f"{' ' * 19}null{'null':>49}\n")


@pytest.mark.parametrize(
    ("value", "signed", "ends"),
    [
        (0, False, "0 1"),
        (0, True, "-1 1"),
        ((1 << 64) - 1, False, "18446744073709551614 18446744073709551615"),
        ((1 << 63) - 1, True, "9223372036854775806 9223372036854775807"),
    ],
)
def test_ends_of_the_type(value: int, signed: bool, ends: str) -> None:
    spec = layout(signed=signed)
    drawn = tseries.chart({1: value}, spec, range(1, 2), names()).decode()
    assert drawn.splitlines()[0].split() == ends.split()


@pytest.mark.parametrize(
    ("interval", "heading", "time"),
    [
        (1500_000_000, "hh:mm:ss", "00:00:01"),
        (1_000_000, "hh:mm:ss.ms", "00:00:00.001"),
        (999_000, "hh:mm:ss.μs", "00:00:00.000999"),
        (300, "hh:mm:ss.ns", "00:00:00.000000300"),
    ],
)
def test_precision(interval: int, heading: str, time: str) -> None:
    drawn = tseries.chart({1: 5, 2: 6}, layout(interval=interval), range(1, 3), names()).decode()
    lines = drawn.splitlines()
    assert lines[1].split()[0].split("|")[0] == heading
    # The heading is padded by bytes, as upstream's.
    assert len(lines[1].encode().partition(b"|")[0]) == len(time) + 1
    assert lines[2].startswith(time + " *")


@given(st.dictionaries(st.integers(1, 20), st.integers(-(1 << 63), (1 << 63) - 1), min_size=1))
def test_every_row_is_inside_its_borders(series: dict[int, int]) -> None:
    spec = layout(buckets=20)
    epochs = tseries.window([series], spec)
    lines = tseries.chart(series, spec, epochs, names()).decode().splitlines()
    rows = lines[2:-3]
    assert len(rows) == max(series) - min(series) + 1
    for row in rows:
        graph, _, value = row.rpartition(" ")
        graph = graph[-tseries.WIDTH :]
        assert graph.count("*") == (value != "-")
        assert graph[0] in "|*."
        assert graph[-1] in "|*."


SPEC = ScriptMap("@t", IntLayout(2, True), layout(), "AT_t", per_cpu=True)


def items(*rows: tuple[int, int, int]) -> list[tuple[bytes, list[bytes]]]:
    """Entries of @t: (key, epoch, value), on the first of two CPUs."""
    return [
        (struct.pack("<hxxxxxxQ", key, epoch % 5), [word(value, epoch * SECOND, epoch), bytes(24)])
        for key, epoch, value in rows
    ]


def test_maps_share_the_window_and_go_by_the_bytes_of_the_keys() -> None:
    table = merge(SPEC, items((300, 9, 5), (5, 9, 1), (5, 8, 0), (-2, 4, 8))).arrange()
    text = MapText(names()).lines(table).decode()
    assert [line for line in text.splitlines() if line.startswith("@")] == [
        "@t[5]:", "@t[300]:", "@t[-2]:",
    ]  # fmt: skip
    assert MapJson(names()).lines(table) == (
        b'{"type": "tseries", "data": {"@t": {'
        b'"5": [{"interval_start":"1970-01-01 00:00:08.000000000","value":0},'
        b'{"interval_start":"1970-01-01 00:00:09.000000000","value":1}], '
        b'"300": [{"interval_start":"1970-01-01 00:00:09.000000000","value":5}], '
        b'"-2": []}}}\n'
    )


def test_zeroed_maps() -> None:
    table = merge(SPEC, [(struct.pack("<hxxxxxxQ", 1, 2), [bytes(24)] * 2)]).arrange()
    assert MapText(names()).lines(table) == b"@t[1]:\n<no data>\n"
    assert MapJson(names()).lines(table) == b'{"type": "tseries", "data": {"@t": {"1": []}}}\n'
