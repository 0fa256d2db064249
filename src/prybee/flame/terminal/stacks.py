"""The stacks that a view shows: all, those above a frame, those around a function."""

from __future__ import annotations

from bisect import bisect_left

from prybee.flame.layout import BETWEEN, Stacks
from prybee.flame.terminal.colours import split

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_BEHIND = b"\x02"


def above(stacks: Stacks, path: Sequence[bytes]) -> Stacks:
    """What stands on a frame: its stacks without the way to it.

    Args:
        stacks: in order.
        path: names of the frames to it, and its own; none for everything.
    """
    if not path:
        return stacks
    own = BETWEEN.join(path)
    keys = stacks.keys
    first = bisect_left(keys, own)
    keys_above: list[bytes] = []
    weights: list[float] = []
    # Those that end with it come before those that go on; between them may be longer names.
    place = first
    while place < len(keys) and keys[place] == own:
        keys_above.append(b"")
        weights.append(stacks.sums[place + 1] - stacks.sums[place])
        place += 1
    low = bisect_left(keys, own + BETWEEN, place)
    high = bisect_left(keys, own + _BEHIND, low)
    cut = len(own) + 1
    for place in range(low, high):
        keys_above.append(keys[place][cut:])
        weights.append(stacks.sums[place + 1] - stacks.sums[place])
    return Stacks(keys_above, weights)


def reversed_(stacks: Stacks) -> Stacks:
    """The same with the leaves at the root."""
    keys = [BETWEEN.join(reversed(key.split(BETWEEN))) for key in stacks.keys]
    return Stacks(keys, _weights(stacks))


def around(stacks: Stacks, function: str) -> tuple[Stacks, Stacks]:
    """Callers and callees of a function: of its outermost call, where it calls itself.

    Args:
        stacks: of everything.
        function: a name without annotation.

    Returns:
        Stacks that begin with the function: what called it, and what it calls.
    """
    callers: list[bytes] = []
    callees: list[bytes] = []
    kept: list[float] = []
    wanted: dict[bytes, bool] = {}
    for names, weight in taken_apart(stacks):
        for place, name in enumerate(names):
            found = wanted.get(name)
            if found is None:
                found = split(name.decode(errors="replace"))[0] == function
                wanted[name] = found
            if found:
                callers.append(BETWEEN.join(reversed(names[: place + 1])))
                callees.append(BETWEEN.join(names[place:]))
                kept.append(weight)
                break
    return Stacks(callers, kept), Stacks(callees, kept)


def taken_apart(stacks: Stacks) -> Iterator[tuple[list[bytes], float]]:
    """The names of each stack, the root first, and its weight."""
    for key, weight in zip(stacks.keys, _weights(stacks), strict=True):
        yield key.split(BETWEEN) if key else [], weight


def _weights(stacks: Stacks) -> list[float]:
    sums = stacks.sums
    return [sums[place + 1] - sums[place] for place in range(len(stacks.keys))]
