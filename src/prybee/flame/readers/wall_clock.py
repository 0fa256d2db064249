"""Reads reports of wallClockProfiler, which asks gdb for stacks.

Below a heading come the stacks, each with its part of the samples and the leaf first::

    Full stacks:

    99.791% ===================================== (17194 samples)
            1: poll   (at /src/loop.nim:343)
            2: main   (at /src/main.nim:12)
"""

from __future__ import annotations

import re

from prybee.flame.profile import Profile
from prybee.flame.readers.text import numbered

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

_COUNT = re.compile(r"\s*\d+(?:\.\d+)?% =+ \((\d+) samples?\)")
_FRAME = re.compile(r"\s*\d+: (\S.*?)(?:\s+\(at (.*?)\))?\s*$")
_BEGIN = re.compile(rb"^\s*\d+(\.\d+)?% =+ \(\d+ samples?\)", re.M)


def probe(head: bytes) -> bool | None:
    """Whether a text begins as such a report does."""
    return _BEGIN.search(head) is not None or (b"Full stacks" in head and b" samples)" in head)


def read(lines: Iterable[bytes], *, srcline: bool = False) -> Profile:
    """Reads the stacks.

    Args:
        lines: of the text.
        srcline: names are followed by their places in the source.
    """
    profile = Profile()
    count: int | None = None
    stack: list[int] = []
    inside = False

    def end() -> None:
        if stack and count:
            profile.add(reversed(stack), count)
        stack.clear()

    for number, text in numbered(lines):
        if text.strip().startswith("Full stacks"):
            inside = True
        elif not inside:
            continue  # Functions without their callers.
        elif (found := _COUNT.match(text)) is not None:
            end()
            count = int(found[1])
        elif (frame := _FRAME.match(text)) is not None and count is not None:
            name = f"{frame[1]}:{frame[2]}" if srcline and frame[2] else frame[1]
            stack.append(profile.frame(name.replace(";", ":")))
        elif not text.strip():
            end()
        else:
            profile.quality.reject(number, text)
    end()
    return profile
