"""Reads call trees that were copied out of Xcode's Instruments (Edit, Deep Copy).

Columns have tabs between them: the time of a function and all it calls, its own, nothing, and its
name, with a space before it for each caller::

    3.80 s  100.0%\t0.00 s\t \t main
    1.20 s   31.5%\t1.20 s\t \t  parse
"""

from __future__ import annotations

import re

from prybee.flame.profile import Profile
from prybee.flame.readers.calltree import OwnTree
from prybee.flame.readers.text import numbered

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

# In milliseconds; cycles and other counts are as they stand.
_UNITS = {
    "h": 3_600_000.0, "min": 60_000.0, "s": 1000.0, "ms": 1.0, "us": 1e-3, "µs": 1e-3, "ns": 1e-6,
    "kc": 1e3, "Mc": 1e6, "Gc": 1e9, "c": 1.0, "": 1.0,
}  # fmt: skip
_LINE = re.compile(
    r"\s*[\d.,]+\s?[^\W\d]*\s+[\d.]+%\s+([\d.,]+)\s?([^\W\d]*)\s*?\t ?\t?( *)(\S.*?)\s*$"
)
_HEAD = re.compile(r"(Running Time|Weight)\t\s*Self")
_LINES = re.compile(rb"^[\d.,]+ ?\S*\s+[\d.]+%\s+[\d.,]+ ?\S*\s*?\t \t", re.M)


def probe(head: bytes) -> bool | None:
    """Whether a text begins as such a tree does."""
    begin = head.lstrip(b"\xef\xbb\xbf \t").decode(errors="replace")
    return _HEAD.match(begin) is not None or _LINES.search(head) is not None


def read(lines: Iterable[bytes]) -> Profile:
    """Reads own times, in milliseconds."""
    profile = Profile("ms")
    tree = OwnTree(profile)
    first: int | None = None
    for number, text in numbered(lines):
        if not text.strip() or _HEAD.match(text):
            continue
        line = _LINE.match(text)
        scale = _UNITS.get(line[2]) if line is not None else None
        if line is None or scale is None or line[1].count(".") > 1:
            profile.quality.reject(number, text)
            continue
        if line[2].endswith("c"):
            profile.unit = "cycles"
        weight = float(line[1].replace(",", "")) * scale
        depth = len(line[3])
        # The root has a space as well, or has none.
        first = depth if first is None else first
        frame = profile.frame(line[4].replace(";", ":"))
        if not tree.enter(max(depth - first, 0), frame, round(weight, 6) or None):
            profile.quality.reject(number, text)
    return profile
