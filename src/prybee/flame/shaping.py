"""Changes of stacks that have nothing to do with where they come from."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from prybee.flame.profile import Profile

    Stack = tuple[int, ...]


def skip_after(profile: Profile, names: Collection[str]) -> None:
    """Leaves out what is called before a function: everything towards the root of it.

    Args:
        profile: it is changed.
        names: of functions. Of several in a stack, that nearest to the leaf counts; stacks without
            any of them stay whole.
    """
    last = {number for number, each in enumerate(profile.frames) if each.name in names}
    if not last:
        return

    def cut(stack: Stack) -> Stack:
        for place in range(len(stack) - 1, -1, -1):
            if stack[place] in last:
                return stack[place:]
        return stack

    _change(profile, cut)


def merge_recursion(profile: Profile) -> None:
    """Makes one frame of functions that call themselves.

    Args:
        profile: it is changed.
    """
    names = [(each.name, each.kind) for each in profile.frames]

    def merge(stack: Stack) -> Stack:
        return tuple(
            frame
            for place, frame in enumerate(stack)
            if not place or names[frame] != names[stack[place - 1]]
        )

    _change(profile, merge)


def _change(profile: Profile, change: Callable[[Stack], Stack]) -> None:
    weights = profile.weights
    profile.weights = {}
    for stack, weight in weights.items():
        profile.add(change(stack), weight)
    if profile.samples is not None:
        profile.samples.stacks = [change(stack) for stack in profile.samples.stacks]
