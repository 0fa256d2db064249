"""Two profiles in one: each stack with its weight in both."""

from __future__ import annotations

import re

from prybee.flame.profile import Quality
from prybee.flame.readers import folded as reader
from prybee.flame.writers.folded import number

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

_HEX = re.compile(rb"0x[0-9a-fA-F]+")


def folded(
    before: Iterable[bytes],
    after: Iterable[bytes],
    *,
    normalize: bool = False,
    strip_hex: bool = False,
) -> tuple[list[str], Quality]:
    """Folded lines with two weights, the one before first (difffolded.pl's format), sorted.

    Args:
        before, after: folded lines.
        normalize: the weights before are scaled to the total after, without fractions.
        strip_hex: all numbers ``0x…`` are the same.

    Returns:
        The lines, without their ends, and what was not understood.
    """
    quality = Quality()
    both: dict[bytes, list[float]] = {}
    totals = [0.0, 0.0]
    for which, lines in enumerate((before, after)):
        stacks, weights, _ = reader.parse(lines, quality)
        for stack, weight in zip(stacks, weights, strict=True):
            name = _HEX.sub(b"0x...", stack) if strip_hex else stack
            both.setdefault(name, [0, 0])[which] += weight
            totals[which] += weight
    if normalize and totals[0] and totals[0] != totals[1]:
        for pair in both.values():
            pair[0] = int(pair[0] * totals[1] / totals[0])
    return [
        f"{stack.decode(errors='surrogateescape')} {number(old)} {number(new)}"
        for stack, (old, new) in sorted(both.items())
    ], quality
