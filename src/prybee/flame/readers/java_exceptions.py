"""Reads stack traces of Java's exceptions, as they stand in logs."""

from __future__ import annotations

import re

from prybee.flame.profile import Profile
from prybee.flame.readers import jstack
from prybee.flame.readers.java_names import shortened
from prybee.flame.readers.text import numbered

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

_FRAME = re.compile(r"\s+at ([^\s(]+)\(")
# A lock among the frames is none, and no end of them.
_LOCK = re.compile(r"\s+- ")


def probe(head: bytes) -> bool | None:
    """Whether there are stack traces in a text, and not those of a thread dump."""
    if jstack.probe(head):
        return False
    return re.search(rb"^\s+at [\w.$<>/]+\([^)]*\)", head, re.M) is not None


def read(lines: Iterable[bytes], *, shorten: bool = False, no_pkgs: bool = False) -> Profile:
    """Reads a stack for each exception; a cause is one of its own.

    Args:
        lines: of the text.
        shorten: of packages the first letters are kept.
        no_pkgs: no packages are kept.
    """
    profile = Profile("exceptions")
    stack: list[int] = []
    for _, text in numbered(lines):
        frame = _FRAME.match(text)
        if frame is not None:
            name = shortened(frame[1], shorten, no_pkgs)
            stack.append(profile.frame(name.replace(";", ":")))
        elif stack and not _LOCK.match(text):
            profile.add(reversed(stack))
            stack = []
    if stack:
        profile.add(reversed(stack))
    return profile
