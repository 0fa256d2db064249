"""A flame graph in columns of a terminal: which frame has which columns of which row."""

from __future__ import annotations

from prybee.data import Data
from prybee.flame.layout import boxes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from prybee.flame.layout import Box, Stacks


class Bar(Data):
    """A frame that is at least half a column wide.

    Attributes:
        column: its first one.
        columns: how many, at least one.
        box: the frame.
    """

    column: int
    columns: int
    box: Box


def rows(stacks: Stacks, width: int, depth: int) -> list[list[Bar]]:
    """The rows from the root on, each from left to right.

    Args:
        stacks: what is shown.
        width: columns.
        depth: rows behind the root's that are looked at.
    """
    total = stacks.total
    if total <= 0 or width <= 0:
        return []
    found: list[list[Bar]] = []
    for box in boxes(stacks, total / width / 2):
        if box.depth > depth:
            continue
        left = round(box.start / total * width)
        columns = round(box.end / total * width) - left
        if columns < 1:
            continue
        while len(found) <= box.depth:
            found.append([])
        found[box.depth].append(Bar(left, columns, box))
    for row in found:
        row.sort(key=lambda bar: bar.column)
    return found
