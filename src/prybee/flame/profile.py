"""The one model of a profile: frames and stacks that exist once, and weights of stacks.

Readers of all formats make it, and everything that is drawn, compared or written comes from it.
"""

from __future__ import annotations

import re

from prybee.data import Data
from prybee.diagnostics import PrybeeError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from prybee.flame.samples import Samples

# What a frame is, beside a function of a program in user space.
PLAIN = ""
KERNEL = "kernel"
JIT = "jit"
INLINED = "inlined"
WAKER = "waker"
PYTHON = "python"

# How a folded stack tells what a frame is, by the end of its name: flamegraph.pl's annotations, and
# one for functions of Python programs.
ANNOTATIONS = {KERNEL: "_[k]", INLINED: "_[i]", JIT: "_[j]", WAKER: "_[w]", PYTHON: "_[p]"}

# Ends of lines, and half characters that are no bytes of the input (JSON can have them).
_BREAKING = re.compile("[\x00-\x1f\x7f\x85\u2028\u2029\ud800-\udc7f\udd00-\udfff]")


class FormatError(PrybeeError):
    """A file that no reader takes, or that its reader cannot read."""


class Frame(Data):
    """One place in a stack: a function, or what stands for one.

    Attributes:
        name: as it is to be shown.
        kind: one of the constants of this module.
        module: the file with the code; empty if not known.
    """

    name: str
    kind: str = PLAIN
    module: str = ""


class Quality:
    """What a profile lacks, so that nobody takes it for more than it is.

    Attributes:
        rejected: lines or records that no reader understands.
        examples: the first of them, with their numbers: ``(line, text)``.
        lost: samples that the tracer itself lost.
        stackless: samples without any frame.
        notes: what else is to be known, a sentence each.
    """

    EXAMPLES = 3

    def __init__(self) -> None:
        self.rejected = 0
        self.examples: list[tuple[int, str]] = []
        self.lost = 0
        self.stackless = 0
        self.notes: list[str] = []

    def reject(self, number: int, line: str) -> None:
        """Counts a line that was not understood.

        Args:
            number: of the line, from 1.
            line: its text.
        """
        self.rejected += 1
        if len(self.examples) < self.EXAMPLES:
            self.examples.append((number, line))

    def join(self, other: Quality) -> None:
        """Adds what another part of the same profile lacks."""
        self.rejected += other.rejected
        self.examples = [*self.examples, *other.examples][: self.EXAMPLES]
        self.lost += other.lost
        self.stackless += other.stackless
        self.notes += [note for note in other.notes if note not in self.notes]

    @property
    def whole(self) -> bool:
        """Whether nothing is missing."""
        return not (self.rejected or self.lost)


class Profile:
    """Stacks and their weights.

    Attributes:
        unit: what weights count: ``samples``, ``ns``, ``bytes`` …
        frames: each once.
        weights: stack to weight. A stack is a tuple of indexes into ``frames``, the root first.
            Its order is that of the input.
        quality: what is missing.
        annotated: kinds of frames that the input itself annotates (``_[k]`` …).
        before: the profile that this one is compared with, where the input has both.
        samples: the same one by one, with times, threads, CPUs and labels; None where they are not
            known or nobody asked for them. Their weights' sums are ``weights``.
    """

    def __init__(self, unit: str = "samples") -> None:
        self.unit = unit
        self.frames: list[Frame] = []
        self.weights: dict[tuple[int, ...], float] = {}
        self.quality = Quality()
        self.annotated: set[str] = set()
        self.before: Profile | None = None
        self.samples: Samples | None = None
        self._numbers: dict[tuple[str, str, str], int] = {}

    def frame(self, name: str, kind: str = PLAIN, module: str = "") -> int:
        """The number of a frame, which is made if it is new.

        Characters that would break the lines or files that it is written to are replaced.
        """
        number = self._numbers.get((name, kind, module))
        if number is None:
            if not name.isprintable() and (clean := _BREAKING.sub("\ufffd", name)) != name:
                return self.frame(clean, kind, module)
            number = self._numbers[name, kind, module] = len(self.frames)
            self.frames.append(Frame(name, kind, module))
        return number

    def add(self, stack: Iterable[int], weight: float = 1) -> None:
        """Adds weight to a stack, given by its frames' numbers, the root first."""
        key = tuple(stack)
        self.weights[key] = self.weights.get(key, 0) + weight

    def stacks(self) -> Iterator[tuple[list[Frame], float]]:
        """Each stack, the root first, and its weight."""
        frames = self.frames
        for stack, weight in self.weights.items():
            yield [frames[number] for number in stack], weight

    def join(self, other: Profile) -> None:
        """Adds what another profile has. Samples are kept if both have them."""
        numbers = [self.frame(each.name, each.kind, each.module) for each in other.frames]
        before = self.before
        if before is None and other.before is not None:
            # Where only one is compared, the other is as it was.
            before = self.empty()
            before.weights = self.weights.copy()
        for stack, weight in other.weights.items():
            self.add([numbers[frame] for frame in stack], weight)
        self.quality.join(other.quality)
        self.annotated |= other.annotated
        if other.unit != self.unit and other.weights:
            self.quality.notes.append(f"weights in {other.unit} were added to {self.unit}")
        if before is not None:
            self.before = Profile(self.unit)
            self.before.join(before)
            self.before.join(other.before or other)
        if self.samples is not None and other.samples is not None:
            self.samples.join(other.samples, numbers)
        else:
            self.samples = None

    def empty(self) -> Profile:
        """A profile with the same frames and unit, and nothing else."""
        other = Profile(self.unit)
        other.frames = self.frames.copy()
        other._numbers = self._numbers.copy()
        return other

    @property
    def total(self) -> float:
        """The weight of everything."""
        return sum(self.weights.values())
