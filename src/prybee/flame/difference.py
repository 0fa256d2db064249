"""Two profiles in one: each stack with its weight in both, and what makes them comparable."""

from __future__ import annotations

import re

from prybee.flame.profile import FormatError, Quality
from prybee.flame.readers import folded as reader
from prybee.flame.samples import CLOCK
from prybee.flame.writers.folded import number

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from prybee.flame.profile import Profile

# What is made equal before two profiles are compared.
TOTAL, SAMPLES, TIME, NOTHING = "total", "samples", "time", "none"
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


def factor(before: Profile, after: Profile, equal: str = TOTAL) -> float:
    """What the weights before are multiplied by, so that they can be compared with those after.

    Args:
        before, after: profiles.
        equal: what shall be equal of both: ``TOTAL`` weights, numbers of ``SAMPLES``, ``TIME``
            that they lasted, or ``NOTHING``.

    Raises:
        FormatError: one of them does not tell that.
    """
    if equal == NOTHING:
        return 1
    of = {TOTAL: lambda profile: profile.total, SAMPLES: samples, TIME: seconds}[equal]
    then, now = of(before), of(after)
    if not then or not now:
        which = "first" if not then else "second"
        raise FormatError(
            f"the {which} profile does not tell its {equal}: it cannot be compared so"
        )
    return now / then


def samples(profile: Profile) -> float:
    """How many samples a profile has; 0 if that is not known."""
    if profile.samples is not None:
        return len(profile.samples)
    return profile.total if profile.unit == "samples" else 0


def seconds(profile: Profile) -> float:
    """How long a profile lasted, from the first sample to the last; 0 if that is not known."""
    kept = profile.samples
    if kept is None or kept.clock != CLOCK or not len(kept):
        return 0
    return (max(kept.time) - kept.begin) / 1e9
