"""Brings programs in the kernel what they need to walk stacks: where processes have which code,
and the unwind rows of it (``functions/unwinding.py``).

Programs ask by a record when they meet a process, or code, of which they know nothing.  The block
of code in question is brought at once; the rest of its file, if that is not large, when there is
time (:mod:`prybee.symbols.unwind_files`).
"""

from __future__ import annotations

from time import monotonic

from prybee.diagnostics import KernelError
from prybee.elf import ElfError
from prybee.symbols import unwind_layout as layout
from prybee.symbols.followed import Followed
from prybee.symbols.unwind_files import CodeFiles
from prybee.symbols.unwind_pages import NoRoom

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from collections.abc import Mapping as Named

    from prybee.linux.maps import Map
    from prybee.symbols.mappings import Mapping
    from prybee.symbols.processes import Process
    from prybee.symbols.unwind_tables import CodeFile
    from prybee.symbols.user import UserSymbols

    # Addresses, the file, and what is subtracted from addresses to count its blocks.
    Range = tuple[int, int, CodeFile, int]

# How often changes of processes are looked for, in seconds.
_LOOK = 0.02


class _Known(Followed):
    """A process that programs know of."""

    __slots__ = ("place", "ranges")

    def __init__(self, process: Process) -> None:
        super().__init__(process)
        self.ranges: list[Range] = []
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
        self._files: CodeFiles | None = None
        self._processes: Map | None = None
        self._asked: Map | None = None
        self._known: dict[int, _Known] = {}
        # Processes whose stacks are not walked by rows: those of 32 bits.
        self._foreign: set[int] = set()
        # Processes that there was no room for.
        self._unserved: set[int] = set()
        self._looked_at = 0.0
        self.requests = 0

    def begin(self, maps: Named[str, Map]) -> None:
        """Takes over the maps of a plan that has been loaded."""
        self._files = CodeFiles(maps[layout.PAGES_MAP], self._ask_for_all)
        self._processes = maps[layout.PROCESSES_MAP]
        self._asked = maps[layout.WANTED_MAP]
        if self._program:
            self._prepare(self._program)
        elif self._only > 0:
            self._publish(self._only)
        while self.work():
            pass

    def _prepare(self, program: str) -> None:
        """Brings the rows of a program and of the libraries that it needs."""
        from prybee.elf.dynamic import needed
        from prybee.symbols import ld_cache

        assert self._files is not None
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
            try:
                self._files.load(self._files.opened(binary), 0)
            except NoRoom:
                return

    @property
    def remark(self) -> str:
        """What there was no room for; empty: everything fitted."""
        files = self._files
        if files is None or not (files.dropped or files.refused):
            return ""
        return (
            f"unwind rows reached their limit of {8 * files.pages.most >> 10} KiB or "
            f"{layout.MOST_PROCESSES} processes: {files.dropped} blocks of them made room for "
            f"others, {files.refused} requests were refused; code without frame pointers may have "
            "shorter stacks there"
        )

    def lacking(self, pid: int, addresses: Sequence[int]) -> bool:
        """Whether a stack may be shorter than it was, or wrong, because there was no room for the
        rows of its code at some time."""
        if self._files is None or self._files.whole:
            return False
        process = self._symbols.processes.get(pid)
        for address in addresses:
            mapping = process.find(address)
            if mapping is not None and mapping.binary is not None:
                place = address - mapping.start + mapping.offset
                if self._files.lacked(mapping.binary, place):
                    return True
        return False

    @property
    def bytes(self) -> int:
        """Memory of the kernel that rows take."""
        return self._files.pages.bytes if self._files is not None else 0

    # -- what programs ask for -------------------------------------------------------------------

    def wanted(self, pid: int, address: int) -> None:
        """Brings what a program did not find: a process (address 0), or the rows of some code."""
        self.requests += 1
        known = self._publish(pid)
        if known is None and pid not in self._unserved:
            self._ask_again(pid)
        if known is None or self._files is None or not address:
            return
        # Programs ask once for each such part of a process's memory, and it may have code of
        # several files, or of two blocks of one.
        begin = address & -layout.BLOCK_BYTES
        for start, end, file, base in known.ranges:
            first, last = max(start, begin), min(end, begin + layout.BLOCK_BYTES)
            if first < last:
                blocks = {(at - base) >> layout.BLOCK_SHIFT for at in (first, last - 1)}
                for number in blocks:
                    self._files.load(file, number)

    def work(self) -> bool:
        """Does some of what can wait; whether there is more."""
        return self._files is not None and self._files.work()

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
        if self._files is not None:
            self._files.look()

    def _forget(self, pid: int, known: _Known) -> None:
        assert self._processes is not None
        assert self._files is not None
        self._processes.delete(pid.to_bytes(4, "little"))
        if known.place is not None:
            self._files.pages.give_back(*known.place)
        for _start, _end, file, _base in known.ranges:
            file.users -= 1
        del self._known[pid]
        for each in (pid, *self._unserved):
            self._ask_again(each)
        self._unserved.clear()

    def _ask_for_all(self) -> None:
        """Lets programs ask for everything once more."""
        assert self._asked is not None
        self._asked.clear()
        self._unserved.clear()

    def _ask_again(self, pid: int) -> None:
        """Lets programs ask for a process once more: it was not ready, or another may come."""
        if self._asked is not None and pid not in self._foreign:
            self._asked.delete((pid << 32).to_bytes(8, "little"))

    def _publish(self, pid: int) -> _Known | None:
        """Tells programs where a process has which code; None where that is not known."""
        symbols = self._symbols
        process = symbols.processes.get(pid)
        symbols.processes.observe(process)
        if not process.generations or self._files is None or self._processes is None:
            return None
        known = self._known.get(pid)
        if known is not None and known.process is not process:
            self._forget(pid, known)
            known = None
        if known is None:
            known = _Known(process)
        elif not known.changed:
            return known
        self._foreign.discard(pid)
        ranges: list[Range] = []
        place = None
        try:
            if not self._find_code(process, ranges):
                self._foreign.add(pid)
                self._leave(ranges)
                return None
            if len(ranges) > layout.MOST_RANGES:
                self._files.refuse()
                self._leave(ranges[layout.MOST_RANGES :])
                del ranges[layout.MOST_RANGES :]
            if ranges:
                place = self._files.pages.take(layout.RANGE_WORDS * len(ranges))
                words = [
                    word
                    for start, end, file, base in ranges
                    for word in (start, end, base, file.directory)
                ]
                self._files.pages.write(*place, words)
            page, first = place or (0, 0)
            slice_ = layout.slice_word(page, first // layout.RANGE_WORDS, len(ranges))
            self._processes.update(pid.to_bytes(4, "little"), slice_.to_bytes(8, "little"))
        except (NoRoom, KernelError):
            if place is not None:
                self._files.pages.give_back(*place, layout.RANGE_WORDS * len(ranges))
            self._leave(ranges)
            self._files.refuse()
            self._unserved.add(pid)
            return None
        old, before = known.place, known.ranges
        known.looked_at()
        known.ranges = ranges
        known.place = (*place, layout.RANGE_WORDS * len(ranges)) if place is not None else None
        if old is not None:
            self._files.pages.give_back(*old)
        self._leave(before)
        self._let_ask(pid, ranges, before)
        if pid not in self._known:
            self._known[pid] = known
            if pid == self._only:
                for _start, _end, file, _base in ranges:
                    self._files.load(file, 0)
        return known

    def _find_code(self, process: Process, ranges: list[Range]) -> bool:
        """Adds the ranges of a process's code, which its files count; false: it is of 32 bits.

        Raises:
            NoRoom: there is none for a file's directory.
        """
        for mapping in process.generations[0].items:
            file = self._file(process, mapping)
            if file is not None and file.bits == 32:
                return False
            base = file.base(mapping) if file is not None else None
            if file is None or base is None or not file.directory:
                continue
            file.users += 1
            ranges.append((mapping.start, mapping.end, file, base))
        return True

    @staticmethod
    def _leave(ranges: Iterable[Range]) -> None:
        for _start, _end, file, _base in ranges:
            file.users -= 1

    def _let_ask(self, pid: int, ranges: list[Range], before: list[Range]) -> None:
        """Lets programs ask for code that a process has now, though they asked at those addresses
        for what was there before."""
        if self._asked is None:
            return
        for start, end, _file, _base in set(ranges).difference(before):
            for address in range(start & -layout.BLOCK_BYTES, end, layout.BLOCK_BYTES):
                key = pid << 32 | (address >> layout.BLOCK_SHIFT & 0xFFFFFFFF)
                self._asked.delete(key.to_bytes(8, "little"))

    def _file(self, process: Process, mapping: Mapping) -> CodeFile | None:
        assert self._files is not None
        binary = self._symbols.binary(process, mapping)
        if binary is None:
            return None
        return self._files.opened(binary)

    def close(self) -> None:
        """Gives memory back."""
        if self._files is not None:
            self._files.close()
            self._files = None
