"""Rows of frames on a screen, and a cursor that walks from frame to frame."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from prybee.flame.terminal.graph import Bar

# Weights are sums of fractions: those that should be equal may differ by so much of them.
_SLACK = 1e-9


class Grid:
    """Rows from the top of the screen to its bottom, with a frame that is chosen.

    Args:
        rows: each from left to right, none of them empty.
        root: the row whose frame all others stand on, above or below it.

    Attributes:
        row, place: of the frame that is chosen.
        top: the first row that is seen.
    """

    def __init__(self, rows: Sequence[Sequence[Bar]], root: int) -> None:
        self.rows = rows
        self.root = root
        self.row = root
        self.place = 0
        self.top = 0

    @property
    def chosen(self) -> Bar | None:
        """The frame that is chosen; None if there are no frames."""
        return self.rows[self.row][self.place] if self.rows else None

    def vertically(self, rows: int) -> None:
        """To the frame with most of the columns of the chosen one, so many rows below."""
        step = 1 if rows > 0 else -1
        for _ in range(abs(rows)):
            here = self.chosen
            row = self.row + step
            if here is None or not 0 <= row < len(self.rows):
                return
            shared = [_shared(here, bar) for bar in self.rows[row]]
            most = max(shared)
            if most <= 0:
                return
            self.row, self.place = row, shared.index(most)

    def horizontally(self, frames: int) -> None:
        """To the frame so many to the right in the same row."""
        if self.rows:
            self.place = min(max(self.place + frames, 0), len(self.rows[self.row]) - 1)

    def choose(self, row: int, column: int) -> bool:
        """To the frame at a row and column of the screen; whether there is one."""
        row += self.top
        if 0 <= row < len(self.rows):
            for place, bar in enumerate(self.rows[row]):
                if bar.column <= column < bar.column + bar.columns:
                    self.row, self.place = row, place
                    return True
        return False

    def find(self, wanted: Callable[[str], bool], step: int) -> bool:
        """To the next frame whose name is wanted, row by row and around; whether there is one."""
        all_ = [(row, place) for row, bars in enumerate(self.rows) for place in range(len(bars))]
        if not all_:
            return False
        here = all_.index((self.row, self.place))
        for distance in range(1, len(all_) + 1):
            row, place = all_[(here + step * distance) % len(all_)]
            if wanted(self.rows[row][place].box.name):
                self.row, self.place = row, place
                return True
        return False

    def path(self) -> list[Bar]:
        """The frames from the root's row to the chosen one, both with it."""
        here = self.chosen
        if here is None:
            return []
        step = 1 if self.row > self.root else -1
        slack = _SLACK * here.box.end
        return [
            next(
                bar
                for bar in self.rows[row]
                if bar.box.start <= here.box.start + slack and here.box.end <= bar.box.end + slack
            )
            for row in range(self.root, self.row, step)
        ] + [here]

    def scroll(self, height: int) -> None:
        """Moves what is seen so that the chosen frame is."""
        last = max(len(self.rows) - height, 0)
        self.top = min(max(self.top, self.row - height + 1, 0), self.row, last)


def _shared(one: Bar, other: Bar) -> int:
    """How many columns two frames share."""
    left = max(one.column, other.column)
    return min(one.column + one.columns, other.column + other.columns) - left
