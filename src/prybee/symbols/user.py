"""Names of user addresses, where the process lives and also after it has gone.

A process's mappings are read while it is alive (:meth:`UserSymbols.observe`), or recorded when they
are made (:mod:`prybee.symbols.recorder`).  Files are opened through ``/proc/PID/map_files``, which
is the very file that is mapped, be it deleted, replaced, or in another mount namespace.
"""

from __future__ import annotations

import os
from time import monotonic

from prybee.elf import ElfError, ElfFile
from prybee.symbols.binary import Binary
from prybee.symbols.debug_files import DEBUG_DIRECTORIES
from prybee.symbols.frames import Frame
from prybee.symbols.mappings import DELETED, Mappings
from prybee.symbols.perf_map import PerfMap
from prybee.symbols.processes import Process, Processes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from prybee.symbols.mappings import Mapping

# When an address is in no mapping, they are read again (a library may have been loaded just now),
# but not so soon, in seconds.
_CURRENT_AFTER_MISS = 0.1
# How long it counts that a process has no perf map, in seconds.
_CURRENT = 1.0

# Frames remembered, of all processes: a trace may run for months, and an unwinder produce garbage.
_MOST_FRAMES = 200_000

CACHES = ("per_pid", "per_program", "none")


class UserSymbols:
    """Resolves addresses of user processes.

    Args:
        cache: "per_pid"; "per_program" (all processes of one program are taken to have the same
            mappings, which holds without address randomisation: then processes that ended before
            they could be observed are resolved too); "none" (mappings are read for every question).
        demangle: show C++ and Rust names as their source has them.
        debug_directories: where separate debug files are looked for.
        files: paths of files that are likely mapped, for processes that have ended and saw them
            under other names.
        proc: the proc file system (tests use another).
        lines: tell source lines and inlined functions, where there is debug information.
    """

    def __init__(
        self,
        cache: str = "per_pid",
        demangle: bool = True,
        debug_directories: Sequence[str] = DEBUG_DIRECTORIES,
        files: Iterable[str] = (),
        proc: str = "/proc",
        lines: bool = False,
    ) -> None:
        self.cache = cache
        self._lines = lines
        self._demangle = demangle
        self._debug_directories = tuple(debug_directories)
        self._files = tuple(files)
        self._proc = proc
        self._binaries: dict[tuple[str, int, str], Binary] = {}
        self._images: dict[bytes, Binary] = {}
        self._paths: dict[str, Binary | None] = {}
        self._remembered = 0
        # What is recorded of them is told to this.
        self.processes = Processes(self.binary, cache == "per_program", proc)
        if cache not in CACHES:
            raise ValueError(f"cache is {cache!r}, not one of {', '.join(CACHES)}")

    def __repr__(self) -> str:
        return (
            f"UserSymbols({self.cache!r}, {len(self.processes)} processes, "
            f"{len(self._binaries)} files)"
        )

    def __enter__(self) -> UserSymbols:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def __del__(self) -> None:
        self.close()

    def close(self) -> None:
        """Closes all files and forgets all processes."""
        for binary in (*self._binaries.values(), *self._images.values(), *self._paths.values()):
            if binary is not None:
                binary.close()
        self.processes.clear()
        for table in (self._binaries, self._images, self._paths):
            table.clear()

    # ------------------------------------------------------------------ recording

    def observe(self, pid: int) -> bool:
        """Records the mappings of a process, if it is alive; whether any are known now.

        Cheap to call for every record: mappings are read again only after a second.
        """
        process = self.processes.get(pid)
        self.processes.observe(process)
        return bool(process.generations)

    # ------------------------------------------------------------------ questions

    def resolve(self, pid: int, address: int, program: str = "") -> Frame | None:
        """What is at an address of a process; None where nothing is known of it.

        Args:
            pid: the process, as seen from our pid namespace.
            address: in the process's memory.
            program: path of its program where the caller knows it (from the probe, or from
                ``-c``). It serves when the process was gone before it could be observed: addresses
                in a program that is not position-independent are fixed; for "per_program", all are.
        """
        return self.resolve_many(pid, (address,), program)[0]

    def resolve_many(
        self, pid: int, addresses: Iterable[int], program: str = ""
    ) -> list[Frame | None]:
        """:meth:`resolve` for each address of a stack, innermost first.

        All but the first are where calls return to; the source line told of them is the call's.
        """
        process = self._process(pid)
        frames = process.frames
        if self._lines:
            return [
                frames[key] if key in frames else self._remember(process, address, program, back)
                for address, key, back in _calls(addresses)
            ]
        return [
            frames[address] if address in frames else self._remember(process, address, program)
            for address in addresses
        ]

    def version(self, pid: int) -> int:
        """A number that changes whenever answers about a process may not be the same any more,
        for callers that keep them."""
        return self._process(pid).version

    def _process(self, pid: int) -> Process:
        process = self.processes.get(pid)
        if self.cache == "none":
            self.processes.read(process)
            process.forget_found()
        return process

    def _remember(
        self, process: Process, address: int, program: str, back: int = 0
    ) -> Frame | None:
        frame, final = self._resolve(process, address, back)
        if frame is None and not process.generations and program:
            return self._resolve_by_program(program, address, back)
        if final or process.ended:
            if self._remembered >= _MOST_FRAMES:
                self.processes.forget_found()
                self._remembered = 0
            process.frames[~address if back else address] = frame
            self._remembered += 1
        return frame

    def _resolve(self, process: Process, address: int, back: int = 0) -> tuple[Frame | None, bool]:
        """What is at an address, and whether that will be the answer the next time too."""
        mapping = process.find(address)
        if mapping is None and monotonic() - process.read_at >= _CURRENT_AFTER_MISS:
            self.processes.read(process)
            mapping = process.find(address)
        if mapping is None or not (mapping.is_file or mapping.path == "[vdso]"):
            frame = self._run_time_code(process, address)
            if frame is not None or mapping is None:
                return frame, frame is not None
        offset = address - mapping.start + mapping.offset
        binary = self.binary(process, mapping)
        if binary is not None:
            symbol, distance = binary.name_at_offset(offset) or ("", 0)
            path = mapping.path.removesuffix(DELETED)
            frame = Frame(symbol, distance, path, address, binary.build_id, offset)
            return self._with_lines(frame, binary, back), True
        # Some JIT compilers write their code to a file in memory first.
        frame = self._run_time_code(process, address)
        if frame is not None:
            return frame, True
        return Frame("", 0, mapping.path, address, b"", offset) if mapping.path else None, False

    def _resolve_by_program(self, path: str, address: int, back: int = 0) -> Frame | None:
        """An address of a process of which only the program's path is known."""
        if self.cache == "per_program":
            process = self.processes.of_program(path)
            if process is not None:
                frame, _final = self._resolve(process, address, back)
                if frame is not None:
                    return frame
        if path not in self._paths:
            try:
                binary = self._open(path, path)
                self._paths[path] = binary
            except ElfError:
                self._paths[path] = None
        known = self._paths[path]
        if known is None or known.elf.type != "EXEC":
            return None
        try:
            offset = known.elf.file_offset(address)
        except ElfError:
            return None
        if offset is None:
            return None
        symbol, distance = known.name(address) or ("", 0)
        frame = Frame(symbol, distance, path, address, known.build_id, offset)
        return self._with_lines(frame, known, back)

    def _with_lines(self, frame: Frame, binary: Binary, back: int) -> Frame:
        """A frame with the source line of the code ``back`` bytes before its address."""
        if not self._lines:
            return frame
        try:
            address = binary.elf.virtual_address(frame.file_offset)
        except ElfError:
            return frame
        if address is None:
            return frame
        source, inlined = binary.source(address - back)
        return frame.replace(source=source, inlined=inlined) if source or inlined else frame

    # ------------------------------------------------------------------ files

    def file(self, path: str) -> Binary | None:
        """A file that processes will map, before any has; None where it cannot be read."""
        path = os.path.realpath(path)
        try:
            status = os.stat(path)
            device = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}"
            key = (device, status.st_ino, path)
            if key not in self._binaries:
                self._binaries[key] = self._open(path, path)
        except (OSError, ElfError):
            return None
        return self._binaries[key]

    def binary(self, process: Process, mapping: Mapping) -> Binary | None:
        """The file that a process has mapped; None where it cannot be read."""
        if mapping.tried:
            return mapping.binary
        mapping.tried = True
        if mapping.path == "[vdso]":
            mapping.binary = self._vdso(process, mapping)
        elif mapping.is_file:
            key = (mapping.device, mapping.inode, mapping.path)
            binary = self._binaries.get(key)
            if binary is None:
                binary = self._open_mapped(process, mapping)
                if binary is not None:
                    self._binaries[key] = binary
            mapping.binary = binary
        return mapping.binary

    def _open_mapped(self, process: Process, mapping: Mapping) -> Binary | None:
        directory = f"{self._proc}/{process.pid}"
        name = mapping.path.removesuffix(DELETED)
        exact = f"{directory}/map_files/{mapping.start:x}-{mapping.end:x}"
        # After the process's end: by name, if that is still the same file.
        named = (exact, process.root + mapping.path, mapping.path)
        for path in dict.fromkeys((*named, *self._files)):
            try:
                status = os.stat(path)
                if status.st_ino != mapping.inode:
                    continue
                if path not in named and mapping.device not in _devices(path, status):
                    continue
                return self._open(path, name, process.root)
            except (OSError, ValueError, ElfError):
                continue
        return None

    def _open(self, path: str, name: str, root: str = "") -> Binary:
        return Binary(
            ElfFile.open(path),
            name.rpartition("/")[0],
            root,
            self._debug_directories,
            self._demangle,
            name if self._lines else "",
        )

    def _vdso(self, process: Process, mapping: Mapping) -> Binary | None:
        """The kernel's own library, which is in memory only."""
        size = mapping.end - mapping.start
        image = _memory(f"{self._proc}/{process.pid}/mem", mapping.start, size)
        if image is None and mapping.start >= 1 << 32:
            # All 64-bit processes have the same one; ours serves for one that is gone.
            try:
                with open("/proc/self/maps", "rb") as file:
                    ours = [m for m in Mappings(file.read()).items if m.path == "[vdso]"]
            except OSError:
                return None
            if ours and ours[0].end - ours[0].start == size:
                image = _memory("/proc/self/mem", ours[0].start, size)
        if image is None:
            return None
        if image not in self._images:
            try:
                self._images[image] = Binary(ElfFile(image, "[vdso]"), demangle=False)
            except ElfError:
                return None
        return self._images[image]

    def _run_time_code(self, process: Process, address: int) -> Frame | None:
        """Code that a JIT compiler has described in a perf map."""
        perf_map = process.perf_map
        if perf_map is None:
            now = monotonic()
            if now - process.perf_map_looked_at < _CURRENT:
                return None
            process.perf_map_looked_at = now
            perf_map = process.perf_map = self._open_perf_map(process)
            if perf_map is None:
                return None
        found = perf_map.find(address)
        if found is None and perf_map.refresh():
            found = perf_map.find(address)
        if found is None:
            return None
        return Frame(found[0], found[1], perf_map.shown, address)

    def _open_perf_map(self, process: Process) -> PerfMap | None:
        # The process names the file by its pid in its own namespace.
        numbers = [process.pid]
        try:
            with open(f"{self._proc}/{process.pid}/status", "rb") as file:
                for line in file:
                    if line.startswith(b"NSpid:"):
                        numbers = [int(line.split()[-1])]
        except OSError:
            pass
        for root in (f"{self._proc}/{process.pid}/root", process.root):
            shown = f"/tmp/perf-{numbers[0]}.map"
            perf_map = PerfMap(root + shown, shown)
            if perf_map.refresh():
                return perf_map
        return None


def _calls(addresses: Iterable[int]) -> Iterator[tuple[int, int, int]]:
    """Addresses of a stack; for each the key that its frame is kept by, and how many bytes in front
    of it the code lies that led there: none for the first, a call for the others."""
    for index, address in enumerate(addresses):
        yield (address, ~address, 1) if index else (address, address, 0)


def _devices(path: str, status: os.stat_result) -> set[str]:
    """The devices that a file is on: an overlay file system has one for who looks at files, and
    another in mappings.

    Raises:
        OSError, ValueError: the file cannot be mapped.
    """
    from mmap import MAP_PRIVATE, PROT_READ, mmap

    found = {f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}"}
    with (
        open(path, "rb") as file,
        mmap(file.fileno(), 1, MAP_PRIVATE, PROT_READ),
        open("/proc/self/maps", encoding="utf-8", errors="surrogateescape") as maps,
    ):
        fields = [line.split(maxsplit=5) for line in maps]
    found.update(each[3] for each in fields if each[4] == str(status.st_ino))
    return found


def _memory(path: str, address: int, size: int) -> bytes | None:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        data = os.pread(fd, size, address)
    except OSError:
        return None
    finally:
        os.close(fd)
    return data if len(data) == size else None
