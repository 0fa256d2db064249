"""Which code processes have where, now and before: what is read of them, and what is recorded.

Mappings come from two sources. ``/proc/PID/maps`` tells of a process that lives, when it is asked.
A recorder (:mod:`prybee.symbols.recorder`) tells of each change when it happens, and so also of
processes that are gone before anybody asks.
"""

from __future__ import annotations

import os
from _weakref import ref
from itertools import count
from time import monotonic

from prybee.symbols.mappings import DELETED, Mapping, Mappings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from prybee.symbols.frames import Frame
    from prybee.symbols.perf_map import PerfMap

# How long mappings that were read count as current, in seconds.
_CURRENT = 1.0

# Mappings kept of one pid: it may have called exec(2), or be another process by now.
_GENERATIONS = 4

# Processes that have ended and are remembered: of those nobody has asked for, and of the others.
# One takes about 2 KiB, and what was found in it.
_MOST_ENDED = 4096
_MOST_ASKED = 4096

_versions = count()

# Names of files that recorded mappings share.
_MOST_FILES = 4096


class Root(str):
    """A root directory that is not ours, as a path; open as long as anybody holds this."""

    fd: int

    @classmethod
    def open(cls, path: str) -> Root:
        """Holds the directory at ``path``.

        Raises:
            OSError: it cannot be opened.
        """
        fd = os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        root = cls(f"/proc/self/fd/{fd}")
        root.fd = fd
        return root

    def __del__(self) -> None:
        os.close(self.fd)


class Process:
    """What is known of one process.

    Attributes:
        generations: its mappings, newest first: of the program it runs, and of those before.
        complete: all mappings of its program are known; no need to read them.
        asked: an address of it was resolved.
        ended: it has gone.
        version: another number whenever what was found before may be wrong; no other process
            ever has the same.
        frames: what was found, by address.
        root: its root directory; "" for ours.
    """

    __slots__ = (
        "asked",
        "complete",
        "ended",
        "frames",
        "generations",
        "own",
        "perf_map",
        "perf_map_looked_at",
        "pid",
        "read_at",
        "root",
        "root_known",
        "version",
    )

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.generations: list[Mappings] = []
        # The newest mappings are of this process alone, not shared with the one it was forked from.
        self.own = False
        self.complete = False
        self.asked = False
        self.ended = False
        self.version = next(_versions)
        self.read_at = -1e9
        self.frames: dict[int, Frame | None] = {}
        self.perf_map: PerfMap | None = None
        self.perf_map_looked_at = -1e9
        self.root: Root | str = ""
        self.root_known = False

    def find(self, address: int) -> Mapping | None:
        """The mapping that an address lies in, or lay in before."""
        for mappings in self.generations:
            mapping = mappings.find(address)
            if mapping is not None:
                return mapping
        return None

    def push(self, mappings: Mappings) -> None:
        """Mappings that are newer than all before."""
        self.generations.insert(0, mappings)
        del self.generations[_GENERATIONS:]
        self.own = True
        self.forget_found()

    def forget_found(self) -> None:
        """Says that what was found may be wrong."""
        self.version = next(_versions)
        if self.frames:
            self.frames.clear()


