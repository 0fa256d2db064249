"""Reads backtraces of gdb (``thread apply all bt``), and of eu-stack."""

from __future__ import annotations

import re

from prybee.flame.profile import Profile
from prybee.flame.readers.text import numbered

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

# Gdb: an address is there but for the innermost frame and inlined ones; eu-stack has always one.
_FRAME = re.compile(r"#\d+\s+(?:0x[0-9a-f]+(?:\s+in)?\s+)?(.*?)\s*$")
_THREAD = re.compile(r"Thread \d+ ")
_PID = re.compile(r"PID (\d+)")
_TID = re.compile(r"TID (\d+):")


def probe(head: bytes) -> bool | None:
    """Whether a text begins as a list of backtraces does."""
    lines = head.decode(errors="replace").splitlines()[:200]
    threads = any(_THREAD.match(line) or _TID.match(line) for line in lines)
    return any(_FRAME.match(line) for line in lines) and threads


def read(lines: Iterable[bytes], pid: bool = False, tid: bool = False) -> Profile:
    """Reads a stack for each thread.

    Args:
        lines: of the text.
        pid, tid: frames at the root tell them (eu-stack's).
    """
    profile = Profile("threads")
    stack: list[int] = []
    process = thread = ""

    def end() -> None:
        if stack:
            roots = [f"PID={process}"] * (pid and bool(process))
            roots += [f"TID={thread}"] * (tid and bool(thread))
            profile.add([*(profile.frame(root) for root in roots), *reversed(stack)])
            stack.clear()

    for _, text in numbered(lines):
        if (frame := _FRAME.match(text)) is not None:
            if text.startswith("#0"):
                end()
            stack.append(profile.frame(_function(frame[1])))
            continue
        end()
        if (found := _PID.match(text)) is not None:
            process = found[1]
        elif (found := _TID.match(text)) is not None:
            thread = found[1]
    end()
    return profile


def _function(text: str) -> str:
    """The function of a frame, without arguments and places."""
    # `f (a=1) at x.c:3`, `std::f(int) (this=1) from /lib/x.so`: values of arguments have a space
    # before them. eu-stack's frames have ` - ` and the file.
    name = re.sub(r" \(.*$", "", text) if " (" in text else text
    name = re.sub(r"( - \d+)? - /.*$", "", name)
    return name.strip().replace(";", ":") or "??"
