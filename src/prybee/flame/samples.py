"""The samples of a profile one by one: when, where and of what each was taken.

They are kept beside a profile's stacks when a reader is asked for them, as columns: one entry for
each sample, a few bytes each. From them come the views over time, and profiles of a part
(``prybee.flame.narrowing``).
"""

from __future__ import annotations

from array import array

from prybee.data import Data

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

# What times are.
CLOCK = "ns"  # Nanoseconds of a clock.
ORDER = "order"  # Only which sample came before which: sums of weights.
# States that readers know; any other text is one as well.
ON_CPU, OFF_CPU = "on CPU", "off CPU"


class Thread(Data):
    """A thread, as it was called at a time.

    Attributes:
        pid, tid: numbers; 0 if not known.
        name: empty if not known.
    """

    pid: int = 0
    tid: int = 0
    name: str = ""

    def __str__(self) -> str:
        numbers = f"{self.pid}/{self.tid}" if self.tid != self.pid else f"{self.pid}"
        return f"{self.name or '?'} ({numbers})" if self.pid or self.tid else self.name or "?"


class Label:
    """A column of texts.

    Attributes:
        values: each text once; the first is the empty one, of samples without it.
        column: for each sample, the index of its text.
    """

    def __init__(self) -> None:
        self.values = [""]
        self.column = array("I")
        self._numbers = {"": 0}

    def append(self, text: str) -> None:
        """The next sample's text."""
        number = self._numbers.get(text)
        if number is None:
            number = self._numbers[text] = len(self.values)
            self.values.append(text)
        self.column.append(number)


class Samples:
    """Columns with an entry for each sample, in the order of the input.

    Attributes:
        clock: what ``time`` is: ``CLOCK``, ``ORDER``, or empty where no time is known.
        spans: a weight is a time in the profile's unit that begins at ``time``.
        stacks: each stack once: indexes into the profile's frames, the root first.
        threads: each thread once.
        stack: index into ``stacks``.
        time: when it was taken, or began. -1 if not known.
        weight: what it adds to its stack.
        thread: index into ``threads``.
        cpu: its number; -1 if not known.
        labels: other columns by their names. ``state`` tells what the thread did: ``ON_CPU`` …

    A stack's index and a thread's may be given to ``add`` before their own lists have them.
    """

    STATE = "state"

    def __init__(self, clock: str = CLOCK, *, spans: bool = False) -> None:
        self.clock = clock
        self.spans = spans
        self.stacks: list[tuple[int, ...]] = []
        self.threads: list[Thread] = []
        self.stack = array("I")
        self.time = array("q")
        self.weight = array("d")
        self.thread = array("I")
        self.cpu = array("i")
        self.labels: dict[str, Label] = {}
        self._stacks: dict[tuple[int, ...], int] = {}
        self._threads: dict[tuple[int, int, str], int] = {}

    def __len__(self) -> int:
        return len(self.stack)

    def stack_number(self, stack: Sequence[int]) -> int:
        """The index of a stack, which is kept if it is new."""
        key = tuple(stack)
        number = self._stacks.get(key)
        if number is None:
            number = self._stacks[key] = len(self.stacks)
            self.stacks.append(key)
        return number

    def thread_number(self, pid: int, tid: int, name: str = "") -> int:
        """The index of a thread, which is kept if it is new."""
        key = pid, tid, name
        number = self._threads.get(key)
        if number is None:
            number = self._threads[key] = len(self.threads)
            self.threads.append(Thread(*key))
        return number

    def add(
        self,
        stack: int,
        weight: float,
        *,
        time: int = -1,
        thread: int,
        cpu: int = -1,
        labels: Mapping[str, str] | None = None,
    ) -> None:
        """Adds a sample.

        Args:
            stack: its index.
            weight: in the profile's unit.
            time: in nanoseconds.
            thread: its index.
            cpu: the number of the CPU.
            labels: texts by their names.
        """
        if labels:
            for name in labels:
                if name not in self.labels:
                    # Those before have none.
                    self.labels[name] = Label()
                    self.labels[name].column.extend([0] * len(self))
        for name, label in self.labels.items():
            label.append(labels.get(name, "") if labels else "")
        self.stack.append(stack)
        self.weight.append(weight)
        self.time.append(time)
        self.thread.append(thread)
        self.cpu.append(cpu)

    def join(
        self, other: Samples, frames: Sequence[int], places: Iterable[int] | None = None
    ) -> None:
        """Adds other samples.

        Args:
            other: with the same clock.
            frames: for each frame of the other profile, its number in this one.
            places: which of them; all otherwise.
        """
        stacks: dict[int, int] = {}
        for stack, weight, time, thread, cpu, labels in other.rows(places):
            number = stacks.get(stack)
            if number is None:
                number = self.stack_number([frames[frame] for frame in other.stacks[stack]])
                stacks[stack] = number
            each = other.threads[thread]
            self.add(
                number,
                weight,
                time=time,
                thread=self.thread_number(each.pid, each.tid, each.name),
                cpu=cpu,
                labels=labels,
            )

    def rows(
        self, places: Iterable[int] | None = None
    ) -> Iterator[tuple[int, float, int, int, int, dict[str, str]]]:
        """Stack, weight, time, thread, CPU and labels of each sample.

        Args:
            places: of those that are wanted; all otherwise.
        """
        for at in range(len(self)) if places is None else places:
            labels = {name: each.values[each.column[at]] for name, each in self.labels.items()}
            row = self.stack[at], self.weight[at], self.time[at], self.thread[at], self.cpu[at]
            yield *row, labels

    @property
    def states(self) -> list[str]:
        """The states that there are."""
        label = self.labels.get(self.STATE)
        return label.values[1:] if label else []

    @property
    def begin(self) -> int:
        """The first time; 0 if there is none."""
        return min((time for time in self.time if time >= 0), default=0)
