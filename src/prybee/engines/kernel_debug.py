"""The file with the debug information of the running kernel: a ``vmlinux`` that was not stripped.

Distributions have it in a package of its own, which puts it where its release or its build id says.
A file counts only if it has debug information, and if it is the running kernel's where both tell
who they are.
"""

from __future__ import annotations

from prybee.elf import ElfError, ElfFile
from prybee.engines.types_file import USUAL

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

NOTES = "/sys/kernel/notes"
_NT_GNU_BUILD_ID = 3
# Beside those where types are looked for.
_PLACES = (*USUAL, "/usr/lib/debug/usr/lib/modules/{}/vmlinux")
# Where a folder that the user names may have it.
_INSIDE = ("vmlinux-{}", "vmlinux", "boot/vmlinux-{}", "lib/modules/{}/vmlinux")


def places(release: str, directories: Sequence[str] = (), own: bytes = b"") -> list[str]:
    """Where it may be, in the order to look there.

    Args:
        release: of the kernel.
        directories: folders that the user has named (``--debuginfo``).
        own: the build id of the kernel.
    """
    named = [f"{folder}/{inside}" for folder in directories for inside in _INSIDE]
    name = own.hex()
    by_id = [f"/usr/lib/debug/.build-id/{name[:2]}/{name[2:]}.debug"] if own else []
    return [path.replace("{}", release) for path in (*named, *by_id, *_PLACES)]


def find(release: str, directories: Sequence[str] = (), own: bytes = b"") -> str:
    """The path of the file; empty where there is none. Arguments are those of :func:`places`."""
    for path in places(release, directories, own):
        try:
            with ElfFile.open(path) as elf:
                if any(elf.section(name) for name in (".debug_info", ".zdebug_info")) and (
                    not own or not elf.build_id or elf.build_id == own
                ):
                    return path
        except (ElfError, OSError):
            continue
    return ""


def build_id(path: str = NOTES) -> bytes:
    """The build id of the running kernel; empty where it does not tell."""
    import sys

    from prybee.elf.notes import notes

    try:
        with open(path, "rb") as file:
            data = file.read()
    except OSError:
        return b""
    order = "<" if sys.byteorder == "little" else ">"
    for owner, kind, content in notes(data, order):
        if owner == b"GNU" and kind == _NT_GNU_BUILD_ID:
            return content
    return b""
