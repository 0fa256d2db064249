"""Call trees that are printed one function a line, what is called behind its caller.

The weight of a line is its function's own, or that of all it calls as well; what the format has is
said by the class.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from prybee.flame.profile import Profile


class OwnTree:
    """A tree whose weights are the functions' own.

    Args:
        profile: what stacks are added to.
        compat: with ``inferno``, the last of stacks with the same names is the only one.
    """

    def __init__(self, profile: Profile, compat: str = "") -> None:
        self._profile = profile
        self._last = compat == "inferno"
        self._path: list[int] = []

    def enter(self, depth: int, frame: int, weight: float | None) -> bool:
        """The next line.

        Args:
            depth: 0 for a root.
            frame: its number.
            weight: its own; None for nothing to be added, not even a stack.

        Returns:
            False where the line's caller is missing: its depth skips one. It is as not there.
        """
        if depth > len(self._path):
            return False
        self._path[depth:] = [frame]
        if weight is not None:
            if self._last:
                self._profile.weights.pop(tuple(self._path), None)
            self._profile.add(self._path, weight)
        return True


class WholeTree:
    """A tree whose weights are those of the functions and all they call.

    Args:
        profile: what stacks are added to.
        callers: lines behind another are its callers, not what it calls.
        keep: whether a stack counts; all do otherwise.
        compat: with ``inferno``, only functions that call nothing have weights, and the last of
            stacks with the same names is the only one.
    """

    def __init__(
        self,
        profile: Profile,
        *,
        callers: bool = False,
        keep: Callable[[list[int]], bool] | None = None,
        compat: str = "",
    ) -> None:
        self._profile = profile
        self._callers = callers
        self._keep = keep
        self._last = compat == "inferno"
        self._path: list[int] = []
        # Of each in the path, what its own lines have not told yet.
        self._left: list[float] = []

    def enter(self, depth: int, frame: int, weight: float) -> bool:
        """The next line; see :meth:`OwnTree.enter`."""
        if depth > len(self._path):
            return False
        self._leave(depth)
        self._path.append(frame)
        self._left.append(weight)
        if depth:
            self._left[depth - 1] -= weight
        return True

    def end(self) -> None:
        """No line comes any more."""
        self._leave(0)

    def _leave(self, depth: int) -> None:
        leaf = True
        while len(self._path) > depth:
            left = self._left.pop()
            # Rounding makes small remainders below zero.
            if left > 0 and (self._keep is None or self._keep(self._path)):
                if not self._last:
                    self._profile.add(reversed(self._path) if self._callers else self._path, left)
                elif leaf:
                    self._profile.weights.pop(tuple(self._path), None)
                    self._profile.add(self._path, left)
            leaf = False
            self._path.pop()
