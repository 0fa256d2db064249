"""Reads stacks of AIX's ``procstack`` and Solaris' ``pstack``, of any number of processes.

A line tells the process, then for each thread one that begins with hyphens, and its frames with the
leaf first::

    4718790: /usr/bin/server -d
    ---------- tid# 12345 (pthread ID:   1) ----------
    0x0900000000123  select(??, ??) + 0x14
    0x0000000100456  main() + 0x20
"""

from __future__ import annotations

import re

from prybee.flame.profile import Profile
from prybee.flame.readers.text import numbered

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

_PROCESS = re.compile(r"(\d+):\s+(\S+)")
_THREAD = re.compile(r"-{4,}\s+(?:tid#|lwp#|thread#|lwp)\s*(\d+)")
# Solaris has neither 0x nor more than one digit for sure; what follows tells.
_FRAME = re.compile(r"\s*(?:0x([0-9a-f]+)|([0-9a-f]{8,16}))\s+(\S.*?)\s*$")
_PLACE = re.compile(r"\s*\+\s*(?:0x)?[0-9a-f]+.*$|\s*\(.*$")


def probe(head: bytes) -> bool | None:
    """Whether a text begins as such stacks do."""
    lines = head.decode(errors="replace").splitlines()[:100]
    process = next((at for at, line in enumerate(lines) if _PROCESS.match(line)), None)
    if process is None:
        return False
    behind = next((line for line in lines[process + 1 :] if line.strip()), None)
    if behind is None:
        return False
    return _THREAD.match(behind) is not None or (
        _FRAME.match(behind) is not None and re.search(r"\(.*\)|\]", behind) is not None
    )


def read(lines: Iterable[bytes], *, pid: bool = False, tid: bool = False) -> Profile:
    """Reads a stack for each thread.

    Args:
        lines: of the text.
        pid, tid: the process's frame tells them.
    """
    profile = Profile("threads")
    name = process = thread = ""
    stack: list[int] = []

    def end() -> None:
        if stack:
            root = name
            if tid:
                root += f"-{process}/{thread or '?'}"
            elif pid:
                root += f"-{process}"
            profile.add([*([profile.frame(root)] if root else []), *reversed(stack)])
            stack.clear()

    for number, text in numbered(lines):
        if (found := _PROCESS.match(text)) is not None:
            end()
            process, name, thread = found[1], found[2].replace(";", ":"), ""
        elif (found := _THREAD.match(text)) is not None:
            end()
            thread = found[1]
        elif (found := _FRAME.match(text)) is not None:
            stack.append(profile.frame(_function(found[3], found[1] or found[2])))
        elif text.strip():
            profile.quality.reject(number, text)
    end()
    return profile


def _function(text: str, address: str) -> str:
    name = _PLACE.sub("", text)
    # Without a name there is only the file in brackets, or nothing.
    if not name or name.startswith("[") or name.strip("?") == "":
        return f"0x{address}"
    return name.replace(";", ":")
