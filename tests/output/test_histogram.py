"""Histograms against what bpftrace 0.27.1 drew."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prybee.output.histogram import (
    bar,
    hist_index,
    hist_interval,
    json_rows,
    label,
    lhist_interval,
    rows,
)
from prybee.plan.layouts import HistLayout, LhistLayout

FULL = "@" * 52


def counts(bits: int, *values: int) -> dict[int, int]:
    found: dict[int, int] = {}
    for value in values:
        index = hist_index(value, bits)
        found[index] = found.get(index, 0) + 1
    return found


def labels(bits: int, *values: int) -> list[str]:
    return [row[:16].rstrip() for row in rows(counts(bits, *values), HistLayout(8, bits))]


def test_power_of_two_rows() -> None:
    assert rows(counts(0, 0, 1, 1, 1), HistLayout(8, 0)) == [
        f"[0]                    1 |{'@' * 17:<52}|",
        f"[1]                    3 |{FULL}|",
    ]
    assert labels(0, -1, 3) == ["(..., 0)", "[0]", "[1]", "[2, 4)"]
    assert labels(0, (1 << 63) - 1) == ["[4E, 8E)"]
    assert labels(0, 1024, 1023) == ["[512, 1K)", "[1K, 2K)"]
    assert labels(5, 1020, 1030, 1060) == ["[1008, 1024)", "[1024, 1056)", "[1056, 1088)"]
    assert labels(5, (1 << 63) - 1) == ["[8064P, 8192P)"]
    assert labels(1, 1600, 2048) == ["[1536, 2K)", "[2K, 3K)"]
    assert labels(1, 1800000) == ["[1536K, 2M)"]
    assert labels(2, 2048) == ["[2048, 2560)"]
    assert labels(2, 4000000) == ["[3584K, 4M)"]


def test_sub_buckets() -> None:
    shown = labels(2, -4, 1, 15, 100)
    assert shown[:4] == ["(..., 0)", "[0]", "[1]", "[2]"]
    assert shown[9:17] == [
        "[8, 10)", "[10, 12)", "[12, 14)", "[14, 16)",
        "[16, 20)", "[20, 24)", "[24, 28)", "[28, 32)",
    ]  # fmt: skip
    assert shown[-1] == "[96, 112)"


@pytest.mark.parametrize(
    ("layout", "expected"),
    [
        (
            LhistLayout(8, 100, 200, 10),
            {0: "(..., 100)", 1: "[100, 110)", 10: "[190, 200)", 11: "[200, ...)"},
        ),
        (LhistLayout(8, 0, 100, 33), {2: "[33, 66)", 3: "[66, 99)", 4: "[99, ...)"}),
        (LhistLayout(8, 0, 10, 3), {1: "[0, 3)", 3: "[6, 9)", 4: "[9, ...)"}),
        (LhistLayout(8, 0, 4096, 1024), {1: "[0, 1K)", 4: "[3K, 4K)", 5: "[4K, ...)"}),
        (LhistLayout(8, 0, 2097152, 1024000), {2: "[1000K, 2000K)"}),
        (LhistLayout(8, 1047552, 1049600, 1024), {2: "[1M, 1025K)"}),
        (LhistLayout(8, 0, 1 << 32, 1 << 30), {2: "[1024M, 2048M)"}),
        (LhistLayout(8, 512, 5632, 1024), {0: "(..., 512)", 1: "[512, 1536)"}),
        (LhistLayout(8, 0, 10**6, 10**6), {0: "(..., 0)", 1: "[0, 1000000)"}),
        (LhistLayout(8, 0, 10, 1), {6: "[5]"}),
    ],
)
def test_linear_labels(layout: LhistLayout, expected: dict[int, str]) -> None:
    for index, text in expected.items():
        assert label(lhist_interval(index, layout), layout) == text


def test_bars_are_cut_as_floats_of_32_bits() -> None:
    assert bar(1, 1) == FULL
    assert len(bar(1, 3)) == 17
    assert len(bar(2, 4)) == 26
    assert bar(0, 5) == ""
    assert bar(0, 0) == ""


def test_empty_and_zeroed() -> None:
    assert rows({}, HistLayout(8, 0)) == []
    assert rows({3: 0, 4: 0}, HistLayout(8, 0)) == []
    assert json_rows({3: 0}, HistLayout(8, 0)) == []


def test_division_is_for_hist_only() -> None:
    assert rows({3: 3}, HistLayout(8, 0), 2) == [f"[2, 4)                 1 |{FULL}|"]
    assert rows({2: 2}, LhistLayout(8, 0, 10, 1), 2) == [f"[1]                    2 |{FULL}|"]


def test_json_ends_are_inclusive() -> None:
    assert json_rows({0: 1, 1: 0, 3: 2}, HistLayout(8, 0)) == [
        b'{"max": -1, "count": 1}',
        b'{"min": 0, "max": 0, "count": 0}',
        b'{"min": 1, "max": 1, "count": 0}',
        b'{"min": 2, "max": 3, "count": 2}',
    ]
    linear = LhistLayout(8, 0, 8192, 1024)
    assert json_rows({9: 1}, linear) == [b'{"min": 8192, "count": 1}']
    top = json_rows({64: 1}, HistLayout(8, 0))
    assert top == [b'{"min": 4611686018427387904, "max": "9223372036854775807", "count": 1}']


@given(st.integers(0, (1 << 63) - 1), st.integers(0, 5))
def test_a_value_lies_in_its_bucket(value: int, bits: int) -> None:
    low, high = hist_interval(hist_index(value, bits), bits)
    assert low is not None
    assert high is not None
    assert low <= value < high


@given(st.integers(0, 3000), st.integers(0, 5))
def test_buckets_join(index: int, bits: int) -> None:
    if hist_interval(index, bits)[1] is not None:
        assert hist_interval(index, bits)[1] == hist_interval(index + 1, bits)[0]
