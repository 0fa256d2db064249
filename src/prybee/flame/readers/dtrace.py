"""Reads DTrace's aggregations of ``stack()`` and ``ustack()``.

Frames are indented, the leaf first, and the count stands alone in the last line of a stack. In
keys with several parts an empty line is between them.
"""

from __future__ import annotations

import re

from prybee.flame.profile import INLINED, PLAIN, Profile
from prybee.flame.readers.names import inlined, repaired, without_arguments
from prybee.flame.readers.text import numbered

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

_COUNT = re.compile(r"\s*(\d+)\s*$")
_FRAME = re.compile(r"\s+(\S.*?)\s*$")
_OFFSET = re.compile(r"\+0x[0-9a-fA-F]+$")
_COLUMNS = re.compile(rb"\s*CPU\s+ID\s+FUNCTION:NAME")
_PROBE = re.compile(r"\s*\d+\s+\d+\s+\S*:\S*\s*$")
_STACK = re.compile(rb"^\s+[^\s`]+`\S[^`]*?(\+0x[0-9a-f]+)?\s*$", re.M)
_ADDRESSES = re.compile(rb"^(\s+0x[0-9a-f]+\s*\n)+\s+\d+\s*$", re.M)
# What inferno leaves of a name with ``::``: all up to the last of these.
_CPP = re.compile(r"(::.*)[(<].*", re.S)


def probe(head: bytes) -> bool | None:
    """Whether a text begins as dtrace's output does: with its columns, or module`function."""
    if _COLUMNS.match(head):
        return True
    return _STACK.search(head) is not None or _ADDRESSES.search(head) is not None


def read(lines: Iterable[bytes], *, includeoffset: bool = False, compat: str = "") -> Profile:
    """Reads stacks.

    Args:
        lines: of the text.
        includeoffset: frames keep their offsets.
        compat: of a program whose names these are to be; ``perl`` or ``inferno`` cut more off.
    """
    profile = Profile()
    stack: list[int] = []
    begun = False
    at = 0
    for number, text in numbered(lines):
        if not begun and text.strip() and not text.startswith((" ", "\t")):
            continue  # The columns, and what dtrace says; indented lines are a stack's.
        if not text.strip() or _PROBE.match(text) or _COLUMNS.match(text.encode(errors="replace")):
            continue
        if (count := _COUNT.match(text)) is not None:
            if stack:
                if includeoffset and compat:
                    stack = _without_last_offset(profile, stack, compat)
                profile.add(reversed(stack), int(count[1]))
            else:
                profile.quality.reject(number, text)
            stack = []
        elif (frame := _FRAME.match(text)) is not None:
            begun = True
            at = number
            stack += reversed(_frames(profile, frame[1], includeoffset, compat))
        else:
            profile.quality.reject(number, text)
    if stack:
        profile.quality.reject(at, "a stack without its count")
    return profile


def _without_last_offset(profile: Profile, stack: list[int], compat: str) -> list[int]:
    """A stack, the leaf first, as the peers have it: with offsets, but for the leaf's.

    Where the leaf has none, stackcollapse.pl loses it, up to the next that has one.
    """
    for place, number in enumerate(stack):
        frame = profile.frames[number]
        name, mark, _ = frame.name.rpartition("+")
        if mark:
            return [profile.frame(name, frame.kind), *stack[place + 1 :]]
        if compat == "inferno":
            break
    return stack


def _frames(profile: Profile, text: str, offset: bool, compat: str) -> list[int]:
    """Frames of one line, the outermost first."""
    if compat:
        names = _as_peers(text, offset, compat)
    else:
        names = inlined(_tidy(text, offset))
    return [
        profile.frame(name.replace(";", ":"), INLINED if place else PLAIN)
        for place, name in enumerate(names)
    ]


def _as_peers(text: str, offset: bool, compat: str) -> list[str]:
    name = text if offset else text.rpartition("+")[0] or text
    name = _CPP.sub(r"\1", name) or "-"
    module, mark, function = name.partition("`")
    if compat == "inferno" and mark:
        function, plus, behind = function.rpartition("+") if offset else (function, "", "")
        if offset and not plus:
            function, behind = behind, ""
        name = module + mark + repaired(function.rstrip(), compat) + plus + behind
    parts = inlined(name, compat)
    return [part.lstrip("L") for part in parts] if len(parts) > 1 or offset else parts


def _tidy(frame: str, offset: bool) -> str:
    kept = _OFFSET.search(frame)
    name = _OFFSET.sub("", frame)
    module, mark, function = name.rpartition("`")
    name = module + mark + repaired(without_arguments(function)) if mark else name
    if kept is not None and offset:
        name += kept[0]
    return name
