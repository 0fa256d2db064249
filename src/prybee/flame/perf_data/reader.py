"""Makes a profile of a file of ``perf record``."""

from __future__ import annotations

from io import BufferedIOBase
from struct import Struct
from struct import error as struct_error

from prybee.flame.perf_data import records
from prybee.flame.perf_data.records import MAGIC, PerfData, PerfDataError
from prybee.flame.profile import Frame, Profile
from prybee.flame.samples import Samples

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from prybee.flame.perf_data.symbols import Symbols
    from prybee.symbols.mappings import Mappings

# enum perf_callchain_context: from here on addresses are of another kind.
_LARGEST = (1 << 64) - 4096
_KERNEL = (1 << 64) - 128
_EXEC = 1 << 13  # PERF_RECORD_MISC_COMM_EXEC
_MODE, _MODE_KERNEL = 7, 1
_HIGHER_HALF = 1 << 63


def probe(head: bytes) -> bool | None:
    """Whether data begin as such a file does."""
    return head[:8] == MAGIC


def read(
    lines: Iterable[bytes],
    *,
    pid: bool = False,
    tid: bool = False,
    event_filter: str = "",
    addrs: bool = False,
    inline: bool = False,
    context: bool = False,
    samples: bool = False,
) -> Profile:
    """Reads samples.

    Args:
        lines: the data, in any pieces.
        pid, tid: the process's frame tells them.
        event_filter: only samples of this event; empty for the first.
        addrs: frames without a name tell their addresses.
        inline: functions that were inlined are frames, as the programs' debug information has them.
        context: with that, names are followed by their places in the source.
        samples: also one by one, with times, threads and CPUs.

    Raises:
        PerfDataError: the file cannot be read.
    """
    from prybee.flame.perf_data.symbols import Symbols

    data = lines.read() if isinstance(lines, BufferedIOBase) else b"".join(lines)
    file = PerfData(data)
    event = file.events[0]
    if event_filter:
        names = [each.name for each in file.events]
        if event_filter not in names:
            raise PerfDataError(f"no event '{event_filter}' (there are {', '.join(names)})")
        event = file.events[names.index(event_filter)]
    symbols = Symbols(file.release, file.build_ids(), inline, context)
    profile = _Reader(file, event, symbols, "tid" if tid else "pid" * pid, addrs, samples).read()
    others = [each.name for each in file.events if each is not event]
    if others and not event_filter:
        profile.quality.notes.append(
            f"only {event.name} was read, not {', '.join(others)}: see --event-filter"
        )
    return profile


