"""The index of names on disk, by build id: written whole or not at all, and believed only if it is
ours and undamaged."""

from __future__ import annotations

import os
from array import array
from struct import Struct
from zlib import crc32

from prybee.btf.cache import cache_directory
from prybee.dwarf.names import TAGS, Names

_MAGIC = b"prydw\0\0\1"
# Magic, checksum of the rest, sizes of .debug_info and .debug_str, rows.
_HEAD = Struct("<8sIIQQQ")
# Index files that are kept.
_KEPT = 16


def load(build_id: bytes, sizes: tuple[int, int], directory: str | None = None) -> Names | None:
    """The index of a file with this build id, from an earlier run; None where there is none.

    Args:
        build_id: of the file.
        sizes: of its ``.debug_info`` and ``.debug_str``, in bytes.
        directory: as :func:`prybee.btf.cache.cache_directory` takes it.
    """
    folder = cache_directory(directory)
    if not folder or not build_id:
        return None
    try:
        flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW
        descriptor = os.open(_path(folder, build_id), flags)
        with open(descriptor, "rb") as file:
            status = os.fstat(descriptor)
            if status.st_uid != os.geteuid() or status.st_mode & 0o022:
                return None
            data = file.read()
    except OSError:
        return None
    if len(data) < _HEAD.size:
        return None
    magic, checksum, _unused, info, strings, rows = _HEAD.unpack_from(data)
    body = memoryview(data)[_HEAD.size :]
    if magic != _MAGIC or (info, strings) != sizes or len(body) != 17 * rows:
        return None
    if crc32(body) != checksum:
        return None
    keys, ids = array("Q"), array("Q")
    keys.frombytes(body[: 8 * rows])
    ids.frombytes(body[8 * rows : 16 * rows])
    tags = bytes(body[16 * rows :])
    return Names(keys, ids, tags) if not tags or max(tags) < len(TAGS) else None


def save(
    build_id: bytes, sizes: tuple[int, int], names: Names, directory: str | None = None
) -> None:
    """Keep an index for later runs, where there is a place for it; see :func:`load`."""
    folder = cache_directory(directory)
    if not folder or not build_id:
        return
    body = names.keys.tobytes() + names.ids.tobytes() + names.tags
    head = _HEAD.pack(_MAGIC, crc32(body), 0, *sizes, len(names))
    path = _path(folder, build_id)
    temporary = f"{path}.{os.getpid()}"
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
        descriptor = os.open(temporary, flags, 0o600)
        try:
            with open(descriptor, "wb") as file:
                file.write(head)
                file.write(body)
            os.rename(temporary, path)
        except OSError:
            os.unlink(temporary)
            return
        own = [
            entry
            for entry in os.scandir(folder)
            if entry.name.startswith("dwarf-") and entry.name.endswith(".index")
        ]
        for old in sorted(own, key=lambda entry: -entry.stat().st_mtime)[_KEPT:]:
            os.unlink(old.path)
    except OSError:
        pass


def _path(folder: str, build_id: bytes) -> str:
    return f"{folder}/dwarf-{build_id.hex()}.index"
