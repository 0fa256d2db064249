"""Time series in the kernel, with times of the script's own (BPFTRACE_DUMMY_TS_MAP)."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.live

SCRIPT = (
    "begin { @ts = (uint64)5s; for ($i : 0..20) { @a[1] = tseries($i, 100ms, 5%s); "
    "@ts += 20000000; } @a[2] = tseries(-7, 100ms, 5%s); clear(@ts); exit(); }"
)


def run(script: str, *options: str, **environment: str) -> str:
    """What a script prints."""
    done = subprocess.run(
        [sys.executable, "-m", "prybee", "-q", *options, "-e", script],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "TZ": "UTC", **environment},
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def reduce(aggregation: str, numbers: list[int]) -> int:
    match aggregation:
        case "sum":
            return sum(numbers)
        case "avg":
            return sum(numbers) // len(numbers)
        case "min":
            return min(numbers)
        case "max":
            return max(numbers)
    return numbers[-1]


@pytest.mark.parametrize("aggregation", ["", "sum", "avg", "min", "max"])
def test_intervals(aggregation: str) -> None:
    """Twenty numbers, five to an interval; the window is the last five, which the entry of the
    second key ends."""
    fourth = f', "{aggregation}"' if aggregation else ""
    out = run(SCRIPT % (fourth, fourth), "-f", "json", BPFTRACE_DUMMY_TS_MAP="@ts")
    data = json.loads(out.splitlines()[-1])
    assert data["type"] == "tseries"
    numbers = [list(range(at, at + 5)) for at in range(0, 20, 5)]
    assert data["data"]["@a"] == {
        "1": [
            {
                "interval_start": f"1970-01-01 00:00:05.{at}00000000",
                "value": reduce(aggregation, group),
            }
            for at, group in enumerate(numbers)
        ],
        "2": [{"interval_start": "1970-01-01 00:00:05.400000000", "value": -7}],
    }


def test_old_intervals_are_overwritten() -> None:
    """A scalar map, one entry for each interval, used over and over."""
    out = run(
        "begin { @ts = (uint64)1s; for ($i : 0..100) { @ = tseries($i, 1s, 3, \"sum\"); "
        "@ = tseries(1, 1s, 3, \"sum\"); @ts += 1000000000; } clear(@ts); exit(); }",
        BPFTRACE_DUMMY_TS_MAP="@ts",
    )  # fmt: skip
    rows = [line for line in out.splitlines() if line.startswith("00:")]
    assert [(row[:8], row.split()[-1]) for row in rows] == [
        ("00:01:38", "98"), ("00:01:39", "99"), ("00:01:40", "100"),
    ]  # fmt: skip


def test_real_time() -> None:
    """Intervals begin at whole seconds of wall-clock time."""
    import time

    before = int(time.time())
    out = run("config = { unstable_tseries = enable } begin { @ = tseries(1, 1s, 3); exit(); }")
    after = time.time()
    assert "unstable" not in out
    (row,) = [line for line in out.splitlines() if line.endswith("| 1")]
    stamps = [time.strftime("%H:%M:%S", time.gmtime(t)) for t in range(before, int(after) + 1)]
    assert row.split()[0] in [f"{stamp}.000000000" for stamp in stamps]


def test_the_feature_is_unstable() -> None:
    script = "begin { @ = tseries(1, 1s, 3); exit(); }"
    assert "WARNING: Script is using an unstable feature: tseries." in run(script)
    done = subprocess.run(
        [sys.executable, "-m", "prybee", "-e", "config = { unstable_tseries = error } " + script],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "ERROR: tseries feature is not enabled by default." in done.stderr


def test_a_wrong_map_of_times() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "prybee", "-e", "begin { @ = tseries(1, 1s, 3); exit(); }"],
        capture_output=True,
        text=True,
        env={**os.environ, "BPFTRACE_DUMMY_TS_MAP": "@none"},
        check=False,
    )
    assert done.returncode == 1
    assert "there is no scalar map @none" in done.stderr
