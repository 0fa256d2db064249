"""Reads SystemTap's stacks (``print_stack``, ``print_ustack``), each with a count below."""

from __future__ import annotations

import re

from prybee.flame.profile import KERNEL, PLAIN, Profile
from prybee.flame.readers.text import numbered

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

_FRAME = re.compile(r"\s*0x[0-9a-f]+ : (\S.*?)(?:\+0x[0-9a-f]+/0x[0-9a-f]+)?(?: \[(.*)\])?\s*$")
_COUNT = re.compile(r"\s*(\d+)\s*$")


def probe(head: bytes) -> bool | None:
    """Whether a text begins as such stacks do."""
    return re.search(rb"^\s*0x[0-9a-f]+ : \S", head, re.M) is not None


def read(lines: Iterable[bytes]) -> Profile:
    """Reads stacks."""
    profile = Profile()
    stack: list[int] = []
    for number, text in numbered(lines):
        if (count := _COUNT.match(text)) is not None and stack:
            profile.add(reversed(stack), int(count[1]))
            stack = []
        elif (frame := _FRAME.match(text)) is not None:
            module = frame[2] or ""
            kind = KERNEL if module == "kernel" else PLAIN
            stack.append(profile.frame(frame[1].replace(";", ":"), kind, module))
        elif text.strip():
            profile.quality.reject(number, text)
    return profile
