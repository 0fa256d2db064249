"""The dynamic loader's cache: from a library's short name to its file, as ld.so finds it.

``/etc/ld.so.cache`` in glibc's format 1.1 (sysdeps/generic/dl-cache.h: ``struct cache_file_new``):
48 bytes of header, then entries of 24 bytes (flags, name offset, path offset, OS version, hwcaps),
newest version of a library first.  Where there is no cache (musl), the loader's default folders
are looked through.
"""

from __future__ import annotations

import os
import struct

from prybee.elf import ElfError, ElfFile
from prybee.machines import running
from prybee.symbols.roots import under

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_MAGIC = b"glibc-ld.so.cache1.1"
# byte 28 of the header: 2 little-endian, 3 big-endian, 0 made by an ldconfig that did not say.
_BIG_ENDIAN = 3


def find(name: str, root: str = "") -> str:
    """Path, within ``root``, of the library that ``name`` means on this machine; "" for none.

    ``libc`` means the newest ``libc.so`` or ``libc.so.N``, ``libc.so.6`` the newest of those.
    """
    import glob

    wanted = [path for library, path in _entries(root) if is_library(library, name)]
    for folder in _default_folders(root):
        # A longer version number comes later in the alphabet's order only by chance; the folders
        # are a last resort, where versions rarely live side by side.
        files = glob.glob(f"{glob.escape(root + folder)}/{glob.escape(name)}*")
        wanted += [
            file[len(root) :]
            for file in sorted(files, reverse=True)
            if is_library(file.rpartition("/")[2], name)
        ]
    for path in wanted:
        if _fits_machine(under(root, path)):
            return path
    return ""


def matching(pattern: str, root: str = "") -> list[str]:
    """Paths of the cached libraries whose name matches a glob."""
    from fnmatch import fnmatchcase

    return [
        path
        for library, path in _entries(root)
        if fnmatchcase(library, pattern) and _fits_machine(under(root, path))
    ]


def is_library(file: str, name: str) -> bool:
    """Whether a file's name is a library's of that short name: ``libc.so.6`` is ``libc``'s.

    ``libc-2.31.so``, glibc's own naming before 2.34, is ``libc``'s too.
    """
    if ".so" in name:
        return file == name or file.startswith(name + ".")
    if file == name + ".so" or file.startswith(name + ".so."):
        return True
    rest = file.removeprefix(name + "-")
    return rest != file and rest[:1].isdigit() and rest.endswith(".so")


def parse(data: bytes) -> list[tuple[str, str]]:
    """(library name, path) of every entry of a cache file, in its order; [] for another format."""
    start = data.find(_MAGIC)
    if start < 0 or len(data) < start + 48:
        return []
    data = data[start:]
    order = ">" if data[28] == _BIG_ENDIAN else "<"
    (count,) = struct.unpack_from(order + "I", data, 20)
    entry = struct.Struct(order + "iIIIQ")
    count = min(count, (len(data) - 48) // entry.size)
    result = []
    for _, name, path, _, _ in entry.iter_unpack(data[48 : 48 + count * entry.size]):
        result.append((_text(data, name), _text(data, path)))
    return result


def _text(data: bytes, at: int) -> str:
    end = data.find(b"\0", at)
    return os.fsdecode(data[at:end]) if end >= 0 else ""


def _entries(root: str) -> list[tuple[str, str]]:
    try:
        with open(root + "/etc/ld.so.cache", "rb") as file:
            return parse(file.read())
    except OSError:
        return []


def _fits_machine(path: str) -> bool:
    """Whether a library is for the machine we run on: the cache has 32-bit ones beside them."""
    machine = os.uname().machine
    try:
        with ElfFile.open(path) as elf:
            return elf.machine == machine.replace("ppc64le", "ppc64")
    except ElfError:
        return False


def _default_folders(root: str) -> Iterator[str]:
    machine = os.uname().machine
    known = running()
    triplet = known.triplet if known is not None else f"{machine}-linux-gnu"
    for folder in (f"/lib/{triplet}", f"/usr/lib/{triplet}", "/lib64", "/usr/lib64"):
        yield folder
    for folder in ("/lib", "/usr/lib", "/usr/local/lib"):
        yield folder
