"""Reads call trees that Intel's VTune reports as CSV (``-report top-down -format csv``).

The first column has the function, with a space before it for each caller; the others are found by
their names, as the version and ``-column`` have them::

    Function Stack,CPU Time:Self,Module
    Total,0.0,[Unknown]
     main,1.25,a.out
"""

from __future__ import annotations

import csv
import re

from prybee.flame.profile import FormatError, Profile
from prybee.flame.readers.calltree import OwnTree
from prybee.flame.readers.text import numbered

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

_HEAD = re.compile(rb'(?:\xef\xbb\xbf)?"?Function Stack"?,', re.M)
# What is counted: the beginning of the column's name, the unit, how many of these in one.
_VALUES = {
    "time": ("CPU Time:Self", "ms", 1000.0),
    "allocations": ("Allocations:Self", "allocations", 1.0),
    "size": ("Allocation Size:Self", "bytes", 1.0),
}
VALUES = tuple(_VALUES)


def probe(head: bytes) -> bool | None:
    """Whether such a table is in the beginning of a text; what VTune says may stand before it."""
    return any(_HEAD.match(line) for line in head.splitlines()[:20])


def read(
    lines: Iterable[bytes], *, value: str = "", modules: bool = True, compat: str = ""
) -> Profile:
    """Reads own weights.

    Args:
        lines: of the text.
        value: which column counts, one of ``VALUES``; empty for the first of them that is there.
        modules: names begin with the file.
        compat: ``inferno`` rounds times to milliseconds.

    Raises:
        FormatError: the table has no column of that value.
    """
    profile = Profile()
    tree = OwnTree(profile, compat)
    columns: _Columns | None = None
    for number, text in numbered(lines):
        indent = len(text) - len(text.lstrip(" "))
        if indent == len(text):
            continue
        row = _row(text[indent:])
        if columns is None:
            if row[0] == "Function Stack":
                columns = _Columns(row, value)
                profile.unit = columns.unit
            continue
        # Where there are quotes, the spaces may be inside of them.
        function = row[0].lstrip(" ")
        indent += len(row[0]) - len(function)
        weight = columns.weight(row)
        module = columns.module(row)
        if weight is None or module is None or not function:
            profile.quality.reject(number, text)
            continue
        weight = float(int(weight + 0.5)) if compat == "inferno" else round(weight, 6)
        name = f"{module}`{function}" if modules and module else function
        frame = profile.frame(name.replace(";", ":"), module=module)
        if not tree.enter(indent, frame, weight or None):
            profile.quality.reject(number, text)
    return profile


def _row(text: str) -> list[str]:
    try:
        return next(csv.reader([text]), [""])
    except csv.Error:
        return [""]


class _Columns:
    """Where the columns are that count."""

    def __init__(self, head: list[str], wanted: str) -> None:
        found = [
            (name, head.index(next(each for each in head if each.startswith(column))))
            for name, (column, _, _) in _VALUES.items()
            if any(each.startswith(column) for each in head)
        ]
        at = dict(found).get(wanted) if wanted else found[0][1] if found else None
        if at is None:
            there = ", ".join(name for name, _ in found) or "none"
            raise FormatError(f"VTune's table has no {wanted or 'values'} (there are: {there})")
        _, self.unit, self._scale = _VALUES[wanted or found[0][0]]
        self._at = at
        self._module = head.index("Module") if "Module" in head else None

    def weight(self, row: list[str]) -> float | None:
        """The weight of a row; None where it is no number."""
        if self._at >= len(row):
            return None
        text = row[self._at].strip().removesuffix("s")
        try:
            number = float(text or 0)
        except ValueError:
            return None
        return number * self._scale if 0 <= number < 1e300 else None

    def module(self, row: list[str]) -> str | None:
        """The file of a row; None where the row is too short to tell."""
        if self._module is None:
            return ""
        return row[self._module] if self._module < len(row) else None
