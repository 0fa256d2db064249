"""Reads reports of Haskell programs that were built for profiling (``+RTS -p``, ``-P``).

A line of the call tree begins with a space for each caller. Columns stand where the line above the
tree has their names; numbers end where their names do, or are too wide for that::

    COST CENTRE  MODULE   SRC          no.  entries  %time %alloc   %time %alloc  ticks     bytes

    MAIN         MAIN     <built-in>   168        0    2.6    0.0   100.0  100.0    510    456096
     main        Main     app.hs:6:1   336        1    0.0    0.0     0.0    0.0      0         0
"""

from __future__ import annotations

import re

from prybee.flame.profile import FormatError, Profile
from prybee.flame.readers.calltree import OwnTree
from prybee.flame.readers.text import numbered

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

_HEAD = re.compile(r"COST CENTRE\s+MODULE\s+SRC\s+no\.\s+entries\s+%time\s+%alloc\s+%time\s+%alloc")
# Numbers at the end of a line: of the cost centre, its calls, own time and memory in per cent, the
# same with all that it calls, and with -P its own in ticks and bytes.
_NUMBERS = re.compile(
    r"\s(?P<number>\d+)\s+(?P<entries>\d+)\s+(?P<time>\d+\.\d+)\s+(?P<alloc>\d+\.\d+)"
    r"\s+\d+\.\d+\s+\d+\.\d+(?:\s+(?P<ticks>\d+)\s+(?P<bytes>\d+))?\s*$"
)
# What may count: the group above, the unit, how many of these in one.
_VALUES = {
    "time": ("time", "‰ of the time", 10),
    "ticks": ("ticks", "ticks", 1),
    "bytes": ("bytes", "bytes", 1),
    "alloc": ("alloc", "‰ of the memory", 10),
    "entries": ("entries", "calls", 1),
}
VALUES = tuple(_VALUES)


def probe(head: bytes) -> bool | None:
    """Whether a text begins as such a report does."""
    return b"Time and Allocation Profiling Report" in head or (
        re.search(rb"^COST CENTRE\s+MODULE\s+SRC", head, re.M) is not None
    )


def read(lines: Iterable[bytes], *, value: str = "time") -> Profile:
    """Reads the costs of cost centres, without what they call.

    Args:
        lines: of the text.
        value: which counts, one of ``VALUES``. Times are in thousandths of the whole.

    Raises:
        FormatError: the report has no ticks and bytes.
    """
    group, unit, scale = _VALUES[value or "time"]
    profile = Profile(unit)
    tree = OwnTree(profile)
    inside = started = False
    for number, text in numbered(lines):
        if not inside:
            inside = _HEAD.match(text) is not None
            if inside and group in ("ticks", "bytes") and not text.rstrip().endswith("bytes"):
                raise FormatError(f"the report has no {group}: it was made with -p, not with -P")
            continue
        if not text.strip():
            if started:
                break  # What comes now is no part of the tree.
            continue
        started = True
        depth = len(text) - len(text.lstrip(" "))
        numbers = _NUMBERS.search(text)
        words = text.split(None, 2)
        if numbers is None or len(words) < 3:
            profile.quality.reject(number, text)
            continue
        frame = profile.frame(f"{words[1]}.{words[0]}".replace(";", ":"), module=words[1])
        cost = int(float(numbers[group]) * scale + 0.5)
        if not tree.enter(depth, frame, cost):
            profile.quality.reject(number, text)
    return profile
