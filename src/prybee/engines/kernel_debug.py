"""The files with the debug information of the running kernel, its ``vmlinux``, and of its modules.

Distributions have them in a package of its own, which puts them where the release or the build id
says.  A file counts only if it has debug information, and if it is the running kernel's where both
tell who they are.
"""

from __future__ import annotations

import os

from prybee.elf import ElfError, ElfFile
from prybee.engines.types_file import USUAL

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

NOTES = "/sys/kernel/notes"
MODULE_NOTES = "/sys/module/{}/notes/.note.gnu.build-id"
MODULES = "/lib/modules/{}/modules.dep"
_NT_GNU_BUILD_ID = 3
_BY_ID = "/usr/lib/debug/.build-id/{}/{}.debug"
# Beside those where types are looked for.
_PLACES = (*USUAL, "/usr/lib/debug/usr/lib/modules/{}/vmlinux")
# Where a folder that the user names may have it.
_INSIDE = ("vmlinux-{}", "vmlinux", "boot/vmlinux-{}", "lib/modules/{}/vmlinux")
# Where the path of a module, as modules.dep has it, is continued.
_OF_MODULES = ("/usr/lib/debug/lib/modules/{}", "/usr/lib/debug/usr/lib/modules/{}",
               "/lib/modules/{}")  # fmt: skip
_PACKED = (".xz", ".gz", ".zst")


class KernelDebug:
    """Where debug information of a kernel is looked for.

    Args:
        release: of the kernel.
        directories: folders that the user has named (``--debuginfo``).
        notes, module_notes, modules: files of the running kernel: its build id, those of modules,
            and the list of modules' files.
    """

    def __init__(
        self,
        release: str,
        directories: Sequence[str] = (),
        notes: str = NOTES,
        module_notes: str = MODULE_NOTES,
        modules: str = MODULES,
    ) -> None:
        self.release = release
        self.directories = directories
        self._notes = notes
        self._module_notes = module_notes
        self._modules = modules

    def own_id(self, module: str = "") -> bytes:
        """The build id of the running kernel, or of a module; empty where it does not tell."""
        return build_id(self._module_notes.replace("{}", module) if module else self._notes)

    def places(self, module: str = "") -> list[str]:
        """Where the file may be, in the order to look there."""
        name = self.own_id(module).hex()
        by_id = [_BY_ID.format(name[:2], name[2:])] if name else []
        inside = (f"{module}.ko.debug", f"{module}.ko") if module else _INSIDE
        named = [f"{folder}/{each}" for folder in self.directories for each in inside]
        usual = self._of_module(module) if module else _PLACES
        return [path.replace("{}", self.release) for path in (*named, *by_id, *usual)]

    def _of_module(self, module: str) -> list[str]:
        path = self._path_of(module)
        folders = (*[f"{each}/lib/modules/{{}}" for each in self.directories], *_OF_MODULES)
        return [f"{each}/{path}{end}" for each in folders for end in ("", ".debug") if path]

    def _path_of(self, module: str) -> str:
        """The path of a module below its release's folder, without what packs it; or empty."""
        try:
            with open(self._modules.replace("{}", self.release), encoding="utf-8") as file:
                text = file.read()
        except OSError:
            return ""
        for line in text.splitlines():
            path = line.partition(":")[0]
            for packed in _PACKED:
                path = path.removesuffix(packed)
            # The kernel has underlines where files may have others.
            if os.path.basename(path).removesuffix(".ko").replace("-", "_") == module:
                return path
        return ""

    def find(self, module: str = "") -> str:
        """The path of the file; empty where there is none."""
        own = self.own_id(module)
        for path in self.places(module):
            try:
                with ElfFile.open(path) as elf:
                    if any(elf.section(name) for name in (".debug_info", ".zdebug_info")) and (
                        not own or not elf.build_id or elf.build_id == own
                    ):
                        return path
            except (ElfError, OSError):
                continue
        return ""


def build_id(path: str) -> bytes:
    """The build id in a file of notes; empty where there is none."""
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
