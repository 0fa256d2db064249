"""Reads call graphs of FreeBSD's ``pmcstat -G``: functions, each with its callers behind it.

A line has the part of the caller in its function's samples, their number, and where the code is::

    03.07%  [17]       witness_unlock @ /boot/kernel/kernel
     70.59%  [12]        __mtx_unlock_flags

A space more is a caller. Callers that take too small a part are not printed (``-z``): what they
would have is left to the function that they call, at the root.
"""

from __future__ import annotations

import re

from prybee.flame.profile import KERNEL, PLAIN, Profile
from prybee.flame.readers.calltree import WholeTree
from prybee.flame.readers.text import numbered

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

_LINE = re.compile(r"( *)\d+(?:\.\d+)?%  ?\[(\d+)\]\s*(\S.*?)(?: @ (\S.*?))?\s*$")
_LINES = re.compile(_LINE.pattern.encode(), re.M)


def probe(head: bytes) -> bool | None:
    """Whether a text begins as such a graph does."""
    return _LINES.search(head) is not None and not head.startswith(b"{")


def read(lines: Iterable[bytes]) -> Profile:
    """Reads samples."""
    profile = Profile()
    tree = WholeTree(profile, callers=True)
    module = ""
    for number, text in numbered(lines):
        line = _LINE.match(text)
        if line is None:
            # What is counted, and the file's comments.
            if text.strip() and not text.startswith(("@", "#")):
                profile.quality.reject(number, text)
            continue
        depth = len(line[1])
        # Callers are in the same file where none is told.
        module = line[4] or (module if depth else "")
        kind = KERNEL if module.endswith(("/kernel", ".ko")) else PLAIN
        frame = profile.frame(line[3].replace(";", ":"), kind, module)
        if not tree.enter(depth, frame, int(line[2])):
            profile.quality.reject(number, text)
    tree.end()
    return profile
