"""Reads what Python's ``faulthandler`` prints."""

from __future__ import annotations

import re

from prybee.flame.profile import Profile
from prybee.flame.readers.text import numbered

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

_THREAD = re.compile(r"(Current thread|Thread|Stack) .*\(most recent call first\)")
_FRAME = re.compile(r'\s+File "(.*)", line (\d+|\?+) in (.*?)\s*$')


def probe(head: bytes) -> bool | None:
    """Whether a text begins as a dump of tracebacks does."""
    return b"(most recent call first)" in head


def read(lines: Iterable[bytes]) -> Profile:
    """Reads a stack for each thread of each dump."""
    profile = Profile("threads")
    stack: list[int] = []
    for number, text in numbered(lines):
        if (frame := _FRAME.match(text)) is not None:
            name = f"{frame[1]}:{frame[2]}:{frame[3]}"
            stack.append(profile.frame(name.replace(";", ":"), module=frame[1]))
            continue
        if stack:
            profile.add(reversed(stack))
            stack = []
        if text.startswith("  ") and text.strip() != "...":
            profile.quality.reject(number, text)
    if stack:
        profile.add(reversed(stack))
    return profile
