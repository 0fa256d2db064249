"""Writes pprof's format: a gzipped protocol buffer (google/pprof, proto/profile.proto)."""

from __future__ import annotations

import gzip

from prybee.flame.missing import sentences
from prybee.flame.profile import INLINED, FormatError
from prybee.flame.writers.protobuf import message, number, packed, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from prybee.flame.profile import Profile

# Field numbers of the messages.
SAMPLE_TYPE, SAMPLE, MAPPING, LOCATION, FUNCTION, STRING_TABLE = 1, 2, 3, 4, 5, 6
COMMENT = 13
# Ours to pprof's type and unit; others are both.
_UNITS = {"samples": ("samples", "count"), "ns": ("time", "nanoseconds")}
# The largest value of a sample, and a weight that would have too many of them.
_MOST = (1 << 63) - 1
_TOO_LARGE = 1 << 70


def write(profile: Profile, title: str = "") -> bytes:
    """The whole file.

    Args:
        profile: what is written; weights lose their fractions.
        title: has no place here.

    Raises:
        FormatError: a weight that is far too large.
    """
    strings: dict[str, int] = {"": 0}

    def string(value: str) -> int:
        return strings.setdefault(value, len(strings))

    modules: dict[str, int] = {}
    unit = profile.unit or "samples"
    kind, count = _UNITS.get(unit, (unit, unit))
    parts = [message(SAMPLE_TYPE, number(1, string(kind)) + number(2, string(count)))]
    frames = profile.frames
    inlined = [frame.kind == INLINED for frame in frames]
    locations: dict[tuple[int, ...], int] = {}
    for stack, weight in profile.weights.items():
        ids = [
            locations.setdefault(each, len(locations) + 1) for each in _locations(stack, inlined)
        ]
        parts += [message(SAMPLE, packed(1, ids) + packed(2, [part])) for part in _parts(weight)]
    for frame in frames:
        if frame.module:
            modules.setdefault(frame.module, len(modules) + 1)
    for module, place in modules.items():
        parts.append(message(MAPPING, number(1, place) + number(5, string(module)) + number(7, 1)))
    for each, place in locations.items():
        mapping = modules.get(frames[each[-1]].module, 0)
        own = number(1, place) + (number(2, mapping) if mapping else b"")
        # Inlined ones first, the innermost at the beginning.
        lines = b"".join(message(4, number(1, frame + 1)) for frame in reversed(each))
        parts.append(message(LOCATION, own + lines))
    for place, frame in enumerate(frames, 1):
        name = string(frame.name)
        parts.append(message(FUNCTION, number(1, place) + number(2, name)))
    parts += [number(COMMENT, string(each)) for each in sentences(profile.quality)]
    parts += [text(STRING_TABLE, each) for each in strings]
    return gzip.compress(b"".join(parts), mtime=0)


def _locations(stack: tuple[int, ...], inlined: list[bool]) -> list[tuple[int, ...]]:
    """A stack's locations, the leaf first: a function with all that is inlined into it is one."""
    found: list[tuple[int, ...]] = []
    for frame in stack:
        if inlined[frame] and found:
            found[-1] = (*found[-1], frame)
        else:
            found.append((frame,))
    return found[::-1]


def _parts(weight: float) -> list[int]:
    """A weight as numbers of 64 bits with a sign: samples of equal stacks count together."""
    if abs(weight) >= _TOO_LARGE:  # Also what is infinite.
        raise FormatError(f"pprof has no weight of {weight:g}")
    left = round(weight)
    parts = []
    while abs(left) > _MOST:
        parts.append(_MOST if left > 0 else -_MOST)
        left -= parts[-1]
    return [*parts, left]
