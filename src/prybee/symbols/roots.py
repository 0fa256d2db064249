"""Paths as another process sees them: its root directory and mounts."""

from __future__ import annotations

import os


def process_root(pid: int) -> str:
    """``/proc/PID/root`` when the process sees other files than we do, else "".

    A process that is gone, or may not be looked at, is taken to see what we see.
    """
    try:
        if os.readlink(f"/proc/{pid}/ns/mnt") != os.readlink("/proc/self/ns/mnt"):
            return f"/proc/{pid}/root"
        theirs, ours = os.stat(f"/proc/{pid}/root"), os.stat("/")
    except OSError:
        return ""
    if (theirs.st_dev, theirs.st_ino) != (ours.st_dev, ours.st_ino):
        return f"/proc/{pid}/root"
    return ""


def under(root: str, path: str, depth: int = 16) -> str:
    """``path`` in a root directory, its symbolic links followed within that root.

    The kernel would follow an absolute link in ``/proc/PID/root/…`` from our own root.
    """
    if not root:
        return path
    done = ""
    parts = [part for part in path.split("/") if part not in ("", ".")]
    while parts:
        part = parts.pop(0)
        if part == "..":
            done = done.rpartition("/")[0]
            continue
        step = f"{done}/{part}"
        try:
            target = os.readlink(root + step)
        except OSError:
            done = step
            continue
        depth -= 1
        if depth < 0:
            break
        if target.startswith("/"):
            done = ""
        parts = [more for more in target.split("/") if more not in ("", ".")] + parts
    return root + done
