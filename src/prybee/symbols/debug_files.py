"""Separate debug files: where a stripped program's full symbol table went.

The search is GDB's (its manual, "Debugging Information in Separate Files"): by build id below the
debug directories, then by debuglink beside the program, in ``.debug`` there, and in the same folder
below the debug directories.  A file counts only if it is the right one: the same build id, or,
where a file has none, the checksum that the link demands.
"""

from __future__ import annotations

from prybee.elf import ElfError, ElfFile

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

DEBUG_DIRECTORIES = ("/usr/lib/debug",)


def debug_directories(given: Sequence[str]) -> tuple[str, ...]:
    """The debug directories, where a user has named some: these come first."""
    return (*given, *DEBUG_DIRECTORIES)


def _has_symbols(elf: ElfFile) -> bool:
    return elf.has_symtab


def find(
    elf: ElfFile,
    folder: str,
    directories: Sequence[str] = DEBUG_DIRECTORIES,
    root: str = "",
    useful: Callable[[ElfFile], bool] = _has_symbols,
    name: str = "",
) -> ElfFile | None:
    """The debug file of a program, opened; None where there is none.

    Args:
        elf: the program.
        folder: the directory that the program is in, as its process sees it ("" if unknown).
        directories: the debug directories.
        root: the process's root directory (``/proc/PID/root``), "" for ours. Ours is searched
            too: that is where whoever traces has installed debug files.
        useful: whether a file has what is wanted.
        name: the program's own name, after which its debug file may be called.
    """
    for path in _candidates(elf, folder, directories, root, name):
        try:
            debug = ElfFile.open(path)
        except ElfError:
            continue
        try:
            if useful(debug) and _belongs(elf, debug, path):
                return debug
        except ElfError:
            pass
        debug.close()
    return None


def _candidates(
    elf: ElfFile, folder: str, directories: Sequence[str], root: str, program: str
) -> Iterator[str]:
    roots = (root, "") if root else ("",)
    identity = elf.build_id.hex()
    if len(identity) > 2:
        for base in roots:
            for directory in directories:
                yield f"{base}{directory}/.build-id/{identity[:2]}/{identity[2:]}.debug"
    link = elf.debuglink
    name = link[0] if link is not None else f"{program}.debug" if program else ""
    if not name or "/" in name or not folder:
        return
    for base in roots:
        yield f"{base}{folder}/{name}"
        yield f"{base}{folder}/.debug/{name}"
        for directory in directories:
            yield f"{base}{directory}{folder}/{name}"
    for directory in directories:
        if directory not in DEBUG_DIRECTORIES:
            yield f"{directory}/{name}"


def _belongs(elf: ElfFile, debug: ElfFile, path: str) -> bool:
    if elf.build_id and debug.build_id:
        return elf.build_id == debug.build_id
    link = elf.debuglink
    return link is not None and _checksum(path) == link[1]


def _checksum(path: str) -> int | None:
    from zlib import crc32

    value = 0
    try:
        with open(path, "rb") as file:
            while part := file.read(1 << 20):
                value = crc32(part, value)
    except OSError:
        return None
    return value
