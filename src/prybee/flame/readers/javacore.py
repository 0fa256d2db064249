"""Reads thread dumps of IBM's JVM (javacore): the stacks of all threads.

Each line begins with what it is::

    3XMTHREADINFO      "worker-1" J9VMThread:0x00, …, java/lang/Thread:0x07, state:R, prio=5
    3XMTHREADINFO1            (native thread ID:0x3158, native priority:0x5, …)
    4XESTACKTRACE                at java/net/SocketInputStream.read(SocketInputStream.java:182)
"""

from __future__ import annotations

import re

from prybee.flame.profile import Profile
from prybee.flame.readers.java_names import shortened
from prybee.flame.readers.text import numbered

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

_THREAD = re.compile(r'3XMTHREADINFO\s+(?:"(.*?)"|(Anonymous native thread))')
_NATIVE = re.compile(r"3XMTHREADINFO1\s+\(native thread ID:([^,\s]+)")
_FRAME = re.compile(r"4XESTACKTRACE\s+at ([^\s(]+)\(")


def probe(head: bytes) -> bool | None:
    """Whether a text begins as such a dump does."""
    return re.search(rb"^(0SECTION|1TISIGINFO|3XMTHREADINFO|NULL\s+-----)", head, re.M) is not None


def read(
    lines: Iterable[bytes],
    *,
    tname: bool = True,
    tid: bool = False,
    shorten: bool = False,
    no_pkgs: bool = False,
) -> Profile:
    """Reads a stack for each thread that has one.

    Args:
        lines: of the text.
        tname: the frame at the root is the thread's name.
        tid: the name is followed by its number.
        shorten: of packages the first letters are kept.
        no_pkgs: no packages are kept.
    """
    profile = Profile("threads")
    name = number = ""
    stack: list[int] = []

    def end() -> None:
        if stack:
            root = f"{name}-{number}" if tid and number else name
            roots = [profile.frame(root.replace(";", ":"))] if tname and name else []
            profile.add([*roots, *reversed(stack)])
            stack.clear()

    for _, text in numbered(lines):
        if (thread := _THREAD.match(text)) is not None:
            end()
            name, number = thread[1] or thread[2], ""
        elif (native := _NATIVE.match(text)) is not None:
            number = native[1]
        elif (frame := _FRAME.match(text)) is not None:
            called = shortened(frame[1], shorten, no_pkgs)
            stack.append(profile.frame(called.replace(";", ":")))
    end()
    return profile
