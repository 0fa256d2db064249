"""What changed of functions between two sets of profiles, each of one or several runs.

Values are parts of everything before: 0.1 is a tenth of what all runs before weigh on average, once
they are made comparable (see :mod:`prybee.flame.difference`).
"""

from __future__ import annotations

import math
from functools import cached_property

from prybee.data import Data
from prybee.flame import difference, significance
from prybee.flame.profile import FormatError
from prybee.flame.significance import mean
from prybee.flame.summary import functions

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from prybee.flame.profile import Profile
    from prybee.flame.significance import Estimate
    from prybee.flame.summary import Function

# What of a function is compared: its own weight, or also that of all it calls.
SELF, TOTAL = "self", "total"
# What became of one.
NEW, VANISHED, GROWN, SHRUNK, SAME = "new", "vanished", "grown", "shrunk", "same"

# Weights that have so much in common are no counts.
_PERIOD = 1000


class Change(Data):
    """A function, or everything, in all runs.

    Attributes:
        name: of the function.
        before, after: a value for each run.
    """

    name: str
    before: tuple[float, ...]
    after: tuple[float, ...]

    @property
    def old(self) -> float:
        """The mean before."""
        return mean(self.before)

    @property
    def new(self) -> float:
        """The mean after."""
        return mean(self.after)

    @property
    def difference(self) -> float:
        """How much more there is."""
        return self.new - self.old

    @property
    def kind(self) -> str:
        """What became of it."""
        if not self.old or not self.new:
            return NEW if self.new else VANISHED if self.old else SAME
        return GROWN if self.new > self.old else SHRUNK if self.new < self.old else SAME


class Comparison:
    """Two sets of profiles.

    Args:
        before, after: runs of the same, one or more of each.
        equal: what is made equal of all: ``total``, ``samples``, ``time`` or ``none``.

    Attributes:
        unit: of weights.
        base: what is 1: the mean weight before, for each unit of what was made equal.
        scale: how much there is of that in runs after, on average: a value times ``base`` times
            this is a weight.
        method: the test for noise; empty if there is none for so few runs.

    Raises:
        FormatError: something of the profiles makes it impossible.
    """

    def __init__(
        self,
        before: Sequence[Profile],
        after: Sequence[Profile],
        equal: str = difference.TOTAL,
    ) -> None:
        self.before = before
        self.after = after
        self.equal = equal
        units = sorted({each.unit for each in (*before, *after)})
        if len(units) > 1:
            raise FormatError(f"{units[0]} and {units[1]} are counted: they cannot be compared")
        self.unit = units[0]
        measures = [_measures(before, equal, "first"), _measures(after, equal, "second")]
        self.scale = mean(measures[1])
        self.base = mean(
            [each.total / measure for each, measure in zip(before, measures[0], strict=True)]
        )
        if not self.base:
            raise FormatError("the first profile is empty: nothing can be compared with it")
        # What a weight of each run is divided by.
        self._divisors = [[measure * self.base for measure in side] for side in measures]
        self.method = self._method()

    def _method(self) -> str:
        if len(self.before) + len(self.after) > 2:
            return significance.WELCH
        counted = self.equal == difference.TOTAL and all(map(count, (*self.before, *self.after)))
        return significance.PROPORTIONS if counted else ""

    def everything(self) -> Change:
        """The whole profiles."""
        sides = zip((self.before, self.after), self._divisors, strict=True)
        before, after = (
            tuple(each.total / divisor for each, divisor in zip(side, divisors, strict=True))
            for side, divisors in sides
        )
        return Change("", before, after)

    @cached_property
    def _functions(self) -> list[list[Function]]:
        """Those of each run, before first; every rule and table is about them."""
        return [functions(each) for each in (*self.before, *self.after)]

    def changes(self, metric: str) -> list[Change]:
        """All functions, those with the greatest change first.

        Args:
            metric: ``SELF`` or ``TOTAL``.
        """
        nothing = [0.0] * len(self._functions)
        found: dict[str, list[float]] = {}
        divisors = [*self._divisors[0], *self._divisors[1]]
        runs = zip(self._functions, divisors, strict=True)
        for place, (own, divisor) in enumerate(runs):
            for each in own:
                weight = each.own if metric == SELF else each.all
                found.setdefault(each.name, nothing.copy())[place] = weight / divisor
        middle = len(self.before)
        rows = [
            Change(name, tuple(values[:middle]), tuple(values[middle:]))
            for name, values in found.items()
            if any(values)
        ]
        return sorted(rows, key=lambda row: (-abs(row.difference), row.name))

    def estimate(self, change: Change, confidence: float) -> Estimate | None:
        """How sure a change is; None if nothing can be said.

        Args:
            change: of these profiles.
            confidence: of the interval, below 1.
        """
        if self.method == significance.WELCH:
            return significance.welch(change.before, change.after, confidence)
        if not self.method:
            return None
        many, new_many = count(self.before[0]), count(self.after[0])
        return significance.proportions(
            (change.old * many, many), (change.new * new_many, new_many), confidence
        )


def _measures(profiles: Sequence[Profile], equal: str, which: str) -> list[float]:
    return [difference.measure(each, equal, which) for each in profiles]


def count(profile: Profile) -> int:
    """How many samples a profile is of, if each of them weighs the same; 0 if that is not known."""
    if profile.samples is not None:
        return len(profile.samples)
    if profile.unit != "samples":
        return 0
    weights = list(profile.weights.values())
    if any(weight != int(weight) or weight < 0 for weight in weights):
        return 0
    # Of perf script, weights may be multiples of the period.
    divisor = math.gcd(*map(int, weights))
    return int(profile.total) // (divisor if divisor >= _PERIOD else 1)
