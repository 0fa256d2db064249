"""Reads PHP's traces by Xdebug in the form for programs (``xdebug.trace_format=1``).

Fields have tabs between them: the depth, the function's number, what happens (0: it begins, 1: it
ends, R: what it returns), seconds, bytes in use, and for a beginning the name and more::

    TRACE START [2007-05-06 18:29:01]
    1\t0\t0\t0.010870\t114112\t{main}\t1\t\t../trace.php\t0
    2\t1\t0\t0.032009\t114272\tstr_split\t0\t\t../trace.php\t8
    2\t1\t1\t0.032073\t116632
"""

from __future__ import annotations

import re

from prybee.flame.profile import Profile
from prybee.flame.readers.text import numbered

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

_ENTRY = re.compile(rb"^\d+\t+\d+\t+0\t+\d+\.\d+\t+\d+\t+\S", re.M)
_SECOND = 1_000_000
_TIME = re.compile(r"(\d{1,12})\.(\d{1,9})$")
VALUES = ("time", "calls")


def probe(head: bytes) -> bool | None:
    """Whether a text begins as such a trace does."""
    return b"TRACE START [" in head and _ENTRY.search(head) is not None


def read(lines: Iterable[bytes], *, value: str = "time") -> Profile:
    """Reads the time between beginnings and ends of functions, in microseconds, or calls.

    Args:
        lines: of the text.
        value: one of ``VALUES``.
    """
    counting = value == "calls"
    profile = Profile("calls" if counting else "us")
    stack: list[int] = []
    before = 0
    started = False
    for number, text in numbered(lines):
        if not started:
            started = text.startswith("TRACE START")
            continue
        if text.startswith(("\t", "TRACE END")):
            started = False  # What comes may be another trace.
            stack = []
            continue
        fields = [each for each in text.split("\t") if each]
        what = fields[2] if len(fields) > 2 else ""
        if what == "R" or not text:
            continue
        time = _TIME.match(fields[3]) if len(fields) > 3 else None
        if time is None or what not in ("0", "1") or (what == "0" and len(fields) < 6):
            profile.quality.reject(number, text)
            continue
        now = int(time[1]) * _SECOND + int(time[2].ljust(9, "0")) // 1000
        if stack and not counting and now > before:
            profile.add(stack, now - before)
        before = now
        if what == "0":
            stack.append(profile.frame(fields[5].replace(";", ":")))
            if counting:
                profile.add(stack)
        elif stack:
            stack.pop()
        else:
            profile.quality.reject(number, text)
    return profile
