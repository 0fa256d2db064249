"""Reads stack traces of Java's exceptions, as they stand in logs."""

from __future__ import annotations

import re

from prybee.flame.profile import Profile
from prybee.flame.readers.text import numbered

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

_FRAME = re.compile(r"\s+at ([^\s(]+)\(")


def probe(head: bytes) -> bool | None:
    """Whether there are stack traces in a text."""
    return re.search(rb"^\s+at [\w.$<>/]+\([^)]*\)", head, re.M) is not None


def read(lines: Iterable[bytes]) -> Profile:
    """Reads a stack for each exception; a cause is one of its own."""
    profile = Profile("exceptions")
    stack: list[int] = []
    for _, text in numbered(lines):
        frame = _FRAME.match(text)
        if frame is not None:
            stack.append(profile.frame(frame[1].replace(";", ":")))
        elif stack:
            profile.add(reversed(stack))
            stack = []
    if stack:
        profile.add(reversed(stack))
    return profile