class _Reader:
    """The state between records."""

    def __init__(
        self,
        file: PerfData,
        event: records.Event,
        symbols: Symbols,
        show: str,
        addrs: bool,
        samples: bool,
    ) -> None:
        self.file = file
        self.event = event
        self.show = show
        self.addrs = addrs
        self.profile = Profile()
        if samples:
            self.profile.samples = Samples()
        # Those that have no names yet: their keys as below, weights and places.
        self.waiting: list[tuple[tuple[int, int, tuple[int, ...]], int, tuple[int, int]]] = []
        self.symbols = symbols
        self.comms: dict[int, str] = {}
        # Of each process as it is now: frames of addresses, the leaf first; of where calls return
        # to, by their complements.
        self.found: dict[int, tuple[Mappings, dict[int, tuple[int, ...]]]] = {}
        self.kernel: dict[int, tuple[int, ...]] = {}

    def read(self) -> Profile:
        """All records."""
        file, profile = self.file, self.profile
        chain = records.callchain_reader(self.event, file.data)
        place = records.place_reader(self.event, file.data)
        keeping = profile.samples is not None
        # Samples that are alike are named once, which also is the only time they are looked at.
        alike: dict[tuple[int, int, tuple[int, ...]], int] = {}
        several = len(file.events) > 1
        for _, kind, misc, at, size in file.records():
            try:
                if kind == records.SAMPLE:
                    if several and file.event_at(at) is not self.event:
                        continue
                    pid, tid, period, addresses = chain(at)
                    key = (pid, tid, addresses)
                    alike[key] = alike.get(key, 0) + period
                    if keeping:
                        self.waiting.append((key, period, place(at)))
                elif kind in (records.MMAP, records.MMAP2, records.COMM, records.FORK):
                    # What an address was, it may not be any more.
                    self._name(alike)
                    self._process(kind, misc, at, size)
                elif kind == records.LOST:
                    profile.quality.lost += Struct("<Q").unpack_from(file.data, at + 8)[0]
                elif kind == records.LOST_SAMPLES:
                    profile.quality.lost += Struct("<Q").unpack_from(file.data, at)[0]
            except struct_error:
                profile.quality.reject(at, f"a damaged record of type {kind}")
        self._name(alike)
        self.symbols.close()
        return profile

    def _process(self, kind: int, misc: int, at: int, size: int) -> None:
        data, symbols = self.file.data, self.symbols
        pid, tid = Struct("<II").unpack_from(data, at)
        if kind == records.COMM:
            name = data[at + 8 : at + size - 8].split(b"\0")[0].decode(errors="replace")
            self.comms[tid] = name.replace(" ", "_")
            if misc & _EXEC:
                symbols.executed(pid)
                self.found.pop(pid, None)
        elif kind == records.FORK:
            # pid, parent's pid, tid, parent's tid.
            (child,) = Struct("<I").unpack_from(data, at + 8)
            (parent,) = Struct("<I").unpack_from(data, at + 12)
            if parent in self.comms:
                self.comms[child] = self.comms[parent]
            if pid != tid:
                symbols.forked(pid, tid)
                self.found.pop(pid, None)
        else:
            start, length, offset = Struct("<QQQ").unpack_from(data, at + 8)
            # MMAP2 has the file's identity and protection before its name.
            name_at = at + (32 if kind == records.MMAP else 64)
            path = data[name_at : at + size - 8].split(b"\0")[0].decode(errors="surrogateescape")
            if misc & _MODE != _MODE_KERNEL:
                symbols.mapped(pid, start, length, offset, path)
                if pid in self.found:
                    self.found[pid][1].clear()

    def _name(self, alike: dict[tuple[int, int, tuple[int, ...]], int]) -> None:
        """Adds samples to the profile, with their names as of now."""
        samples = self.profile.samples
        numbers = {}
        for key, weight in alike.items():
            pid, tid, addresses = key
            stack = self._stack(pid, addresses)
            if not stack:
                self.profile.quality.stackless += 1
            stack.append(self._root(pid, tid))
            stack.reverse()
            self.profile.add(stack, weight)
            if samples is not None:
                thread = samples.thread_number(pid, tid, self._comm(pid, tid))
                numbers[key] = samples.stack_number(stack), thread
        alike.clear()
        if samples is not None:
            for key, period, (time, cpu) in self.waiting:
                number, thread = numbers[key]
                samples.add(number, period, time=time, thread=thread, cpu=cpu)
            self.waiting.clear()

    def _comm(self, pid: int, tid: int) -> str:
        return self.comms.get(tid) or self.comms.get(pid) or (":" + str(tid) if tid else "swapper")

    def _root(self, pid: int, tid: int) -> int:
        name = self._comm(pid, tid)
        if self.show == "tid":
            name += f"-{pid}/{tid}"
        elif self.show:
            name += f"-{pid}"
        return self.profile.frame(name)

    def _stack(self, pid: int, addresses: tuple[int, ...]) -> list[int]:
        """Frames of addresses, the leaf first."""
        known = self.found.get(pid)
        if known is None:
            known = self.found[pid] = self.symbols.mappings(pid), {}
        mappings, user = known
        kernel = self.kernel
        stack: list[int] = []
        in_kernel = called = False
        for address in addresses:
            if address >= _LARGEST:
                in_kernel = address == _KERNEL
                continue
            # Without marks, a lone address tells by itself.
            if in_kernel or (len(addresses) == 1 and address >= _HIGHER_HALF):
                found = kernel.get(address)
                if found is None:
                    frames = [self.symbols.kernel(address)]
                    found = kernel[address] = self._numbers(frames, address)
            else:
                # The first is where the program was, the others where calls return to.
                key = ~address if called else address
                found = user.get(key)
                if found is None:
                    frames = self.symbols.user(pid, mappings, address, int(called))
                    found = user[key] = self._numbers(frames, address)
                called = True
            stack += found
        return stack

    def _numbers(self, frames: list[Frame], address: int) -> tuple[int, ...]:
        """Numbers of frames at an address, the innermost first."""
        if self.addrs and frames[0].name[-1:] == "]":
            frames = [frames[0].replace(name=f"{frames[0].name[:-1]} <{address:x}>]")]
        return tuple(self._number(frame) for frame in reversed(frames))

    def _number(self, frame: Frame) -> int:
        return self.profile.frame(frame.name.replace(";", ":"), frame.kind, frame.module)
