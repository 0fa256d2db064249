"""Reads call trees that Visual Studio's profiler exports as CSV (``CallTreeSummary.csv``).

A row has its depth, the function, and values by the names of their columns. After instrumentation
functions have numbers of calls; after sampling they have samples, their own and all::

    Level,Function Name,Number of Calls,…
    1,"Program.Main()",1,…
    2,"Program.Work(int32)","12,345",…
"""

from __future__ import annotations

import csv
import re

from prybee.flame.profile import FormatError, Profile
from prybee.flame.readers.calltree import OwnTree, WholeTree
from prybee.flame.readers.text import numbered

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

_HEAD = re.compile(rb'(?:\xef\xbb\xbf)?"?Level"?,\s*"?Function Name"?,')
# Thousands have marks between them, which depend on the language of the system.
_NUMBER = re.compile(r"\d{1,3}(?:[.,' \u00a0\u2009\u202f]\d{3})+$|\d+$")
_MARKS = re.compile(r"\D")
_VALUES = {
    "samples": ("Exclusive Samples", "samples"),
    "calls": ("Number of Calls", "calls"),
    "time": ("Avg Elapsed Exclusive Time", "ms"),
}
VALUES = tuple(_VALUES)


def probe(head: bytes) -> bool | None:
    """Whether a text begins as such a table does."""
    return _HEAD.match(head) is not None


def read(lines: Iterable[bytes], *, value: str = "", compat: str = "") -> Profile:
    """Reads calls, samples or times.

    The number of calls of a function is what is left of it when those that it makes itself are
    taken off, so that the width of a caller is its own number; one that calls more often than it
    is called is as wide as what it calls.

    Args:
        lines: of the text.
        value: ``samples``, ``calls`` or ``time`` (own, in milliseconds); empty for the first that
            there is.
        compat: ``inferno`` takes off less (see :class:`_InfernoTree`).

    Raises:
        FormatError: the table has no column of that value.
    """
    profile = Profile()
    columns: _Columns | None = None
    tree: OwnTree | WholeTree | _InfernoTree | None = None
    for number, text in numbered(lines):
        if not text.strip():
            continue
        try:
            row = [each.strip() for each in next(csv.reader([text]))]
        except (csv.Error, StopIteration):
            row = []
        if columns is None or tree is None:
            columns = _Columns(row, value)
            profile.unit = columns.unit
            tree = OwnTree(profile)
            if columns.value == "calls":
                tree = _InfernoTree(profile) if compat == "inferno" else WholeTree(profile)
            continue
        level = _whole(row[0]) if row else None
        weight = columns.weight(row)
        if level is None or weight is None or not row[1]:
            profile.quality.reject(number, text)
            continue
        if level == 0:
            continue  # The program, which called nothing.
        if not tree.enter(level - 1, profile.frame(row[1].replace(";", ":")), weight):
            profile.quality.reject(number, text)
    if isinstance(tree, WholeTree | _InfernoTree):
        tree.end()
    return profile


class _Columns:
    """Where the columns are that count."""

    def __init__(self, head: list[str], wanted: str) -> None:
        there = [name for name, (column, _) in _VALUES.items() if column in head]
        if "calls" not in there and "time" in there:
            there.remove("time")  # It is told of one call.
        if not there or (wanted and wanted not in there):
            raise FormatError(
                f"Visual Studio's table has no {wanted or 'values'} "
                f"(there are: {', '.join(there) or 'none'})"
            )
        self.value = wanted or there[0]
        column, self.unit = _VALUES[self.value]
        self._at = head.index(column)
        self._calls = head.index("Number of Calls") if self.value == "time" else None

    def weight(self, row: list[str]) -> float | None:
        """The weight of a row; None where it is no number."""
        if self._at >= len(row):
            return None
        if self._calls is None:
            return _whole(row[self._at])
        calls = _whole(row[self._calls])
        try:
            # The time is one call's.
            return (
                None if calls is None else round(calls * float(row[self._at].replace(",", "")), 6)
            )
        except ValueError:
            return None


def _whole(text: str) -> int | None:
    return int(_MARKS.sub("", text)) if _NUMBER.match(text) else None


class _InfernoTree:
    """Numbers of calls as inferno has them: the last of several functions that one calls is taken
    off from its number, and only if it is smaller; a caller of as many calls is left out."""

    def __init__(self, profile: Profile) -> None:
        self._profile = profile
        self._path: list[int] = []
        self._calls: list[float] = []

    def enter(self, depth: int, frame: int, weight: float) -> bool:
        """The next line; see :class:`OwnTree`."""
        if depth > len(self._path):
            return False
        if depth == len(self._path) - 1:
            self._add()
            self._pop()
        elif depth < len(self._path):
            before: float = 0
            while len(self._path) > depth:
                if before != self._calls[-1]:
                    self._add()
                before = self._pop()
                if self._calls and before < self._calls[-1]:
                    self._calls[-1] -= before
        self._path.append(frame)
        self._calls.append(weight)
        return True

    def end(self) -> None:
        """No line comes any more; callers of the last one are left out."""
        self._add()

    def _pop(self) -> float:
        self._path.pop()
        return self._calls.pop()

    def _add(self) -> None:
        if self._calls and self._calls[-1] > 0:
            # Of equal stacks the last counts.
            self._profile.weights.pop(tuple(self._path), None)
            self._profile.add(self._path, self._calls[-1])
