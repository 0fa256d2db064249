"""The index of the kernel's BTF, kept on disk between runs.

Walking and sorting 126,572 types takes 150–200 ms, which a tool that needs two look-ups should pay
once per kernel, not at each start.  Mapping the file and checking its checksum takes 0.5 ms
(1.07 MB), opening the kernel's BTF 0.1 ms where it can be mapped and 4–7 ms where it must be read.
The file holds, as raw 32-bit words in this machine's
order and ready to be mapped:

* where each type starts;
* the ids of the named types, sorted by name, to be bisected;
* the enumerators sorted by name: the word each starts at, and the id of its enum;
* one byte per type with its kind.

A file is used only when it is this user's own, nobody else can write it, its checksum holds, and
its key is that of the BTF at hand.  The key is the kernel's build id for the running kernel
(/sys/kernel/notes), a checksum of the content for any other file.  Everything that goes wrong
here only costs time.
"""

# ruff: noqa: A006 - "id" is the word of BTF
from __future__ import annotations

import os
from struct import Struct

from prybee.btf.format import HEADER_SIZE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from mmap import mmap

_MAGIC = b"prybtf1\n"
# magic, checksum of the rest, key, number of types, of named types, of enumerators
_HEAD = Struct("=8sI4x32sIII4x")
_NOTES = "/sys/kernel/notes"
_SYSFS = "/sys/kernel/btf/"
_KEPT = 4  # index files of so many kernels stay


class Index:
    """A ready index, whether from disk or just made; positions in it are type ids."""

    def __init__(self, body: memoryview, types: int, named: int, enumerators: int) -> None:
        count = types + named + 2 * enumerators
        words = body[: 4 * count].cast("I")
        self.starts = words[:types]
        self._named = words[types : types + named]
        self._places = words[types + named : types + named + enumerators]
        self._owners = words[types + named + enumerators :]
        self.kinds = bytes(body[4 * count :])

    def types_named(self, name: str, words: memoryview, text: Callable[[int], bytes]) -> list[int]:
        """The ids of the types of a name, ascending.

        Args:
            words: the type section.
            text: gives the string at an offset.
        """
        wanted = name.encode("utf-8", "replace")
        named, starts = self._named, self.starts
        found = []
        for at in range(self._first(wanted, words, text), len(named)):
            if text(words[starts[named[at]]]) != wanted:
                break
            found.append(named[at])
        return found

    def types_with_prefix(
        self, prefix: str, words: memoryview, text: Callable[[int], bytes]
    ) -> Iterator[tuple[int, bytes]]:
        """(id, name) of the types whose names start so, in the names' order."""
        wanted = prefix.encode("utf-8", "replace")
        named, starts = self._named, self.starts
        for at in range(self._first(wanted, words, text), len(named)):
            found = text(words[starts[named[at]]])
            if not found.startswith(wanted):
                break
            yield named[at], found

    def _first(self, wanted: bytes, words: memoryview, text: Callable[[int], bytes]) -> int:
        from bisect import bisect_left

        starts = self.starts
        return bisect_left(self._named, wanted, key=lambda id: text(words[starts[id]]))

    def enumerators_named(
        self, name: str, words: memoryview, text: Callable[[int], bytes]
    ) -> list[tuple[int, int]]:
        """(id of the enum, word the enumerator starts at) of an enumerator's name, ascending."""
        from bisect import bisect_left

        wanted = name.encode("utf-8", "replace")
        places = self._places
        first = bisect_left(places, wanted, key=lambda place: text(words[place]))
        found = []
        for at in range(first, len(places)):
            if text(words[places[at]]) != wanted:
                break
            found.append((self._owners[at], places[at]))
        return found


def contents(path: str) -> bytes | mmap:
    """The file's content.

    The kernel's own is mapped where the kernel allows that (6.16 and later), which saves reading
    5 MB of which a run touches some pages.  Other files are read: they might be cut short while
    they are in use.

    Raises:
        OSError: it cannot be opened or read.
    """
    import mmap

    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        size = os.fstat(descriptor).st_size
        if size > HEADER_SIZE and path.startswith(_SYSFS):
            try:
                # The kernel refuses MAP_SHARED here (btf_sysfs_vmlinux_mmap).
                return mmap.mmap(descriptor, size, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ)
            except (OSError, ValueError):
                pass
        with open(descriptor, "rb", closefd=False) as file:
            return file.read()
    finally:
        os.close(descriptor)


def index(
    data: bytes | mmap, words: memoryview, strings: tuple[int, int], path: str, cache: str | None
) -> Index | None:
    """The index of a BTF blob from the cache, made and saved when it is not there.

    Args:
        data: the blob; ``words`` its types; ``strings`` where its strings start and end.
        path: where it came from.
        cache: as for ``Btf.vmlinux``.

    Returns:
        None where there is no directory to keep it in: then sorting is not worth its time.

    Raises:
        BtfError: the data is malformed.
    """
    directory = cache_directory(cache)
    if not directory:
        return None
    key = _key(data, path)
    file = f"{directory}/btf-{key.hex()[:40]}.index"
    found = _load(file, key, len(words))
    if found is None:
        if not os.access(directory, os.W_OK):
            return None
        body, counts = _make(words, data[strings[0] : strings[1]])
        found = Index(memoryview(body), *counts)
        _save(directory, file, key, body, counts)
    return found


