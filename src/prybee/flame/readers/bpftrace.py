"""Reads maps with stacks as prybee and bpftrace print them, as text and as JSON.

A key is any mixture of stacks and scalars (``@[kstack, ustack, comm]``, ``@[tid, ustack]`` …).
Stacks are printed leaf first; of several, the last in the key is nearest to the root, as the
kernel's come before the program's. Scalars are frames below all of them.
"""

from __future__ import annotations

import json
import re

from prybee.flame.profile import Profile
from prybee.flame.readers.text import numbered

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_BEGIN = re.compile(r"(@\w*)\[(.*)")
_END = re.compile(r"(.*)\]: (.*)")
_NUMBER = re.compile(r"-?\d+(\.\d+)?$")
_OFFSET = re.compile(r"\+(0x)?[0-9a-f]+$")
# The form of stacks in perf mode: address, function, file.
_PERF = re.compile(r"([0-9a-f]+) (.*?) \((.*)\)$")

NO_STACK = "[no stack]"  # The frame of what has none, nor anything else.

_Entry = tuple[str, str, object]  # map, key, value


def probe(head: bytes) -> bool | None:
    """Whether a text begins as the output of a script with maps does."""
    text = head.decode(errors="replace")
    if re.search(r'^\{"type": *"', text, re.M):
        return True
    return re.search(r"^@\w*\[", text, re.M) is not None


def read(lines: Iterable[bytes], map: str = "") -> Profile:  # noqa: A002
    """Reads the stacks of one map; what is not of a map is passed over.

    Args:
        lines: of the text.
        map: its name, with ``@``; empty for the first whose keys have stacks.
    """
    profile = Profile("")
    for number, (name, key, value) in _entries(numbered(lines), profile):
        elements = list(_elements(key))
        if not any(isinstance(element, list) for element in elements):
            continue
        if map and name != map:
            continue
        map = name  # noqa: A001
        if isinstance(value, bool) or not isinstance(value, int | float):
            profile.quality.reject(number, f"{name}[…]: {value}")
            continue
        scalars = [profile.frame(each) for each in elements if isinstance(each, str)]
        stacks = [each for each in elements if isinstance(each, list)]
        if not any(stacks):
            profile.quality.stackless += int(value)
        frames = [_frame(profile, each) for stack in reversed(stacks) for each in reversed(stack)]
        profile.add([*scalars, *frames] or [profile.frame(NO_STACK)], value)
    return profile


def _entries(lines: Iterator[tuple[int, str]], profile: Profile) -> Iterator[tuple[int, _Entry]]:
    """(line, entry) for each entry of a map, in both forms."""
    for number, line in lines:
        if line.startswith("{"):
            try:
                said = json.loads(line)
                maps = said["data"].items() if said.get("type") == "map" else ()
            except (ValueError, AttributeError, KeyError):
                profile.quality.reject(number, line.rstrip())
                continue
            for name, entries in maps:
                if isinstance(entries, dict):
                    for key, value in entries.items():
                        yield number, (name, key, value)
            continue
        begun = _BEGIN.match(line)
        if begun is None:
            continue
        name, rest = begun.groups()
        parts: list[str] = []
        while (end := _END.match(rest)) is None:
            parts.append(rest)
            following = next(lines, None)
            if following is None:
                profile.quality.reject(number, line.rstrip())
                return
            rest = following[1]
        parts.append(end[1])
        text = end[2].strip()
        value = (float(text) if "." in text else int(text)) if _NUMBER.match(text) else text
        yield number, (name, "\n".join(parts), value)


def _elements(key: str) -> Iterator[str | list[str]]:
    """The parts of a key: a list of frames, the leaf first, or a scalar's text."""
    at = 0
    while at < len(key):
        if key[at] == "\n":
            frames = []
            at += 1
            while at < len(key) and key[at] != ",":
                end = key.find("\n", at)
                end = len(key) if end < 0 else end
                frames.append(key[at:end].strip())
                at = end + 1
            yield [frame for frame in frames if frame]
        else:
            end = key.find(",", at)
            end = len(key) if end < 0 else end
            yield key[at:end]
            at = end
        if at < len(key):  # The comma; a space is behind it in text.
            at += 1
            if key[at : at + 1] == " ":
                at += 1


def _frame(profile: Profile, text: str) -> int:
    module = ""
    if (perf := _PERF.match(text)) is not None:
        text, module = perf[2], perf[3]
    return profile.frame(_OFFSET.sub("", text), module=module)
