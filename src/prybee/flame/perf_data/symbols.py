"""Names of addresses, as of the processes and files of a capture."""

from __future__ import annotations

import os
import platform

from prybee.elf import ElfError, ElfFile
from prybee.flame.profile import INLINED, JIT, KERNEL, PLAIN, Frame
from prybee.symbols.binary import Binary
from prybee.symbols.kernel import KernelSymbols
from prybee.symbols.mappings import DELETED, Mapping, Mappings
from prybee.symbols.perf_map import PerfMap

# A capture's own copies of what it names (`perf buildid-cache`).
CACHE = "~/.debug"


class Symbols:
    """Names for the stacks of one capture.

    Args:
        release: of the kernel that it was recorded on.
        build_ids: of files, in hex, by their paths.
        lines: tell inlined functions, where there is debug information.
        context: with that, names are followed by their places in the source.
    """

    def __init__(
        self, release: str, build_ids: dict[str, str], lines: bool = False, context: bool = False
    ) -> None:
        self._build_ids = build_ids
        self._lines = lines
        self._context = context
        self._processes: dict[int, Mappings] = {}
        self._binaries: dict[str, Binary | None] = {}
        self._maps: dict[int, PerfMap | None] = {}
        self._kernel = self._kernel_symbols(release)
        #: Files whose present content is not that of the capture.
        self.changed: set[str] = set()

    def close(self) -> None:
        """Closes what is open."""
        for binary in self._binaries.values():
            if binary is not None:
                binary.close()
        if self._kernel is not None:
            self._kernel.close()

    # -- what the capture tells of processes -----------------------------------------------------

    def mapped(self, pid: int, start: int, size: int, offset: int, path: str) -> None:
        """Code of a file is at an address from here on."""
        inode = 1 if path.startswith("/") else 0
        self._of(pid).add(Mapping(start, start + size, offset, "", inode, path))

    def forked(self, pid: int, parent: int) -> None:
        """A process began as a copy of another."""
        if pid != parent and parent in self._processes:
            copy = Mappings()
            for mapping in self._processes[parent].items:
                copy.add(mapping)
            self._processes[pid] = copy

    def executed(self, pid: int) -> None:
        """A process runs another program."""
        self._processes[pid] = Mappings()

    def mappings(self, pid: int) -> Mappings:
        """Those of a process now: a later exec makes others."""
        return self._of(pid)

    def _of(self, pid: int) -> Mappings:
        found = self._processes.get(pid)
        if found is None:
            found = self._processes[pid] = Mappings()
        return found

    # -- names -----------------------------------------------------------------------------------

    def kernel(self, address: int) -> Frame:
        """The function of the kernel at an address."""
        found = self._kernel.resolve(address) if self._kernel is not None else None
        if found is None:
            return Frame("[kernel.kallsyms]", KERNEL, "[kernel.kallsyms]")
        return Frame(found[0], KERNEL, found[2] or "[kernel.kallsyms]")

    def user(self, pid: int, mappings: Mappings, address: int, back: int = 0) -> list[Frame]:
        """The function of a program at an address, and what was inlined there, the innermost last.

        Args:
            pid: the process.
            mappings: as they were then.
            address: in its memory.
            back: bytes in front of it where the code lies that led there.
        """
        mapping = mappings.find(address)
        if mapping is None or not mapping.path or mapping.path.startswith("//anon"):
            jit = self._perf_map(pid)
            found = jit.find(address) if jit is not None else None
            return [Frame(found[0], JIT, jit.path) if found and jit else Frame("[unknown]")]
        path = mapping.path
        binary = self._binary(path)
        if binary is not None:
            offset = address - mapping.start + mapping.offset
            named = binary.name_at_offset(offset)
            if named is not None:
                return self._with_inlined(binary, offset - back, Frame(named[0], PLAIN, path))
        return [Frame(f"[{os.path.basename(path).strip('[]')}]", PLAIN, path)]

    def _with_inlined(self, binary: Binary, offset: int, frame: Frame) -> list[Frame]:
        address = binary.elf.virtual_address(offset) if self._lines else None
        if address is None:
            return [frame]
        place, inlined = binary.source(address)
        frames = [(frame.name, PLAIN, place)]
        frames += [(name, INLINED, where) for name, where in reversed(inlined)]
        return [
            Frame(f"{name}:{os.path.basename(where)}" if self._context and where else name, kind,
                  frame.module)
            for name, kind, where in frames
        ]  # fmt: skip

    def _binary(self, path: str) -> Binary | None:
        if path in self._binaries:
            return self._binaries[path]
        found: Binary | None = None
        wanted = self._build_ids.get(path, "")
        copy = os.path.expanduser(f"{CACHE}/.build-id/{wanted[:2]}/{wanted[2:]}/elf")
        for place in (path.removesuffix(DELETED), copy if wanted else ""):
            if not place.startswith("/"):
                continue
            try:
                one = Binary(
                    ElfFile.open(place), folder=os.path.dirname(place),
                    program=place if self._lines else "",
                )  # fmt: skip
            except (OSError, ElfError):
                continue
            if wanted and one.build_id and not wanted.startswith(one.build_id.hex()[:40]):
                one.close()
                self.changed.add(path)
                continue
            found = one
            self.changed.discard(path)
            break
        self._binaries[path] = found
        return found

    def _perf_map(self, pid: int) -> PerfMap | None:
        if pid not in self._maps:
            path = f"/tmp/perf-{pid}.map"
            found = PerfMap(path, path) if os.path.exists(path) else None
            if found is not None:
                found.refresh()
            self._maps[pid] = found
        return self._maps[pid]

    def _kernel_symbols(self, release: str) -> KernelSymbols | None:
        """Of the running kernel if it is the capture's, else of perf's copy."""
        wanted = self._build_ids.get("[kernel.kallsyms]", "")
        copy = os.path.expanduser(f"{CACHE}/[kernel.kallsyms]/{wanted}/kallsyms")
        if wanted and os.path.exists(copy):
            return KernelSymbols(copy)
        if not release or release == platform.release():
            return KernelSymbols()
        return None
