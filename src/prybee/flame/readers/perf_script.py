"""Reads the text of ``perf script``, all shapes since 2015.

A sample is a line about the event, then a line per frame, the leaf first, and an empty line.

Nearly all samples of a text have that form, and most lines of it come again and again. So a file is
read as blocks between empty lines, and a block of which the line about the event and the frames are
known is not looked into: it costs as much as finding it does. Blocks of any other form are read
line by line, which is the whole reader; what it finds for a usual block is the same.
"""

from __future__ import annotations

import re
from io import BufferedIOBase, BytesIO
from itertools import chain

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
_PIECE = 1 << 18  # So many bytes are read at once: they fit into the processor's caches.
_STACKS = 1 << 24  # So many bytes of stacks are kept as they stand in the text.
# The CPU and the time of such a line.
_WHEN = re.compile(rb"(?:\s+\[(\d+)\])?(?:\s+[-.\w]{4,6})?\s+(\d+\.\d+):\s")
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


class _Process:
    """What samples have in common whose processes, or threads, have one name.

    Attributes:
        number: of its frame.
        java: it is a JVM.
        places: texts of stacks that they had, to their places in the reader's ``weights``.
    """

    def __init__(self, number: int, java: bool) -> None:
        self.number = number
        self.java = java
        self.places: dict[bytes, int] = {}


class _Sample:
    """What the line about an event tells."""

    def __init__(self, process: _Process, weight: int, wanted: bool, frame: bytes) -> None:
        self.process = process
        # Where there is more to it than a stack, none is found.
        self.places = process.places if wanted and not frame else {}
        self.weight = weight
        self.wanted = wanted
        self.frame = frame  # The only one, of the form that has it in the same line.
        # Where samples are kept. The time is that of the line that this was made of.
        self.thread, self.cpu, self.time = 0, -1, -1


