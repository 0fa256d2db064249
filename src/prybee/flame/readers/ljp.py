"""Reads traces of the lightweight Java profiler: for each a count, how deep it is, and its frames.

The first frame, which is the leaf, stands behind the numbers::

    42 3  my_func_b(prog.java:455)
          my_func_a(prog.java:123)
          java.lang.Thread.run(Thread.java:744)
"""

from __future__ import annotations

import re

from prybee.flame.profile import Profile
from prybee.flame.readers.text import numbered

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

_FIRST = re.compile(r"\s*(\d+)\s+(\d+)\s+(\S[^(]*)\(.*\)\s*$")
_FRAME = re.compile(r"\s+(\S[^(]*)\(.*\)\s*$")
_TRACE = re.compile(rb"^\s*\d+\s+\d+\s+[\w.$<>]+\([^()]*\)\s*$", re.M)


def probe(head: bytes) -> bool | None:
    """Whether a text begins as such traces do."""
    return _TRACE.search(head) is not None


def read(lines: Iterable[bytes]) -> Profile:
    """Reads the traces."""
    profile = Profile()
    count = 0
    stack: list[int] = []

    def end() -> None:
        if stack and count:
            profile.add(reversed(stack), count)
        stack.clear()

    for number, text in numbered(lines):
        if text.startswith("Total trace count"):
            break
        if (first := _FIRST.match(text)) is not None:
            end()
            count = int(first[1])
            stack.append(profile.frame(first[3].strip().replace(";", ":")))
        elif (frame := _FRAME.match(text)) is not None and stack:
            stack.append(profile.frame(frame[1].strip().replace(";", ":")))
        elif text.strip():
            profile.quality.reject(number, text)
    end()
    return profile
