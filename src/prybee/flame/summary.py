"""What a profile says in short: its functions by weight, callers and callees, the hottest path."""

from __future__ import annotations

from prybee.data import Data

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from prybee.flame.profile import Frame, Profile


class Function(Data):
    """A function, wherever it is called.

    Attributes:
        name: of its frames.
        own: weight of the stacks that end with it.
        all: weight of all stacks that have it, each counted once.
    """

    name: str
    own: float
    all: float


def functions(profile: Profile) -> list[Function]:
    """The functions by name; frames that differ in what they are only are one."""
    own: dict[str, float] = {}
    whole: dict[str, float] = {}
    names = [frame.name for frame in profile.frames]
    for stack, weight in profile.weights.items():
        if not stack:
            continue
        leaf = names[stack[-1]]
        own[leaf] = own.get(leaf, 0) + weight
        for name in {names[frame] for frame in stack}:
            whole[name] = whole.get(name, 0) + weight
    return [Function(name, own.get(name, 0), weight) for name, weight in whole.items()]


def path(profile: Profile, least: float = 0) -> Iterator[tuple[Frame, float]]:
    """The frames from the root, at each step the one with the most weight.

    Args:
        profile: what is looked at.
        least: weight below which the path ends.

    Yields:
        A frame, and the weight of the stacks that go through it. The path ends where more of a
        frame's weight is its own than any frame above it has.
    """
    stacks = list(profile.weights.items())
    depth = 0
    while stacks:
        above: dict[int, float] = {}
        own: float = 0
        for stack, weight in stacks:
            if len(stack) > depth:
                above[stack[depth]] = above.get(stack[depth], 0) + weight
            else:
                own += weight
        if not above:
            return
        frame, weight = max(above.items(), key=lambda each: (each[1], -each[0]))
        if weight < own or weight < least or weight <= 0:
            return
        yield profile.frames[frame], weight
        stacks = [each for each in stacks if len(each[0]) > depth and each[0][depth] == frame]
        depth += 1
