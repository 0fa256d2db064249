"""Two profiles in one: each stack with its weight in both, and what makes them comparable."""

from __future__ import annotations

import re

from prybee.flame.profile import FormatError, Profile
from prybee.flame.samples import CLOCK
from prybee.flame.writers.folded import number

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

# What is made equal before two profiles are compared.
TOTAL, SAMPLES, TIME, NOTHING = "total", "samples", "time", "none"
_HEX = re.compile(rb"0x[0-9a-fA-F]+")
_HEX_TEXT = re.compile(r"0x[0-9a-fA-F]+")


def merged(
    before: tuple[Iterable[bytes], Iterable[float]],
    after: tuple[Iterable[bytes], Iterable[float]],
    *,
    scale: float | None = 1,
    exact: bool = False,
    strip_hex: bool = False,
) -> tuple[list[bytes], list[float], list[float]]:
    """The stacks of both, sorted, and their weights before and after.

    Args:
        before, after: stacks and their weights.
        scale: what weights before are multiplied by; 1 leaves them as they are, None makes the
            totals equal.
        exact: keeps the fractions that come from that; difffolded.pl cuts them off, of which many
            make a difference in frames that have not changed.
        strip_hex: all numbers ``0x…`` are the same.
    """
    both: dict[bytes, list[float]] = {}
    totals = [0.0, 0.0]
    for which, (stacks, weights) in enumerate((before, after)):
        for stack, weight in zip(stacks, weights, strict=True):
            name = _HEX.sub(b"0x...", stack) if strip_hex else stack
            both.setdefault(name, [0, 0])[which] += weight
            totals[which] += weight
    if scale is None:
        scale = totals[1] / totals[0] if totals[0] and totals[1] else 1
    if scale != 1:
        for pair in both.values():
            pair[0] = pair[0] * scale if exact else int(pair[0] * scale)
    found = sorted(both)
    return found, [both[stack][0] for stack in found], [both[stack][1] for stack in found]


def without_addresses(profile: Profile) -> Profile:
    """A profile in which all numbers ``0x…`` in names are the same. Its samples are left out."""
    found = Profile(profile.unit)
    numbers = [
        found.frame(_HEX_TEXT.sub("0x...", frame.name), frame.kind, frame.module)
        for frame in profile.frames
    ]
    for stack, weight in profile.weights.items():
        found.add([numbers[frame] for frame in stack], weight)
    found.quality = profile.quality
    return found


def lines(
    stacks: Iterable[bytes], before: Iterable[float], after: Iterable[float]
) -> Iterator[bytes]:
    """Folded lines with two weights, the one before first (difffolded.pl's format)."""
    for stack, old, new in zip(stacks, before, after, strict=True):
        yield b"%b %b %b\n" % (stack, number(old).encode(), number(new).encode())


def factor(before: Profile, after: Profile, equal: str = TOTAL) -> float:
    """What the weights before are multiplied by, so that they can be compared with those after.

    Args:
        before, after: profiles.
        equal: what shall be equal of both: ``TOTAL`` weights, numbers of ``SAMPLES``, ``TIME``
            that they lasted, or ``NOTHING``.

    Raises:
        FormatError: one of them does not tell that.
    """
    return measure(after, equal, "second") / measure(before, equal, "first")


def measure(profile: Profile, equal: str, which: str) -> float:
    """How much there is of what shall be equal of profiles.

    Args:
        profile: one of them.
        equal: as for :func:`factor`.
        which: the profile, in words.

    Raises:
        FormatError: it does not tell that.
    """
    if equal == NOTHING:
        return 1
    of = {TOTAL: lambda profile: profile.total, SAMPLES: samples, TIME: seconds}[equal]
    found: float = of(profile)
    if not found:
        raise FormatError(
            f"the {which} profile does not tell its {equal}: it cannot be compared so"
        )
    return found


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
