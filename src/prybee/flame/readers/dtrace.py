"""Reads DTrace's aggregations of ``stack()`` and ``ustack()``.

Frames are indented, the leaf first, and the count stands alone in the last line of a stack. In
keys with several parts an empty line is between them.
"""

from __future__ import annotations

import re

from prybee.flame.profile import Profile
from prybee.flame.readers.text import numbered

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

_COUNT = re.compile(r"\s*(\d+)\s*$")
_FRAME = re.compile(r"\s+(\S.*?)\s*$")
_OFFSET = re.compile(r"\+0x[0-9a-fA-F]+$")
# `module`function(arguments)`: the arguments are left out, but not C++'s anonymous namespaces.
_ARGUMENTS = re.compile(r"\((?!anonymous namespace\)).*")


def probe(head: bytes) -> bool | None:
    """Whether a text begins as dtrace's output does: with its columns, or module`function."""
    if re.match(rb"CPU\s+ID\s+FUNCTION:NAME", head):
        return True
    return re.search(rb"^\s+[^\s`]+`[^\s`]+\+0x[0-9a-f]+\s*$", head, re.M) is not None


def read(lines: Iterable[bytes], includeoffset: bool = False) -> Profile:
    """Reads stacks.

    Args:
        lines: of the text.
        includeoffset: frames keep their offsets.
    """
    profile = Profile()
    stack: list[int] = []
    header = True
    for number, text in numbered(lines):
        if header and not text.startswith((" ", "\t")):
            continue  # The columns, and what dtrace says.
        if not text.strip() or re.match(r"\s*\d+\s+\d+\s+\S*:\S*\s*$", text):
            continue
        if (count := _COUNT.match(text)) is not None:
            if stack:
                profile.add(reversed(stack), int(count[1]))
            else:
                profile.quality.reject(number, text)
            stack = []
        elif (frame := _FRAME.match(text)) is not None:
            header = False
            stack.append(profile.frame(_tidy(frame[1], includeoffset)))
        else:
            profile.quality.reject(number, text)
    return profile


def _tidy(frame: str, offset: bool) -> str:
    kept = _OFFSET.search(frame)
    name = _OFFSET.sub("", frame)
    module, mark, function = name.rpartition("`")
    name = module + mark + _ARGUMENTS.sub("", function) if mark else name
    if kept is not None and offset:
        name += kept[0]
    return name.replace(";", ":")
