"""Kernel file systems that nobody has mounted: a mount of our own that is in no namespace.

fsopen(2), fsconfig(2) and fsmount(2) (Linux 5.2) make a mount that exists only as a descriptor;
files below it are reached through ``/proc/self/fd/N``.  It goes away with the descriptor, so
nothing on the system changes.
"""

from __future__ import annotations

import ctypes
import os

from prybee.linux import syscalls

_FSOPEN_CLOEXEC = 1
_FSCONFIG_CMD_CREATE = 6
_FSMOUNT_CLOEXEC = 1


def private(filesystem: str) -> int:
    """A descriptor of the root of a new, detached mount of ``filesystem`` (``tracefs``).

    Returns:
        the descriptor, which the caller closes, or the negated errno.
    """
    call = syscalls.kernel.call
    name = ctypes.c_char_p(filesystem.encode())
    context = call(syscalls.FSOPEN, name, _FSOPEN_CLOEXEC)
    if context < 0:
        return context
    try:
        result = call(syscalls.FSCONFIG, context, _FSCONFIG_CMD_CREATE, None, None, 0)
        if result < 0:
            return result
        return call(syscalls.FSMOUNT, context, _FSMOUNT_CLOEXEC, 0)
    finally:
        syscalls.kernel.close(context)


def read_private(filesystem: str, path: str) -> str | None:
    """The text of a file of ``filesystem``, by a mount that lasts as long as the reading.

    Returns:
        None where the file system or the file cannot be had.
    """
    root = private(filesystem)
    if root < 0:
        return None
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC, dir_fd=root)
        with open(fd, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return None
    finally:
        syscalls.kernel.close(root)
