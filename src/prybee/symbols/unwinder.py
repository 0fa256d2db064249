"""Brings programs in the kernel what they need to walk stacks: where processes have which code,
and the unwind rows of it (``functions/unwinding.py``).

Programs ask by a record when they meet a process, or code, of which they know nothing.  The block
of code in question is brought at once; the rest of its file, if that is not large, when there is
time.
"""

from __future__ import annotations

from time import monotonic

from prybee.diagnostics import KernelError
from prybee.elf import ElfError, ElfFile
from prybee.symbols import unwind_layout as layout
from prybee.symbols.followed import Followed
from prybee.symbols.unwind_tables import CodeFile, Pages

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping as Named

    from prybee.linux.maps import Map
    from prybee.symbols.mappings import Mapping
    from prybee.symbols.processes import Process
    from prybee.symbols.user import UserSymbols

# Files with no more blocks (of 64 KiB) are brought whole.
_WHOLE = 128
# Work between two looks at other things, in seconds.
_SLICE = 0.004
# How often changes of processes are looked for, in seconds.
_LOOK = 0.02


class _Known(Followed):
    """A process that programs know of."""

    __slots__ = ("place", "ranges")

    def __init__(self, process: Process) -> None:
        super().__init__(process)
        self.ranges: list[tuple[int, int, CodeFile, int]] = []
        self.place: tuple[int, int, int] | None = None