class _Reader:
    """What is known between lines."""

    def __init__(self, options: Options, samples: bool) -> None:
        self.options = options
        self.profile = Profile()
        self.samples = Samples() if samples else None
        self.event = options.event_filter.encode()
        self.processes: dict[tuple[bytes, bytes, bytes], _Process] = {}
        self.named: dict[tuple[int, bool], _Process] = {}
        # Stacks, the leaf first, to their places in the weights.
        self.totals: dict[tuple[int, ...], int] = {}
        self.weights: list[int] = []
        # By what is before the time, and what is behind it.
        self.headers: dict[bytes, dict[bytes, _Sample]] = {}
        self.others: dict[bytes, None] = {}  # Events that are left out.
        self.caches: Sequence[Frames] = ()  # Of all programs, and of JVMs.
        self.room = _STACKS
        # Of the sample whose lines are being read: its time, and its stack with the leaf first.
        self.sample: _Sample | None = None
        self.time = -1
        self.stack: list[int] = []

    def read(self, lines: Iterable[bytes]) -> Profile:
        """All samples of the lines."""
        options = self.options
        inlining = None
        # Where lines tell something about those beside them, none is known by itself.
        if options.srcline:
            lines = with_sources(lines)
        if options.inline:
            from prybee.flame.inlining import Inlining

            inlining = Inlining()
            lines = with_marks(lines)
        self.caches = [
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
        if isinstance(lines, BufferedIOBase):
            self._read_blocks(lines)
        else:
            self._read_lines(lines, 1)
        if options.compat != "perl":
            self._end()
        if inlining is not None:
            inlining.close()
        self._finish()
        return self.profile

    # -- block by block --------------------------------------------------------------------------

    def _read_blocks(self, file: BufferedIOBase) -> None:
        """Adds the samples of a file."""
        number, rest = 1, b""  # Of the first line that is not read yet.
        while piece := file.read(_PIECE):
            whole, between, rest = (rest + piece).rpartition(b"\n\n")
            if not between and len(rest) > _PIECE:
                # There are none: a sample that is very long, or lines that end in another way.
                whole, between, rest = rest.rpartition(b"\n")
                self._read_lines(BytesIO(whole + between), number)
                number += whole.count(b"\n") + len(between)
            elif between:
                self._read_samples(whole.split(b"\n\n"), number)
                number += whole.count(b"\n") + 2
        self._read_lines(BytesIO(rest), number)

    def _read_samples(self, blocks: list[bytes], number: int) -> None:
        """Adds the samples of blocks.

        Args:
            blocks: of lines, without the two ends of lines that are behind each.
            number: of the first line.
        """
        if self.sample is not None or self.stack:  # One has begun before.
            self._read_lines(BytesIO(blocks[0] + b"\n\n"), number)
            number += blocks[0].count(b"\n") + 2
            del blocks[0]
        # This runs for every sample, so the usual way is short and calls little.
        headers, weights = self.headers, self.weights
        kept = self.samples
        first = 0  # The block with that line.
        for index, block in enumerate(blocks):
            header, _, text = block.partition(b"\n")
            # All but the time comes again and again: it stands before the first colon.
            before, _, behind = header.partition(b": ")
            before, _, time = before.rpartition(b" ")
            try:
                sample = headers[before][behind]
                place = sample.places[text]
            except KeyError:
                found = self._place(header, text)
                if found is None:
                    number += sum(each.count(b"\n") + 2 for each in blocks[first:index])
                    self._read_lines(BytesIO(block + b"\n\n"), number)
                    first = index
                    continue
                sample, place = found
            weights[place] += sample.weight
            if kept is not None:
                kept.add(
                    place, sample.weight, time=_moment(time), thread=sample.thread, cpu=sample.cpu
                )

    def _place(self, header: bytes, text: bytes) -> tuple[_Sample, int] | None:
        """What a block tells; None if it has to be read line by line.

        Args:
            header: its first line.
            text: its other lines.

        Returns:
            What is known of the line, and the place of the stack's weight.
        """
        if header[:1] == b"#" or FRAME.match(header):
            return None
        sample, remembered = self._begun(header)
        if sample is None or not remembered or not sample.wanted or sample.frame:
            return None
        process = sample.process
        frames = self.caches[process.java]
        lines = text.split(b"\n")
        try:
            # None is no stack of frames, and says that a line is none.
            stack = tuple(chain.from_iterable(map(frames.__getitem__, lines)))  # type: ignore[arg-type]
        except TypeError:
            return None
        if not stack:
            return None
        place = self._weight((*stack, process.number))
        self.room -= len(text)
        if self.room > 0:
            process.places[text] = place
        return sample, place

    # -- line by line ----------------------------------------------------------------------------

    def _read_lines(self, lines: Iterable[bytes], number: int) -> None:
        """Adds the samples of lines; the last may go on in those that are read next.

        Args:
            lines: with or without their ends.
            number: of the first.
        """
        frames = self.caches[self.sample is not None and self.sample.process.java]
        for place, line in enumerate(lines, number):
            found = frames[line]
            if found is not None:
                self.stack += found
                continue
            begun = None
            if line.strip():
                if line[:1] == b"#":  # perf's own header.
                    continue
                begun, _ = self._begun(line)
                if begun is None:
                    if (found := frames[b"\t" + line]) is not None:
                        self.stack += found  # Someone took the space at its beginning away.
                    else:
                        self._other(place, line, self.stack)
                    continue
            # The sample before is whole: an empty line ends it, or the next one's beginning.
            self._end()
            if begun is not None:
                self.sample = begun
                self.time = begun.time
                frames = self.caches[begun.process.java]
                if begun.frame:
                    self.stack += frames[b"\t" + begun.frame] or ()

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

    def _end(self) -> None:
        """Adds the sample whose lines were read."""
        sample, stack = self.sample, self.stack
        self.sample, self.stack = None, []
        if sample is None or not sample.wanted:
            return
        if not stack:
            self.profile.quality.stackless += 1
            if self.options.compat == "inferno":
                return
        place = self._weight((*stack, sample.process.number))
        self.weights[place] += sample.weight
        if self.samples is not None:
            self.samples.add(
                place, sample.weight, time=self.time, thread=sample.thread, cpu=sample.cpu
            )

    def _weight(self, stack: tuple[int, ...]) -> int:
        """The place of a stack's weight."""
        place = self.totals.setdefault(stack, len(self.weights))
        if place == len(self.weights):
            self.weights.append(0)
        return place

    def _begun(self, line: bytes) -> tuple[_Sample | None, bool]:
        """What a line about an event tells; None if it is none; and whether that is remembered,
        as its time stands before the first colon."""
        before, _, behind = line.partition(b": ")
        before, _, time = before.rpartition(b" ")
        behind = behind.rstrip(b"\n")
        known = self.headers.get(before)
        sample = known.get(behind) if known is not None else None
        if sample is not None:
            sample.time = _moment(time)
            return sample, True
        matched = _HEADER.match(line)
        if matched is None:
            return None, False
        comm, pid, tid, period, event, rest = matched.groups()
        if self.options.compat == "inferno":
            event = event.partition(b":")[0]
        if event != self.event:
            if self.event:
                self.others[event] = None
            else:
                self.event = event
        process = self.processes.get((comm, pid, tid))
        if process is None:
            process = self.processes[comm, pid, tid] = self._process(comm, pid or b"?", tid)
        frame = rest if rest and FRAME.match(b"\t" + rest) else b""
        sample = _Sample(process, int(period or 1), event == self.event, frame)
        if self.samples is not None and sample.wanted:
            name = comm.decode(errors="replace")
            sample.thread = self.samples.thread_number(int(pid or 0), int(tid), name)
            if (found := _WHEN.match(line, matched.end(3))) is not None:
                sample.cpu = int(found[1]) if found[1] else -1
                sample.time = _moment(found[2])
        usual = len(before) >= matched.end(3) and _TIME.match(time) is not None
        if usual and len(self.headers) < _REMEMBERED:
            beginning = self.headers.setdefault(before, {})
            if len(beginning) < _EVENTS:
                beginning[behind] = sample
        return sample, usual

    def _process(self, comm: bytes, pid: bytes, tid: bytes) -> _Process:
        """What is known of a process."""
        name = comm.decode(errors="surrogateescape").replace(" ", "_")
        if self.options.tid:
            name += f"-{pid.decode()}/{tid.decode()}"
        elif self.options.pid:
            name += f"-{pid.decode()}"
        key = self.profile.frame(name), comm.startswith(b"java")
        return self.named.setdefault(key, _Process(*key))

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
        self.profile.weights = {
            stack[::-1]: weight for stack, weight in zip(self.totals, self.weights, strict=True)
        }
        if self.samples is not None:
            # Samples have the places of weights as the numbers of their stacks.
            for stack in self.profile.weights:
                self.samples.stack_number(stack)
            self.profile.samples = self.samples


def _moment(time: bytes) -> int:
    """Nanoseconds of a time as it stands in the text; -1 if it is none."""
    seconds, _, fraction = time.partition(b".")
    if not (seconds.isdigit() and fraction.isdigit()):
        return -1
    return int(seconds) * 10**9 + int(fraction[:9].ljust(9, b"0"))
