"""Where each frame of a flame graph stands: depth, and from which to which weight it goes.

All stacks are sorted, so that those below a frame stand together; a frame is then a range of them,
found by bisection, and its weight the difference of two sums. Frames too narrow to be seen are
never looked into, which makes a picture of a million stacks as quick as sorting them.
"""

from __future__ import annotations

from bisect import bisect_left
from itertools import accumulate, islice
from operator import le

from prybee.data import Data

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

# Between the names of a stack: below every character that names have, so that what is below a frame
# comes right behind the frame itself.
BETWEEN = b"\x01"
_BEHIND = b"\x02"


class Box(Data):
    """A frame that is seen.

    Attributes:
        name: as in the stacks; empty for the root.
        depth: 0 for the root.
        start, end: in units of weight, from the left.
        delta: how much more it is than in the profile it is compared with.
    """

    name: str
    depth: int
    start: float
    end: float
    delta: float = 0


class Stacks:
    """Stacks in order, with sums of their weights.

    Args:
        keys: names of the frames, root first, with ``BETWEEN`` between them.
        weights: of each.
        deltas: of each; none without a comparison.
        kept: they stay in the order in which they are given, as in a flame chart: only frames of
            stacks that follow one another are one.
    """

    def __init__(
        self,
        keys: Sequence[bytes],
        weights: Sequence[float],
        deltas: Sequence[float] = (),
        *,
        kept: bool = False,
    ) -> None:
        self.kept = kept
        if not kept and not all(map(le, keys, islice(keys, 1, None))):
            order = sorted(range(len(keys)), key=keys.__getitem__)
            keys = [keys[n] for n in order]
            weights = [weights[n] for n in order]
            deltas = [deltas[n] for n in order] if deltas else ()
        self.keys = keys
        self.sums = [0, *accumulate(weights)]
        self.deltas = [0, *accumulate(deltas)] if deltas else []

    @property
    def total(self) -> float:
        """The weight of everything."""
        return self.sums[-1]


def boxes(stacks: Stacks, least: float = 0, *, leaves: bool = False) -> Iterator[Box]:
    """All frames that are at least so wide, each before those above it.

    Args:
        stacks: what is drawn.
        least: weight below which a frame is left out, with all above it.
        leaves: stacks that are kept in order are as flamegraph.pl has them: a frame has a delta
            only if it is the leaf of the stack with which it begins, and that one's; and a frame is
            lost if another of its name, in the same row and without any weight, is at its end.
    """
    if stacks.kept:
        yield from _chart(stacks, least, leaves)
        return
    keys, sums, deltas = stacks.keys, stacks.sums, stacks.deltas
    yield Box("", 0, 0, stacks.total, deltas[-1] if deltas else 0)
    # Stacks without frames are of the root only.
    low = _behind(keys, 0, len(keys), 0)
    waiting: list[tuple[int, int, int, int, float]] = [(low, len(keys), 0, 0, sums[low])]
    while waiting:
        low, high, length, depth, at = waiting.pop()
        for first, last, end in _children(keys, low, high, length):
            weight = sums[last] - sums[first]
            if weight > 0 and weight >= least:
                behind = _behind(keys, first, last, end)
                delta = deltas[last] - deltas[first] if deltas else 0
                name = keys[first][length:end].decode(errors="replace")
                yield Box(name, depth + 1, at, at + weight, delta)
                if behind < last:
                    begun = at + sums[behind] - sums[first]
                    waiting.append((behind, last, end + 1, depth + 1, begun))
            at += weight


def _behind(keys: Sequence[bytes], first: int, last: int, length: int) -> int:
    """Behind the stacks that end with a frame: those come before all that go on."""
    while first < last and len(keys[first]) == length:
        first += 1
    return first


def _children(
    keys: Sequence[bytes], low: int, high: int, length: int
) -> list[tuple[int, int, int]]:
    """What stands on a frame: (first, behind the last, length of the path to its end), as
    flamegraph.pl orders it.

    Args:
        keys: all stacks.
        low, high: those that go on above the frame.
        length: of the path to the frame, with the separator.
    """
    found = []
    within = False  # A name is the beginning of the next one.
    while low < high:
        key = keys[low]
        end = key.find(BETWEEN, length)
        own = key if end < 0 else key[:end]
        last = low + 1
        if last < high and keys[last].startswith(own):
            last = bisect_left(keys, own + _BEHIND, last, high)
            within = within or (last < high and keys[last].startswith(own))
        found.append((low, last, len(own)))
        low = last
    if within:
        # Whole lines are what it sorts: a space or a semicolon is behind the name. Only where one
        # begins another that is another order than that of the stacks here.
        found.sort(
            key=lambda each: (
                keys[each[0]][length : each[2]] + (b";" if len(keys[each[0]]) > each[2] else b" ")
            )
        )
    return found


def _chart(stacks: Stacks, least: float, leaves: bool) -> Iterator[Box]:
    """The frames of stacks that stay in their order."""
    keys, sums, deltas = stacks.keys, stacks.sums, stacks.deltas
    # Name, depth, first stack, behind the last, and the delta of the first if it ends there.
    found: list[tuple[bytes, int, int, int, float]] = []
    opened: list[int] = []
    path: list[bytes] = []

    def close(depth: int, behind: int) -> None:
        while len(opened) > depth:
            place = opened.pop()
            name, at, first, _, own = found[place]
            found[place] = (name, at, first, behind, own)

    for number, key in enumerate(keys):
        names = key.split(BETWEEN) if key else []
        common = 0
        while common < len(path) and common < len(names) and path[common] == names[common]:
            common += 1
        close(common, number)
        path = names
        for depth in range(common, len(names)):
            ends = deltas and depth == len(names) - 1
            opened.append(len(found))
            own = deltas[number + 1] - deltas[number] if ends else 0
            found.append((names[depth], depth + 1, number, number, own))
    close(0, len(keys))
    yield Box("", 0, 0, stacks.total, deltas[-1] if deltas and not leaves else 0)
    if leaves:
        found = [*{(each[0], each[1], sums[each[3]]): each for each in found}.values()]
    for name, depth, first, behind, own in found:
        if sums[behind] - sums[first] > 0 and sums[behind] - sums[first] >= least:
            delta = deltas[behind] - deltas[first] if deltas and not leaves else own
            yield Box(name.decode(errors="replace"), depth, sums[first], sums[behind], delta)