class Unwinder:
    """Keeps the maps of unwinding programs filled.

    Attributes:
        requests: how many records asked for something.
    """

    def __init__(self, symbols: UserSymbols, only: int = -1, program: str = "") -> None:
        """
        Args:
            symbols: knows processes and their files.
            only: a process that stacks are wanted of from the beginning.
            program: the path of a program that will be run.
        """
        self._symbols = symbols
        self._only = only
        self._program = program
        self._pages: Pages | None = None
        self._processes: Map | None = None
        self._asked: Map | None = None
        self._known: dict[int, _Known] = {}
        self._files: dict[int, CodeFile] = {}
        # Processes whose stacks are not walked by rows: those of 32 bits.
        self._foreign: set[int] = set()
        # Files whose blocks are still to be brought.
        self._rest: dict[CodeFile, list[int]] = {}
        self._looked_at = 0.0
        self._full = 0
        self.requests = 0

    def begin(self, maps: Named[str, Map]) -> None:
        """Takes over the maps of a plan that has been loaded."""
        self._pages = Pages(maps[layout.PAGES_MAP])
        self._processes = maps[layout.PROCESSES_MAP]
        self._asked = maps[layout.WANTED_MAP]
        if self._program:
            self._prepare(self._program)
        elif self._only > 0:
            self._publish(self._only)
        while self._rest:
            self.work()

    def _prepare(self, program: str) -> None:
        """Brings the rows of a program and of the libraries that it needs."""
        from prybee.elf.dynamic import needed
        from prybee.symbols import ld_cache

        paths = [program]
        for path in paths:
            binary = self._symbols.file(path)
            if binary is None:
                continue
            try:
                more = [binary.elf.interpreter, *map(ld_cache.find, needed(binary.elf))]
            except ElfError:
                continue
            paths += [each for each in more if each and each not in paths]
            file = self._files.get(id(binary))
            if file is None:
                file = self._files[id(binary)] = self._open(binary.elf)
            self._load(file, 0)

    @property
    def remark(self) -> str:
        """What there was no room for; empty: everything fitted."""
        pages = self._pages
        missed = (pages.refused if pages is not None else 0) + self._full
        if not missed:
            return ""
        return (
            f"unwind rows reached their limit of {layout.MOST_PAGES * layout.PAGE_BYTES >> 20} MiB "
            f"or {layout.MOST_PROCESSES} processes: {missed} requests were refused, and code "
            "without frame pointers has shorter stacks there"
        )

    @property
    def bytes(self) -> int:
        """Memory of the kernel that rows take."""
        return self._pages.bytes if self._pages is not None else 0

    # -- what programs ask for -------------------------------------------------------------------

    def wanted(self, pid: int, address: int) -> None:
        """Brings what a program did not find: a process (address 0), or the rows of some code."""
        self.requests += 1
        known = self._publish(pid)
        if known is None:
            self._ask_again(pid)
        if known is None or not address:
            return
        for start, end, file, base in known.ranges:
            if start <= address < end:
                self._load(file, address - base >> layout.BLOCK_SHIFT)
                return

    def _load(self, file: CodeFile, number: int) -> None:
        try:
            if file.load(number) and file not in self._rest and file.blocks <= _WHOLE:
                self._rest[file] = file.missing
        except KernelError:
            self._full += 1

    def work(self) -> bool:
        """Does some of what can wait; whether there is more."""
        end = monotonic() + _SLICE
        while self._rest:
            file, missing = next(iter(self._rest.items()))
            while missing:
                try:
                    file.load(missing.pop())
                except KernelError:
                    self._full += 1
                if monotonic() >= end:
                    return True
            del self._rest[file]
        return False

    # -- processes -------------------------------------------------------------------------------

    def look(self) -> None:
        """Tells programs of what has changed in processes that they know."""
        now = monotonic()
        if now - self._looked_at < _LOOK:
            return
        self._looked_at = now
        for pid, known in list(self._known.items()):
            if known.gone(pid, self._symbols.processes):
                self._forget(pid, known)
            elif known.changed:
                self._publish(pid)

    def _forget(self, pid: int, known: _Known) -> None:
        assert self._processes is not None
        assert self._pages is not None
        self._processes.delete(pid.to_bytes(4, "little"))
        if known.place is not None:
            self._pages.give_back(*known.place)
        del self._known[pid]
        self._ask_again(pid)

    def _ask_again(self, pid: int) -> None:
        """Lets programs ask for a process once more: it was not ready, or another may come."""
        if self._asked is not None and pid not in self._foreign:
            self._asked.delete((pid << 32).to_bytes(8, "little"))

    def _publish(self, pid: int) -> _Known | None:
        """Tells programs where a process has which code; None where that is not known."""
        symbols = self._symbols
        process = symbols.processes.get(pid)
        symbols.processes.observe(process)
        if not process.generations or self._pages is None or self._processes is None:
            return None
        known = self._known.get(pid)
        if known is not None and known.process is not process:
            self._forget(pid, known)
            known = None
        if known is None:
            known = _Known(process)
        elif not known.changed:
            return known
        words: list[int] = []
        ranges = []
        self._foreign.discard(pid)
        for mapping in process.generations[0].items:
            file = self._file(process, mapping)
            if file is not None and file.bits == 32:
                self._foreign.add(pid)
                return None
            base = file.base(mapping) if file is not None else None
            if file is None or base is None or not file.directory:
                continue
            ranges.append((mapping.start, mapping.end, file, base))
            words += (mapping.start, mapping.end, base, file.directory)
        if len(ranges) > layout.MOST_RANGES:
            self._full += 1
            del ranges[layout.MOST_RANGES :], words[layout.RANGE_WORDS * layout.MOST_RANGES :]
        old = known.place
        try:
            place = self._pages.take(len(words), layout.RANGE_WORDS) if words else (0, 0)
            if place is None:
                return None
            self._pages.write(*place, words)
            slice_ = layout.slice_word(place[0], place[1] // layout.RANGE_WORDS, len(ranges))
            self._processes.update(pid.to_bytes(4, "little"), slice_.to_bytes(8, "little"))
        except KernelError:
            self._full += 1
            return None
        known.looked_at()
        known.ranges = ranges
        known.place = (*place, len(words)) if words else None
        if old is not None:
            self._pages.give_back(*old)
        if pid not in self._known:
            self._known[pid] = known
            if pid == self._only:
                for _start, _end, file, _base in ranges:
                    self._load(file, 0)
        return known

    def _file(self, process: Process, mapping: Mapping) -> CodeFile | None:
        assert self._pages is not None
        binary = self._symbols.binary(process, mapping)
        if binary is None:
            return None
        file = self._files.get(id(binary))
        if file is None:
            file = self._files[id(binary)] = self._open(binary.elf)
        return file

    def _open(self, elf: ElfFile) -> CodeFile:
        assert self._pages is not None
        file = CodeFile(self._pages, elf)
        if not file.directory:
            # Perhaps its symbols were read, and it was closed.
            try:
                with ElfFile.open(elf.path) as again:
                    return CodeFile(self._pages, again)
            except ElfError:
                pass
        return file

    def close(self) -> None:
        """Gives memory back."""
        if self._pages is not None:
            self._pages.close()
            self._pages = None
