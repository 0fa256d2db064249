"""Reads what ``sample`` of macOS prints: a call tree of each thread, with numbers of samples.

Two columns of the indentation are a caller; the characters in them only lead the eye::

    Call graph:
        825 Thread_15758523   DispatchQueue_1: com.apple.main-thread  (serial)
        + 825 start  (in libdyld.dylib) + 1  [0x7fff737cf3d5]
        +   825 main  (in rg) + 41  [0x10384b549]
"""

from __future__ import annotations

import re

from prybee.flame.profile import Profile
from prybee.flame.readers.calltree import WholeTree
from prybee.flame.readers.names import repaired, without_arguments
from prybee.flame.readers.text import numbered

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

_BEGIN, _END = "Call graph:", "Total number in stack"
_LINE = re.compile(r"    ([ +!:|]*)(\d+) (\S.*?)\s*$")
_IN = re.compile(r"(.*?)  ?\(in ([^)]*)\)")
_DETAIL = re.compile(r"\s{2}\(\w+\)\s*$|\s{2}load address .*$")
# Threads that wait are asleep, most of the time all of them.
WAITING = frozenset(
    (
        "__psynch_cvwait", "__select", "__semwait_signal", "__ulock_wait", "__wait4",
        "__workq_kernreturn", "kevent", "mach_msg_trap", "read", "semaphore_wait_trap",
    )
)  # fmt: skip


def probe(head: bytes) -> bool | None:
    """Whether a text begins as sample's does."""
    if re.match(rb"\s*(Analysis of sampling|Sampling process) ", head):
        return True
    return re.search(rb"^Call graph:\r?\n    \d+ Thread_", head, re.M) is not None


def read(lines: Iterable[bytes], *, modules: bool = True, compat: str = "") -> Profile:
    """Reads the samples of threads that do not wait.

    Args:
        lines: of the text.
        modules: names begin with the file.
        compat: ``inferno`` takes all functions for waiting whose names end as theirs do, and loses
            samples of functions that are in several lines.
    """
    profile = Profile()
    waiting: dict[int, bool] = {}
    tree = WholeTree(profile, keep=lambda path: not waiting[path[-1]], compat=compat)
    inside = False
    for number, text in numbered(lines):
        if not inside:
            inside = text.startswith(_BEGIN)
            continue
        if text.startswith(_END):
            break
        line = _LINE.match(text)
        if line is None:
            if text.strip():
                profile.quality.reject(number, text)
            continue
        name, module = _function(line[3], compat)
        frame = profile.frame(
            (f"{module}`{name}" if modules and module else name).replace(";", ":"), module=module
        )
        if compat == "inferno":
            waiting[frame] = name.endswith(tuple(WAITING))
        else:
            waiting[frame] = name in WAITING
        if len(line[1]) % 2 or not tree.enter(len(line[1]) // 2, frame, int(line[2])):
            profile.quality.reject(number, text)
    else:
        if inside:
            profile.quality.reject(0, "the end of the call graph is missing")
    tree.end()
    return profile


def _function(text: str, compat: str) -> tuple[str, str]:
    """Name and file of a function."""
    found = _IN.match(text)
    if found is None:
        return _DETAIL.sub("", text), ""
    name, module = found[1], found[2].removesuffix(".dylib")
    if name[:2] not in ("-[", "+["):  # Objective-C's methods have no arguments behind them.
        name = without_arguments(name, compat).rstrip()
    return repaired(name, compat), module
