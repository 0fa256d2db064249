"""The kernel's functions that can be probed.

Function tracing has a list of them (``available_filter_functions`` of tracefs): inlined functions
and those that tracing itself runs through are not on it.  A kernel with kprobes and without
function tracing has none; there every function can be probed but those that kprobes keep out of.
"""

from __future__ import annotations

from itertools import pairwise

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection

KERNEL = "vmlinux"
LIST = "available_filter_functions"
BLACKLIST = "/sys/kernel/debug/kprobes/blacklist"

# Places that the kernel's build left without a name (kernel/trace/ftrace.c).
_NAMELESS = "__ftrace_invalid_address__"
# Kinds of kallsyms that are code: global, local and weak.
_CODE = frozenset("tTwW")


def from_list(text: str, pattern: str = "*") -> list[tuple[str, str]]:
    """(module, function) pairs of a list with one ``function [module]`` a line, sorted.

    Args:
        pattern: that names must fit; ``*`` stands for any text.
    """
    if pattern != "*":
        return _fitting(text, pattern)
    found = set()
    for line in text.splitlines():
        name, _blank, module = line.strip().partition(" ")
        if name and not name.startswith(_NAMELESS):
            found.add((module.strip().strip("[]") or KERNEL, name))
    return sorted(found)


def _fitting(text: str, pattern: str) -> list[tuple[str, str]]:
    import re

    name = "[^ \n]*".join(map(re.escape, pattern.split("*")))
    lines = re.finditer(rf"^({name})(?: \[(.*)\])?$", text, re.MULTILINE)
    found = {(line[2] or KERNEL, line[1]) for line in lines}
    return sorted(pair for pair in found if not pair[1].startswith(_NAMELESS))


def is_repeated(text: str, name: str) -> bool:
    """Whether such a list has several functions of that name, in whatever module."""
    first = text.startswith((f"{name}\n", f"{name} ["))
    return first + text.count(f"\n{name}\n") + text.count(f"\n{name} [") > 1


def repeated(text: str) -> frozenset[str]:
    """Names in such a list that several functions have, in whatever module."""
    names = [line.partition(" ")[0] for line in text.split("\n") if line]
    if len(set(names)) == len(names):
        return frozenset()
    names.sort()
    return frozenset([name for name, after in pairwise(names) if name == after])


def excluded(text: str) -> frozenset[str]:
    """The names in a list of ``RANGE NAME`` lines (:data:`BLACKLIST`)."""
    return frozenset([words[-1] for words in map(str.split, text.splitlines()) if words])


def from_symbols(symbols: str, apart: Collection[str]) -> list[tuple[str, str]]:
    """(module, function) pairs of all code that is not excluded, sorted.

    Args:
        symbols: the text of ``/proc/kallsyms``.
        apart: the names of those that are.
    """
    found = set()
    for line in symbols.splitlines():
        words = line.split()
        if len(words) < 3 or words[1] not in _CODE or words[2] in apart:
            continue
        name = words[2]
        # Padding before functions, and the compiler's own labels.
        if name.startswith(("__pfx_", ".")):
            continue
        found.add((words[3].strip("[]") if len(words) > 3 else KERNEL, name))
    return sorted(found)
