"""Reads the text of ``perf script``, all shapes since 2015.

A sample is a line about the event, then a line per frame, the leaf first, and an empty line.
"""

from __future__ import annotations

import re

from prybee.data import Data
from prybee.flame.profile import FormatError, Profile
from prybee.flame.readers import perf_sched
from prybee.flame.readers.perf_frames import FRAME, Frames, with_marks, with_sources
from prybee.flame.samples import Samples

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any

# comm, pid/tid or tid, [cpu], flags, time, period, event; what was not asked for is not there. The
# comm may hold anything, so it ends where the rest can follow.
_HEADER = re.compile(
    rb"\s*(\S.*?)\s+(?:(-?\d+)/)?(-?\d+)(?:\s+\[\d+\])?(?:\s+[-.\w]{4,6}(?=\s+\d+\.\d+:))?"
    rb"(?:\s+\d+\.\d+:)?(?:\s+(\d+))?\s+(\S+?):(?:\s+(.*)|)$",
    re.DOTALL,
)
_TIME = re.compile(rb"\d+\.\d+$")
# So many beginnings of such lines are kept: one for each CPU and thread.
_REMEMBERED = 1 << 14
_EVENTS = 64  # And for each so many ends: tracepoints have texts there that hardly come again.
# The CPU and the time of such a line.
_WHEN = re.compile(rb"(?:\s+\[(\d+)\])?(?:\s+[-.\w]{4,6})?\s+(\d+)\.(\d+):\s")
# Other records, which `perf script --show-mmap-events` and the like print, and how much is lost.
_OTHER = re.compile(rb"\bPERF_RECORD_(?:LOST(?:_SAMPLES)?\b.*?(\d+)|\w+)")
# What `perf script -F +srcline` prints below a frame.
_SOURCE = re.compile(rb"  (?:\S+:\d+|\S*\[[0-9a-f]+\])?\s*$")
_HAS_SOURCES = "places in the source are in the text: --srcline puts them behind the names"


class Options(Data):
    """What is kept of the text; the names are stackcollapse-perf.pl's.

    Attributes:
        pid, tid: the process's frame tells them.
        addrs: a frame without a name tells its address.
        inline: functions that were inlined are frames, as the programs' debug information has them.
        context: with that, names are followed by their places in the source.
        srcline: such places are in the text (``-F +srcline``) and are put behind names.
        event_filter: only samples of this event; empty for the first event that comes.
        compat: ``perl`` for what stackcollapse-perf.pl does and should not: a last sample without
            an empty line behind it is lost, a frame without any name is one space, arguments begin
            at the first bracket. ``inferno`` for what inferno-collapse-perf does: samples without a
            stack are lost, events are the same whatever is behind a colon in their names.
    """

    pid: bool = False
    tid: bool = False
    addrs: bool = False
    inline: bool = False
    context: bool = False
    srcline: bool = False
    event_filter: str = ""
    compat: str = ""


def probe(head: bytes) -> bool | None:
    """Whether a text begins as that of ``perf script`` does, without what another reader wants."""
    if perf_sched.probe(head):
        return False
    event = False
    for line in head.splitlines()[:200]:
        if event and FRAME.match(line):
            return True
        if line.strip() and line[:1] != b"#":
            event = _HEADER.match(line) is not None
            if not event:
                return False
    return None if event else False


def read(
    lines: Iterable[bytes], options: Options | None = None, *, samples: bool = False, **kept: Any
) -> Profile:
    """Reads samples.

    Args:
        lines: of the text, with their ends.
        options: what is kept.
        samples: also one by one, with times, threads and CPUs.
        **kept: what is kept, option by option.

    Returns:
        The profile; the root of each stack is the process.

    Raises:
        FormatError: there is no sample of the event that is asked for, but of others.
    """
    return _Reader(options or Options(**kept), samples).read(lines)


class _Sample:
    """What the line about an event tells."""

    def __init__(self, process: int, weight: int, wanted: bool, java: bool, frame: bytes) -> None:
        self.process = process
        self.weight = weight
        self.wanted = wanted
        self.java = java
        self.frame = frame  # The only one, of the form that has it in the same line.
        self.when = (0, -1, -1)  # Thread, time and CPU, where samples are kept.


