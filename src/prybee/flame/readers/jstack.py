"""Reads thread dumps of a JVM (``jstack``): the threads that run."""

from __future__ import annotations

import re

from prybee.flame.profile import Profile
from prybee.flame.readers.java_names import shortened
from prybee.flame.readers.text import numbered

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

_THREAD = re.compile(r'"(.*)" .*?(?:#(\d+)|tid=(0x[0-9a-f]+))')
_STATE = re.compile(r"\s+java\.lang\.Thread\.State: (\S+)")
_FRAME = re.compile(r"\s+at ([^\s(]+)\(")
_NUMBER = re.compile(r"[-_ #]+\d+$")
# They say that they run, and wait for the network or the disk.
_WAITS = re.compile(
    r"(epollWait|EPoll\.wait|socketAccept|Socket.*\.accept0?|socketRead0|\.poll0?)$"
)
# The JVM's own.
_BACKGROUND = re.compile(r"C\d CompilerThread|Signal Dispatcher|Service Thread|Attach Listener")


def probe(head: bytes) -> bool | None:
    """Whether a text begins as a thread dump does."""
    return b"Full thread dump" in head or re.search(rb'^".*" .*\bnid=', head, re.M) is not None


def read(
    lines: Iterable[bytes],
    *,
    tname: bool = True,
    tid: bool = False,
    shorten: bool = False,
    no_pkgs: bool = False,
) -> Profile:
    """Reads a stack for each thread that runs.

    Args:
        lines: of the text.
        tname: the frame at the root is the thread's name, without its number.
        tid: the name keeps its number.
        shorten: of packages the first letters are kept.
        no_pkgs: no packages are kept.
    """
    profile = Profile("threads")
    name = state = ""
    stack: list[str] = []

    def end() -> None:
        waits = bool(stack) and _WAITS.search(stack[0]) is not None
        if stack and state == "RUNNABLE" and not waits and not _BACKGROUND.search(name):
            frames = [shortened(each, shorten, no_pkgs) for each in reversed(stack)]
            root = name if tid else _NUMBER.sub("", name)
            profile.add(profile.frame(each) for each in ([root] if tname else []) + frames)
        stack.clear()

    for _, text in numbered(lines):
        if (thread := _THREAD.match(text)) is not None:
            end()
            name, state = thread[1].replace(";", ":"), ""
        elif (found := _STATE.match(text)) is not None:
            state = found[1]
        elif (frame := _FRAME.match(text)) is not None:
            stack.append(frame[1].replace(";", ":"))
    end()
    return profile
