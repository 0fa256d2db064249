"""Members of zip files (also .apk, .jar, .whl): object files that are used where they lie in it.

Android's loader maps libraries straight out of an application's package, and so may any program
with an archive that it made.  That works for members that are stored without compression; this
finds their bytes.  Format: PKWARE's APPNOTE.TXT 6.3, sections 4.3.7, 4.3.12 and 4.3.16.
"""

from __future__ import annotations

import os
import struct

# What separates the archive from the member in a path, as Android writes it.
SEPARATOR = "!/"

_END = struct.Struct("<IHHHHIIH")
_END_MARK = b"PK\5\6"
_ENTRY = struct.Struct("<IHHHHHHIIIHHHHHII")
_ENTRY_MARK = 0x02014B50
_LOCAL = struct.Struct("<IHHHHHIIIHH")
_LOCAL_MARK = 0x04034B50
_LONGEST_COMMENT = 0xFFFF
_ENCRYPTED = 1
_STORED = 0
_ELSEWHERE = 0xFFFFFFFF  # in a Zip64 record


class ArchiveError(ValueError):
    """Why a member's bytes cannot be used where they are."""


def find(fd: int, size: int, member: str) -> tuple[int, int]:
    """Where the bytes of ``member`` begin in the open file ``fd``, and how many they are.

    Args:
        fd: the archive.
        size: its size in bytes.
        member: name of the member, with ``/`` between folders.

    Raises:
        ArchiveError: it is not an archive, has no such member, or does not store it as it is.
        OSError: reading failed.
    """
    wanted = member.encode("utf-8", "surrogateescape")
    directory = _directory(fd, size)
    at = 0
    while at + _ENTRY.size <= len(directory):
        mark, _, _, flags, method, _, _, _, packed, real, *rest = _ENTRY.unpack_from(directory, at)
        name, extra, comment, _, _, _, header = rest
        if mark != _ENTRY_MARK:
            raise ArchiveError("its directory is damaged")
        if directory[at + _ENTRY.size : at + _ENTRY.size + name] == wanted:
            if flags & _ENCRYPTED:
                raise ArchiveError(f"its member '{member}' is encrypted")
            if method != _STORED:
                raise ArchiveError(
                    f"its member '{member}' is compressed, so no program runs it from there"
                )
            if _ELSEWHERE in (packed, real, header):
                raise ArchiveError("members beyond 4 GiB are not supported")
            return _content(fd, header), real
        at += _ENTRY.size + name + extra + comment
    raise ArchiveError(f"it has no member '{member}'")


def _directory(fd: int, size: int) -> bytes:
    """The archive's directory, which its end points at."""
    tail_at = max(size - _LONGEST_COMMENT - _END.size, 0)
    tail = os.pread(fd, size - tail_at, tail_at)
    at = tail.rfind(_END_MARK)
    if at < 0 or at + _END.size > len(tail):
        raise ArchiveError("it is not a zip archive")
    length, start = _END.unpack_from(tail, at)[5:7]
    if _ELSEWHERE in (length, start):
        raise ArchiveError("archives beyond 4 GiB are not supported")
    if start + length > tail_at + at:
        raise ArchiveError("its directory is damaged")
    return os.pread(fd, length, start)


def _content(fd: int, header: int) -> int:
    """Where a member's bytes begin: behind its own header, whose extra field is another one."""
    data = os.pread(fd, _LOCAL.size, header)
    if len(data) < _LOCAL.size or _LOCAL.unpack(data)[0] != _LOCAL_MARK:
        raise ArchiveError("its directory is damaged")
    name, extra = _LOCAL.unpack(data)[-2:]
    return header + _LOCAL.size + int(name) + int(extra)