class _Reader:
    """What is known between lines."""

    def __init__(self, options: Options, samples: bool) -> None:
        self.options = options
        self.profile = Profile()
        self.samples = _Samples() if samples else None
        self.event = options.event_filter.encode()
        self.processes: dict[tuple[bytes, bytes, bytes], tuple[int, bool]] = {}
        self.totals: dict[tuple[int, ...], int] = {}
        # By what is before the time, and what is behind it.
        self.headers: dict[bytes, dict[bytes, _Sample]] = {}
        self.others: dict[bytes, None] = {}  # Events that are left out.

    def read(self, lines: Iterable[bytes]) -> Profile:
        """All samples of the lines."""
        options = self.options
        inlining = None
        if options.srcline:
            lines = with_sources(lines)
        if options.inline:
            from prybee.flame.inlining import Inlining

            inlining = Inlining()
            lines = with_marks(lines)
        caches = [
            Frames(
                self.profile,
                addrs=options.addrs,
                java=java,
                compat=options.compat,
                inlining=inlining,
                context=options.context,
            )
            for java in (False, True)
        ]
        self._samples_of(lines, caches)
        if inlining is not None:
            inlining.close()
        return self.profile

    def _samples_of(self, lines: Iterable[bytes], caches: Sequence[Frames]) -> None:
        """Adds the samples of the lines."""
        # This runs for every line, so the usual way is short and calls little.
        frames = caches[False]
        headers, totals = self.headers, self.totals
        keeping = self.samples is not None
        sample: _Sample | None = None
        stack: list[int] = []
        for number, line in enumerate(lines, 1):
            found = frames[line]
            if found is not None:
                stack += found
                continue
            begun = None
            if line != b"\n" and line.strip():
                if line[:1] == b"#":  # perf's own header.
                    continue
                # All but the time comes again and again: it stands before the first colon.
                before, _, behind = line.partition(b": ")
                before, _, time = before.rpartition(b" ")
                known = headers.get(before)
                begun = known.get(behind) if known is not None else None
                if begun is None:
                    begun = self._header(line, before, time, behind)
                if begun is None:
                    if (found := frames[b"\t" + line]) is not None:
                        stack += found  # Someone took the space at its beginning away.
                    else:
                        self._other(number, line, stack)
                    continue
            # The sample before is whole: an empty line ends it, or the next one's beginning.
            if sample is not None and sample.wanted:
                if stack and not keeping:
                    stack.append(sample.process)
                    key = tuple(stack)
                    totals[key] = totals.get(key, 0) + sample.weight
                else:
                    self._end(sample, stack)
            sample = begun
            stack = []
            if begun is not None:
                frames = caches[begun.java]
                if begun.frame:
                    stack += frames[b"\t" + begun.frame] or ()
        if sample is not None and sample.wanted and self.options.compat != "perl":
            self._end(sample, stack)
        self._finish()

    def _other(self, number: int, line: bytes, stack: Sequence[int]) -> None:
        """A line that is neither about an event nor a frame."""
        quality = self.profile.quality
        if (lost := _OTHER.search(line)) is not None:
            quality.lost += int(lost[1] or 0)
        elif stack and _SOURCE.match(line):
            if _HAS_SOURCES not in quality.notes:
                quality.notes.append(_HAS_SOURCES)
        else:
            quality.reject(number, line.decode(errors="replace").rstrip())

    def _end(self, sample: _Sample, stack: list[int]) -> None:
        """Adds a sample with its stack, the leaf first."""
        if not stack:
            self.profile.quality.stackless += 1
            if self.options.compat == "inferno":
                return
        stack.append(sample.process)
        key = tuple(stack)
        self.totals[key] = self.totals.get(key, 0) + sample.weight
        if self.samples is not None:
            self.samples.add(key, sample)

    def _header(self, line: bytes, before: bytes, time: bytes, behind: bytes) -> _Sample | None:
        """What a line about an event tells; None if it is none.

        Args:
            line: the whole of it.
            before, time, behind: its parts; where the time is one, the others are remembered.
        """
        matched = _HEADER.match(line)
        if matched is None:
            return None
        comm, pid, tid, period, event, rest = matched.groups()
        if self.options.compat == "inferno":
            event = event.partition(b":")[0]
        if event != self.event:
            if self.event:
                self.others[event] = None
            else:
                self.event = event
        known = self.processes.get((comm, pid, tid))
        if known is None:
            known = self.processes[comm, pid, tid] = self._process(comm, pid or b"?", tid)
        process, java = known
        frame = rest if rest and FRAME.match(b"\t" + rest) else b""
        sample = _Sample(process, int(period or 1), event == self.event, java, frame)
        if self.samples is not None:
            if sample.wanted:
                sample.when = self.samples.when(line, matched)
        elif _TIME.match(time) and len(self.headers) < _REMEMBERED:
            beginning = self.headers.setdefault(before, {})
            if len(beginning) < _EVENTS:
                beginning[behind] = sample
        return sample

    def _process(self, comm: bytes, pid: bytes, tid: bytes) -> tuple[int, bool]:
        """The number of a process's frame, and whether it is a JVM."""
        name = comm.decode(errors="surrogateescape").replace(" ", "_")
        if self.options.tid:
            name += f"-{pid.decode()}/{tid.decode()}"
        elif self.options.pid:
            name += f"-{pid.decode()}"
        return self.profile.frame(name), comm.startswith(b"java")

    def _finish(self) -> None:
        """Turns the stacks around, and tells which events there are as well."""
        if self.others:
            others = ", ".join(name.decode(errors="replace") for name in self.others)
            event = self.event.decode(errors="replace")
            if self.options.event_filter and not self.totals:
                raise FormatError(f"no event '{event}' (there are {others})")
            if not self.options.event_filter:
                self.profile.quality.notes.append(
                    f"only {event} was read, not {others}: see --event-filter"
                )
        self.profile.weights = {key[::-1]: weight for key, weight in self.totals.items()}
        if self.samples is not None:
            for stack in self.profile.weights:
                self.samples.kept.stack_number(stack)
            self.profile.samples = self.samples.kept


class _Samples:
    """The samples one by one; stacks are numbered as they come and told at the end."""

    def __init__(self) -> None:
        self.kept = Samples()
        self.numbers: dict[tuple[int, ...], int] = {}

    def when(self, line: bytes, matched: re.Match[bytes]) -> tuple[int, int, int]:
        """Thread, time and CPU, as the line about an event tells them."""
        pid, tid = int(matched[2] or 0), int(matched[3])
        thread = self.kept.thread_number(pid, tid, matched[1].decode(errors="replace"))
        found = _WHEN.match(line, matched.end(3))
        if found is None:
            return thread, -1, -1
        fraction = found[3][:9]
        time = int(found[2]) * 10**9 + int(fraction) * 10 ** (9 - len(fraction))
        return thread, time, int(found[1]) if found[1] else -1

    def add(self, key: tuple[int, ...], sample: _Sample) -> None:
        """Adds a sample with its stack, the leaf first."""
        thread, time, cpu = sample.when
        number = self.numbers.setdefault(key, len(self.numbers))
        self.kept.add(number, sample.weight, time=time, thread=thread, cpu=cpu)
