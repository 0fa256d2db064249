"""pprof's files with several values of each sample."""

from __future__ import annotations

import re

import pytest

from prybee.flame.profile import FormatError
from prybee.flame.readers import pprof
from prybee.flame.writers.folded import lines
from prybee.flame.writers.varint import encode as varint


def field(number: int, content: bytes | int) -> bytes:
    """A field of a protobuf message."""
    if isinstance(content, int):
        return varint(number << 3) + varint(content)
    return varint(number << 3 | 2) + varint(len(content)) + content


STRINGS = ["", "samples", "count", "cpu", "nanoseconds", "main"]
FILE = b"".join(
    [
        field(1, field(1, 1) + field(2, 2)),
        field(1, field(1, 3) + field(2, 4)),
        field(2, field(1, 1) + field(2, 3) + field(2, 30_000)),
        field(4, field(1, 1) + field(4, field(1, 1))),
        field(5, field(1, 1) + field(2, 5)),
        *(field(6, each.encode()) for each in STRINGS),
    ]
)


@pytest.mark.parametrize(
    ("value", "unit", "weight"),
    [("", "samples", 3), ("samples", "samples", 3), ("cpu", "ns", 30_000), ("1", "ns", 30_000)],
)
def test_value(value: str, unit: str, weight: int) -> None:
    profile = pprof.read([FILE], value=value)
    assert list(lines(profile)) == [f"main {weight}"]
    assert profile.unit == unit


@pytest.mark.parametrize("value", ["alloc_space", "2"])
def test_a_value_that_there_is_not(value: str) -> None:
    with pytest.raises(FormatError, match=re.escape(f"no '{value}' (there are: samples, cpu)")):
        pprof.read([FILE], value=value)
