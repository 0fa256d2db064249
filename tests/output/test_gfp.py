"""Flags of the page allocator: what bpftrace 0.27.1 prints for the same numbers."""

from __future__ import annotations

import pytest

from prybee.output.gfp import gfp_flags
from prybee.output.printf import formatted
from prybee.output.values import TextStyle
from prybee.plan.layouts import IntLayout
from tests.output.helpers import names, record


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0, "0"),
        (0x1, "GFP_DMA"),
        (0x3, "GFP_DMA|__GFP_HIGHMEM"),
        (0x20, "__GFP_HIGH"),
        (0xC0, "__GFP_IO|__GFP_FS"),
        (0xCC0, "GFP_KERNEL"),
        (0xDC0, "GFP_KERNEL|__GFP_ZERO"),
        (0x820, "GFP_ATOMIC"),
        (0x400CC0, "GFP_KERNEL_ACCOUNT"),
        (0x40000000, "0x40000000"),
        (0x100000001, "GFP_DMA|0x100000000"),
        # bpftrace leaves these two without a name; the kernel's %pGg names them.
        (0x8, "__GFP_MOVABLE"),
        (0x10, "__GFP_RECLAIMABLE"),
    ],
)
def test_names(value: int, expected: str) -> None:
    assert gfp_flags(value).decode() == expected


@pytest.mark.parametrize(
    ("layout", "data", "expected"),
    [
        (IntLayout(4, False), b"\xc0\x0c\0\0", "[          GFP_KERNEL]"),
        # A negative number has all the bits above it.
        (IntLayout(1, True), b"\x80", "[" + gfp_flags((1 << 64) - 128).decode() + "]"),
    ],
)
def test_in_a_format(layout: IntLayout, data: bytes, expected: str) -> None:
    spec = record(8 + layout.size, (8, layout))
    step = (spec.size + 7) // 8 * 8 + 8
    run = formatted(spec, "[%20gr]", TextStyle(names()))
    assert run(memoryview((b"\0" * 8 + data).ljust(step, b"\0"))) == [expected.encode()]
