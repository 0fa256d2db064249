"""Which file a name in an attach point means: a path, a glob, a library's short name, a command.

``uprobe:/usr/bin/bash:…``, ``uprobe:/lib/*/libssl.so*:…``, ``uprobe:libc:…``, ``uprobe:bash:…``.
With a process the file is looked for where that process sees it: in its root directory and, for a
library's short name, first among what it has mapped.
"""

from __future__ import annotations

import os

from prybee.elf.archive import SEPARATOR
from prybee.symbols import ld_cache
from prybee.symbols.roots import process_root, under

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

# Where execvp(3) looks when PATH is not set, as the C library says it, and sbin with it.
DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

_GLOB = "*?["


def resolve(name: str, pid: int | None = None) -> list[str]:
    """Paths of the regular files that ``name`` means, openable by this process; empty for none.

    Args:
        name: as written in the attach point.
        pid: look where this process does. Its files are then named through ``/proc/PID/root``
            when its root directory or its mounts are not ours.

    A path or a glob gives all the files it matches, sorted, each once however many links lead to
    it.  A bare word is a command on PATH; where there is none, a library: ``libc`` is the newest
    ``libc.so*`` that the loader's cache knows, ``libc.so.6`` exactly that.  ``ARCHIVE!/MEMBER``
    means that member of each archive that is meant, whether it is there or not.
    """
    if not name or "\0" in name:
        return []
    archive, mark, member = name.partition(SEPARATOR)
    if mark and not os.path.exists(name):
        return [f"{path}{SEPARATOR}{member}" for path in resolve(archive, pid)]
    root = process_root(pid) if pid is not None else ""
    if "/" in name:
        return _paths(name, root, pid)
    if any(character in name for character in _GLOB):
        found = _distinct(
            path for folder in _search_path() for path in _glob(folder + "/" + name, root)
        )
        return found or _distinct(under(root, path) for path in ld_cache.matching(name, root))
    for folder in _search_path():
        path = under(root, f"{folder}/{name}")
        if os.path.isfile(path) and os.access(path, os.X_OK):
            return [path]
    if pid is not None:
        mapped = _mapped_library(name, pid, root)
        if mapped:
            return [mapped]
    library = ld_cache.find(name, root)
    if library:
        return [under(root, library)]
    # A file of the current directory comes last, so that it cannot take a command's place.
    return [name] if pid is None and os.path.isfile(name) else []


def _paths(name: str, root: str, pid: int | None) -> list[str]:
    path = name
    if root and not name.startswith("/proc/"):
        if not name.startswith("/"):
            # A relative path of the process's own.
            path = _link(f"/proc/{pid}/cwd").rstrip("/") + "/" + name
    else:
        root = ""
    if any(character in path for character in _GLOB) and not os.path.isfile(under(root, path)):
        return _distinct(_glob(path, root))
    path = under(root, path)
    return [path] if os.path.isfile(path) else []


def _link(path: str) -> str:
    try:
        return os.readlink(path)
    except OSError:
        return "/"


def _glob(pattern: str, root: str) -> Iterable[str]:
    from glob import escape, glob

    for path in sorted(glob(escape(root) + pattern if root else pattern)):
        path = under(root, path[len(root) :]) if root else path
        if os.path.isfile(path):
            yield path


def _distinct(paths: Iterable[str]) -> list[str]:
    """Each file once, under the first name it came with."""
    seen = set()
    result = []
    for path in paths:
        try:
            status = os.stat(path)
        except OSError:
            continue
        key = (status.st_dev, status.st_ino)
        if key not in seen:
            seen.add(key)
            result.append(path)
    return result


def _search_path() -> list[str]:
    folders = (os.environ.get("PATH") or DEFAULT_PATH).split(":")
    return [folder for folder in dict.fromkeys(folders) if folder.startswith("/")]


def _mapped_library(name: str, pid: int, root: str) -> str:
    """The library of that short name which the process has mapped, "" for none."""
    try:
        with open(f"/proc/{pid}/maps", encoding="utf-8", errors="surrogateescape") as file:
            lines = file.read().splitlines()
    except OSError:
        return ""
    for line in lines:
        fields = line.split(maxsplit=5)
        if len(fields) == 6 and fields[5].startswith("/"):
            path = fields[5]
            if ld_cache.is_library(path.rpartition("/")[2], name):
                path = under(root, path)
                if os.path.isfile(path):
                    return path
    return ""