def cache_directory(cache: str | None) -> str:
    """The directory for index files, made when it is missing; empty where none is safe.

    It must be ours and writable by us only: what lies there decides which bytes of the kernel a
    script reads, and prybee mostly runs as root.

    Args:
        cache: that directory itself, ``""`` for none, None for the usual place: ``prybee`` in
            XDG_CACHE_HOME or ``~/.cache``; for root also in ``/var/cache``.
    """
    if cache is not None:
        return cache if cache and _is_ours(cache) else ""
    environ = os.environ
    home = environ.get("HOME", "")
    parents = [environ.get("XDG_CACHE_HOME", ""), home and f"{home}/.cache"]
    if os.geteuid() == 0:
        parents.append("/var/cache")
    for parent in parents:
        if parent.startswith("/") and _is_ours(parent) and _is_ours(f"{parent}/prybee"):
            return f"{parent}/prybee"
    return ""


def _is_ours(directory: str) -> bool:
    """Whether a directory is this user's and only this user can change it; makes it if missing."""
    try:
        try:
            status = os.lstat(directory)
        except FileNotFoundError:
            if os.lstat(os.path.dirname(directory)).st_uid != os.geteuid():
                return False
            os.mkdir(directory, 0o700)
            status = os.lstat(directory)
    except OSError:
        return False
    return (
        status.st_mode & 0o170000 == 0o040000
        and status.st_uid == os.geteuid()
        and not status.st_mode & 0o022
    )


def _key(data: bytes | mmap, path: str) -> bytes:
    """32 bytes that differ where the BTF does: 20 of identity, 12 of its header's sizes."""
    identity = _build_id() if path.startswith(_SYSFS) else b""
    if not identity:
        from zlib import adler32, crc32

        identity = b"sum:%08x%08x" % (crc32(data), adler32(data))
    return identity[:20].ljust(20, b"\0") + data[12:24]


def _build_id() -> bytes:
    """The running kernel's build id: the GNU note of type 3; empty where there is none."""
    try:
        with open(_NOTES, "rb") as file:
            notes = file.read()
    except OSError:
        return b""
    from sys import byteorder

    at = 0
    while at + 12 <= len(notes):
        name_size, size, kind = (
            int.from_bytes(notes[at + i : at + i + 4], byteorder) for i in (0, 4, 8)
        )
        name_at = at + 12
        at = name_at + (name_size + 3 & ~3)
        if kind == 3 and notes[name_at : name_at + name_size] == b"GNU\0":
            return notes[at : at + size]
        at += size + 3 & ~3
    return b""


def _make(words: memoryview, strings: bytes) -> tuple[bytes, tuple[int, int, int]]:
    """The body of an index file and its three counts."""
    from prybee.btf import index

    starts = index.type_starts(words)
    kinds = index.kinds(words, starts)
    texts = index.Texts(strings)
    named = index.sorted_names(words, starts, texts)
    places, owners = index.sorted_enumerators(words, starts, kinds, texts)
    body = b"".join((starts, named, places, owners, kinds))
    return body, (len(starts), len(named), len(places))


def _load(file: str, key: bytes, words: int) -> Index | None:
    """The index in a file; None where it is missing, foreign, damaged or somebody else's."""
    import mmap
    from zlib import crc32

    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return None
    try:
        status = os.fstat(descriptor)
        if status.st_uid != os.geteuid() or status.st_mode & 0o170022 != 0o100000:
            return None
        if status.st_size < _HEAD.size:
            return None
        data = mmap.mmap(descriptor, status.st_size, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ)
    except (OSError, ValueError):
        return None
    finally:
        os.close(descriptor)
    magic, checksum, of, types, named, enumerators = _HEAD.unpack_from(data)
    size = _HEAD.size + 5 * types + 4 * named + 8 * enumerators
    if magic != _MAGIC or of != key or size != len(data) or not 0 < types <= words + 1:
        return None
    body = memoryview(data)[_HEAD.size :]
    if crc32(body) != checksum:
        return None
    return Index(body, types, named, enumerators)


def _save(directory: str, file: str, key: bytes, body: bytes, counts: tuple[int, int, int]) -> None:
    """Write an index file whole or not at all, and drop those of the oldest kernels."""
    from zlib import crc32

    temporary = f"{file}.{os.getpid()}"
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
        descriptor = os.open(temporary, flags, 0o600)
        try:
            with open(descriptor, "wb") as out:
                out.write(_HEAD.pack(_MAGIC, crc32(body), key, *counts))
                out.write(body)
            os.rename(temporary, file)
        except OSError:
            os.unlink(temporary)
            return
        others = [
            entry.path
            for entry in os.scandir(directory)
            if entry.name.startswith("btf-") and entry.name.endswith(".index")
        ]
        for old in sorted(others, key=lambda path: -os.stat(path).st_mtime)[_KEPT:]:
            os.unlink(old)
    except OSError:
        pass
