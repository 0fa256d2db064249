"""Paths of cgroups by id: the id is the inode of the directory in its hierarchy."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

# Directories looked at per hierarchy before a search gives up.
_LIMIT = 100_000


def hierarchies(mountinfo: Iterable[str]) -> Iterator[tuple[str, str]]:
    """(name, mount point) of each cgroup hierarchy; version 2 is called ``unified``."""
    for line in mountinfo:
        left, _, right = line.partition(" - ")
        fields, tail = left.split(" "), right.split(" ")
        if len(fields) < 5 or not tail[0].startswith("cgroup"):
            continue
        point = fields[4].encode().decode("unicode_escape")
        yield ("unified" if tail[0] == "cgroup2" else os.path.basename(point)), point


def paths(number: int, glob: str = "", mountinfo: str = "/proc/self/mountinfo") -> list[str]:
    """``name:path`` in each hierarchy whose name fits ``glob`` and that has a cgroup of this id."""
    try:
        with open(mountinfo) as lines:
            known = list(hierarchies(lines))
    except OSError:
        return []
    if glob:
        from fnmatch import fnmatchcase

        known = [(name, point) for name, point in known if fnmatchcase(name, glob)]
    # Version 2 first, as upstream lists them.
    known.sort(key=lambda each: (each[0] != "unified", each[0]))
    found = []
    for name, point in known:
        path = _find(point, number)
        if path is not None:
            found.append(f"{name}:{path}")
    return found


def _find(root: str, number: int) -> str | None:
    """The path below ``root`` of the directory with this inode."""
    seen = 0
    stack = [root]
    while stack and seen < _LIMIT:
        directory = stack.pop()
        seen += 1
        try:
            if directory == root and os.stat(root).st_ino == number:
                return "/"
            with os.scandir(directory) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        if entry.inode() == number:
                            return entry.path[len(root.rstrip("/")) :]
                        stack.append(entry.path)
        except OSError:
            continue
    return None