class Processes:
    """All processes of interest. It listens to :class:`prybee.linux.process_events.ProcessEvents`.

    Args:
        keep: called with a mapping whose file has no name any more, while it can be opened.
        per_program: processes of one program share their mappings.
        proc: the proc file system.
    """

    def __init__(
        self,
        keep: Callable[[Process, Mapping], object],
        per_program: bool = False,
        proc: str = "/proc",
    ) -> None:
        self._keep = keep
        self._per_program = per_program
        self._proc = proc
        self._known: dict[int, Process] = {}
        self._programs: dict[tuple[int, int], Process] = {}
        # Those that have ended, in the order of their ends.
        self._ended: dict[int, None] = {}
        self._ended_asked: dict[int, None] = {}
        self._files: dict[tuple[int, int, int, bytes], tuple[str, int, str]] = {}
        self._roots: dict[tuple[str, int, int], ref[Root]] = {}
        self._our_root: tuple[str, int, int] | None = None

    def __len__(self) -> int:
        return len(self._known)

    def __contains__(self, pid: int) -> bool:
        return pid in self._known

    def clear(self) -> None:
        """Forgets all."""
        for table in (self._known, self._programs, self._ended, self._ended_asked, self._files):
            table.clear()

    def forget_found(self) -> None:
        """Forgets what addresses were found to be, of all processes."""
        for process in self._known.values():
            process.frames.clear()

    # -- those that live -------------------------------------------------------------------------

    def get(self, pid: int) -> Process:
        """The process, whose mappings were read if they were not known."""
        process = self._known.get(pid)
        if process is None:
            process = self._known[pid] = self._new(pid)
        if not process.asked:
            process.asked = True
            self.observe(process)
        return process

    def observe(self, process: Process) -> None:
        """Reads mappings that are not known, or were read more than a second ago."""
        if not (process.complete or process.ended) and monotonic() - process.read_at >= _CURRENT:
            self.read(process)

    def of_program(self, path: str) -> Process | None:
        """A process that runs, or ran, the program at ``path`` (only with ``per_program``)."""
        try:
            status = os.stat(path)
        except OSError:
            return None
        return self._programs.get((status.st_dev, status.st_ino))

    def survey(self, pid: int) -> None:
        """Reads a process that was there before the recorder, so that its end may come."""
        process = self._known.get(pid) or Process(pid)
        if not (process.complete or process.ended):
            self.read(process)
            process.complete = bool(process.generations)
            if process.complete:  # Else a thread of the kernel, or gone.
                self._known[pid] = process

    def _new(self, pid: int) -> Process:
        if not self._per_program:
            return Process(pid)
        try:
            status = os.stat(f"{self._proc}/{pid}/exe")
        except OSError:
            return Process(pid)
        return self._programs.setdefault((status.st_dev, status.st_ino), Process(pid))

    def read(self, process: Process) -> bool:
        """Reads the mappings; whether they have changed."""
        process.read_at = monotonic()
        if process.ended:
            return False
        text = self._maps(process.pid)
        if process.generations and process.generations[0].stamp == hash(text):
            return False
        mappings = Mappings(text)
        # A process on its way out or in the midst of execve(2), or a kernel thread, has no code.
        if not mappings.items:
            return False
        if process.complete and process.own:
            # The same program as was recorded.
            del process.generations[0]
        process.push(mappings)
        if not process.root_known:
            self._find_root(process)
        for mapping in mappings.items:
            # What has no name any more has to be opened while the process holds it.
            if mapping.is_file and mapping.path.endswith(DELETED):
                self._keep(process, mapping)
        return True

    def _maps(self, pid: int) -> bytes:
        """What a process maps; nothing where it is gone, or a thread of the kernel."""
        directory = f"{self._proc}/{pid}"
        text = _text(f"{directory}/maps")
        if text:
            return text
        # The first thread may have ended before the others: then it alone has no memory.
        try:
            threads = os.listdir(f"{directory}/task")
        except OSError:
            return b""
        others = (_text(f"{directory}/task/{each}/maps") for each in threads if each != str(pid))
        return next(filter(None, others), b"")

    def _find_root(self, process: Process) -> None:
        """Keeps the root directory of a process that sees other files than we do."""
        try:
            if self._our_root is None:
                self._our_root = self._root_key(f"{self._proc}/self")
            directory = f"{self._proc}/{process.pid}"
            key = self._root_key(directory)
            process.root = ""
            if key != self._our_root:
                held = self._roots.get(key)
                root = held() if held is not None else None
                if root is None:
                    root = Root.open(f"{directory}/root")
                    self._roots[key] = ref(root)
                process.root = root
            process.root_known = True
        except OSError:
            return

    @staticmethod
    def _root_key(directory: str) -> tuple[str, int, int]:
        status = os.stat(f"{directory}/root")
        return os.readlink(f"{directory}/ns/mnt"), status.st_dev, status.st_ino

    # -- what a recorder tells -------------------------------------------------------------------

    def forked(self, pid: int, parent: int) -> None:
        """A process began as a copy of another."""
        origin = self._known.get(parent)
        if origin is None:
            # It was there before the recorder: it may be gone when the child is asked for.
            origin = self._known[parent] = Process(parent)
            self.read(origin)
            origin.complete = bool(origin.generations)
        before = self._reborn(pid)
        process = self._known[pid] = Process(pid)
        process.generations = origin.generations[:1]
        process.complete = origin.complete
        process.root, process.root_known = origin.root, origin.root_known
        if before is not None:
            process.generations += before.generations[: _GENERATIONS - 1]
            process.asked = before.asked

    def executed(self, pid: int) -> None:
        """A process runs another program."""
        self._reborn(pid)
        process = self._recorded(pid)
        process.push(Mappings())
        process.complete, process.ended = True, False
        process.perf_map = None
        self._find_root(process)

    def mapped(
        self, pid: int, start: int, end: int, offset: int, file: tuple[int, int, int, bytes]
    ) -> None:
        """Code can be run at [start, end) from here on."""
        process = self._recorded(pid)
        if not process.own:
            process.push(Mappings())
        elif process.frames:
            process.forget_found()
        known = self._files.get(file)
        if known is None:
            if len(self._files) >= _MOST_FILES:
                self._files.clear()
            major, minor, inode, raw = file
            name = raw.decode("utf-8", "surrogateescape")
            # Without a file the name is invented, but for the kernel's own ("[vdso]").
            path = name if inode or name.startswith("[") else ""
            known = self._files[file] = f"{major:02x}:{minor:02x}", inode, path
        mapping = Mapping(start, end, offset, *known)
        process.generations[0].add(mapping)
        if mapping.is_file and mapping.path.endswith(DELETED):
            self._keep(process, mapping)

    def exited(self, pid: int) -> None:
        """A process ended. It is remembered, but not for ever."""
        process = self._known.get(pid)
        if process is None:
            return
        if process.pid == pid:
            process.ended = True
        self._ended[pid] = None
        if len(self._ended) > _MOST_ENDED:
            oldest = next(iter(self._ended))
            del self._ended[oldest]
            if self._known[oldest].asked:
                self._ended_asked[oldest] = None
            else:
                del self._known[oldest]
        if len(self._ended_asked) > _MOST_ASKED:
            oldest = next(iter(self._ended_asked))
            del self._ended_asked[oldest], self._known[oldest]

    def _recorded(self, pid: int) -> Process:
        process = self._known.get(pid)
        if process is None:
            process = self._known[pid] = Process(pid)
        return process

    def _reborn(self, pid: int) -> Process | None:
        """The process that had this pid before, which is not at its end now."""
        self._ended.pop(pid, None)
        self._ended_asked.pop(pid, None)
        return self._known.get(pid)


def _text(path: str) -> bytes:
    """A file's content; nothing where it cannot be read."""
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return b""
