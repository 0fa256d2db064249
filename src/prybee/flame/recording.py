"""Samples one by one, as the scripts of profiles send them (``scripting``).

A sample is short: a number stands for its stack.  While the trace runs its bytes are only put
aside; they are taken apart in the end, when the stacks are there.
"""

from __future__ import annotations

import struct

from prybee.flame.samples import ON_CPU, Samples
from prybee.output.printf import stride
from prybee.output.values import INT_CODES
from prybee.plan import layouts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from prybee.plan.plan import RecordSpec

    # Number of the stack, weight, time, state, process, thread, CPU, name of the thread.
    Row = tuple[int, int, int, int, int, int, int, bytes]

# How many samples are kept with their times: some 250 MB, and a page of 30 MB.
MOST = 4_000_000

# What a thread does, by the lowest bit of its state (``TASK_…``, include/linux/sched.h).
STATES = (
    (0x20000, ""),  # Nobody asked.
    (0x10000, ON_CPU),
    (0x400, "idle"),  # A thread of the kernel that has nothing to do: no load, and uninterruptible.
    (0x1000, "lock"),  # A sleeping lock of a real-time kernel.
    (0x1, "sleeping"),
    (0x2, "disk"),  # Uninterruptible: mostly a disk's or a network file system's answer.
    (0xC, "stopped"),
    (0xB0, "ended"),
    (0x40, "parked"),
)
RUNNABLE = "runnable"  # It would go on, but the CPU has something else to do.


def state_name(state: int) -> str:
    """What a thread does; empty if that is not told."""
    for bits, name in STATES:
        if state & bits:
            return name
    return RUNNABLE


def text(data: bytes) -> str:
    """A thread's name."""
    return data.partition(b"\0")[0].decode(errors="surrogateescape")


class Recorder:
    """Takes samples while they come.

    Attributes:
        sums: by the name of the thread and the number of the stack, once there are too many samples
            to keep each of them; None until then.
    """

    def __init__(self, most: int = MOST) -> None:
        """
        Args:
            most: how many are kept one by one.
        """
        self.sums: dict[tuple[bytes, int], int] | None = None
        self._most = most
        self._count = 0
        self._runs: list[tuple[struct.Struct, memoryview]] = []

    def taker(self, spec: RecordSpec) -> Callable[[memoryview], None]:
        """A function that takes runs of one kind of record."""
        each = _struct(spec)

        def take(view: memoryview) -> None:
            self._count += len(view) // each.size
            self._runs.append((each, view))
            if self._count > self._most:
                self._sum_up()

        return take

    def rows(self) -> Iterator[Row]:
        """All samples, in the order in which they came."""
        for each, view in self._runs:
            yield from each.iter_unpack(view)

    def _sum_up(self) -> None:
        sums = self.sums = self.sums or {}
        for number, weight, _, _, _, _, _, name in self.rows():
            key = (name, number)
            sums[key] = sums.get(key, 0) + weight
        self._runs.clear()

    def samples(
        self, spans: bool, stack: Callable[[str, int], tuple[int, ...] | None]
    ) -> tuple[Samples, dict[tuple[str, int], int]]:
        """The samples, and the sums of their weights by the thread's name and the stack's number.

        Args:
            spans: weights are times.
            stack: from a thread's name and a stack's number to frames; None: nothing is known of
                it, and the sample is left out, but for its sum.
        """
        samples = Samples(spans=spans)
        sums: dict[tuple[str, int], int] = {}
        names: dict[bytes, str] = {}
        stacks: dict[tuple[str, int], int] = {}
        states: dict[int, dict[str, str]] = {}
        for number, weight, time, state, pid, tid, cpu, name in self.rows():
            comm = names.get(name)
            if comm is None:
                comm = names[name] = text(name)
            key = (comm, number)
            if key not in sums:
                frames = stack(comm, number)
                stacks[key] = -1 if frames is None else samples.stack_number(frames)
            sums[key] = sums.get(key, 0) + weight
            if stacks[key] < 0:
                continue
            labels = states.get(state)
            if labels is None:
                found = state_name(state)
                labels = states[state] = {Samples.STATE: found} if found else {}
            thread = samples.thread_number(pid, tid, comm)
            samples.add(stacks[key], weight, time=time, thread=thread, cpu=cpu, labels=labels)
        return samples, sums


def _struct(spec: RecordSpec) -> struct.Struct:
    """What takes a record apart: a tuple behind the number of its kind."""
    ((start, layout),) = spec.fields
    assert isinstance(layout, layouts.TupleLayout)
    codes, at = "<", 0
    for field in layout.fields:
        begin = start + field.offset
        codes += f"{begin - at}x"
        each = field.layout
        if isinstance(each, layouts.StringLayout):
            codes += f"{each.size}s"
        else:
            assert isinstance(each, layouts.IntLayout), each
            codes += INT_CODES[each.size, each.signed]
        at = begin + each.size
    return struct.Struct(f"{codes}{stride(spec) - at}x")
