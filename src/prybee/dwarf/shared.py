"""Shared debug files: what ``dwz -m`` takes out of many debug files, and leaves links to."""

from __future__ import annotations

import os

from prybee.dwarf.files import SHARED_FILE, File
from prybee.dwarf.sections import DwarfError, Sections
from prybee.elf import ElfError, ElfFile

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_LINK = ".gnu_debugaltlink"
_USUAL = "/usr/lib/debug"


def has_link(elf: ElfFile) -> bool:
    """Whether a debug file shares a part with others."""
    try:
        return elf.section(_LINK) is not None
    except ElfError:
        return False


def open_shared(elf: ElfFile, directories: Sequence[str]) -> File:
    """The file with the shared part of a debug file. Its ELF file is the caller's to close.

    Args:
        elf: the debug file.
        directories: where to look by build id, before ``/usr/lib/debug``.

    Raises:
        DwarfError: it is not there, or belongs to something else.
    """
    section = elf.section(_LINK)
    data = elf.data(section) if section is not None else b""
    name, _nul, build_id = data.partition(b"\0")
    path = name.decode("utf-8", "surrogateescape")
    for candidate in _candidates(elf.path, path, build_id.hex(), directories):
        try:
            shared = ElfFile.open(candidate)
        except ElfError:
            continue
        if not build_id or shared.build_id == build_id:
            return File(Sections(shared), SHARED_FILE)
        shared.close()
    raise DwarfError(elf.path, f"is incomplete: its shared part '{path}' was not found")


def _candidates(debug: str, path: str, build_id: str, directories: Sequence[str]) -> Iterator[str]:
    # A relative link starts where the debug file really is.
    folder = os.path.dirname(os.path.realpath(debug))
    yield os.path.join(folder, path)
    for directory in (*directories, _USUAL):
        if len(build_id) > 2:
            yield f"{directory}/.build-id/{build_id[:2]}/{build_id[2:]}.debug"
        yield f"{directory}/.dwz/{os.path.basename(path)}"
