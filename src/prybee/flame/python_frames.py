"""Functions of Python programs among the frames of their interpreter and of the kernel.

Each call of the interpreter's evaluation loop is one native frame, and runs one or several Python
functions.  So where a native stack is whole, each of its frames of the loop is replaced by the
functions that this call runs.  Where it is not (the interpreter of most distributions has no frame
pointers), all Python functions stand at the root, and on them what the native stack has above the
last frame of the loop: the library that is at work.
"""

from __future__ import annotations

from prybee.flame.profile import PYTHON
from prybee.output.names import python_words
from prybee.symbols.python.records import ENTRY, KEY_SHIFT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from prybee.flame.profile import Profile
    from prybee.output.names import Names
    from prybee.symbols.python.stacks import Function

# Frames of the loop: it is one function, parts of which the compiler moves away, or (since 3.14,
# where the compiler can) a function for each instruction.
_LOOP = "_PyEval_EvalFrameDefault"
_LOOP_PART = (f"{_LOOP}.", f"{_LOOP} ", "_TAIL_CALL_")

UNKNOWN = "[unknown]"


def is_loop(name: str) -> bool:
    """Whether a native function is the evaluation loop."""
    return name == _LOOP or name.startswith(_LOOP_PART)


def frame_of(profile: Profile, function: Function | None) -> int:
    """The frame of a function: its module is file and first line; None: could not be resolved."""
    if function is None:
        return profile.frame(UNKNOWN, PYTHON)
    place = f"{function.file}:{function.first_line}" if function.first_line else function.file
    return profile.frame(function.name, PYTHON, place)


class Mixer:
    """Puts Python functions, as programs in the kernel found them, among native frames.

    Attributes:
        unresolved: the last stack had functions that could not be resolved.
        apart: of the last stack, native frames and Python functions do not fit each other.
    """

    def __init__(self, profile: Profile, names: Names) -> None:
        """
        Args:
            profile: whose frames they become.
            names: resolves functions.
        """
        self._profile = profile
        self._names = names
        # By words without the instruction.
        self._known: dict[int, int] = {}
        self._loops: dict[int, bool] = {}
        self._unknown = -1
        self.unresolved = self.apart = False

    def mix(self, native: Sequence[int], stack: bytes) -> list[int]:
        """One stack of two, the root first.

        Args:
            native: frames, the root first.
            stack: the bytes of a ``pystack``.
        """
        words = python_words(stack)
        frames = [self._frame(word) for word in words]
        python, cut = groups(frames, [bool(word & ENTRY) for word in words])
        self.unresolved = self._unknown in frames
        found, whole = mix(native, python, cut, self._is_loop, self._is_nameless)
        self.apart = not whole
        return found

    def _frame(self, word: int) -> int:
        key = word >> KEY_SHIFT
        known = self._known.get(key)
        if known is None:
            python = self._names.python
            function = python.function(word) if python is not None else None
            known = self._known[key] = frame_of(self._profile, function)
            if function is None:
                self._unknown = known
        return known

    def _is_loop(self, frame: int) -> bool:
        known = self._loops.get(frame)
        if known is None:
            known = self._loops[frame] = is_loop(self._profile.frames[frame].name)
        return known

    def _is_nameless(self, frame: int) -> bool:
        return self._profile.frames[frame].name.startswith("[")


def groups(frames: Sequence[int], firsts: Sequence[bool]) -> tuple[list[list[int]], bool]:
    """Cuts a Python stack into what each call of the loop runs.

    Args:
        frames: innermost first.
        firsts: of each, whether it is the first function of its call of the loop.

    Returns:
        The groups and their frames, the root first; and whether the outermost is not whole, because
        the stack was longer than what was kept of it.
    """
    found: list[list[int]] = [[]]
    for frame, first in zip(frames, firsts, strict=True):
        found[-1].append(frame)
        if first:
            found.append([])
    cut = bool(found[-1])
    if not cut:
        del found[-1]
    return [group[::-1] for group in reversed(found)], cut


def mix(
    native: Sequence[int],
    python: Sequence[Sequence[int]],
    cut: bool,
    loop: Callable[[int], bool],
    nameless: Callable[[int], bool],
) -> tuple[list[int], bool]:
    """One stack of a native and a Python one.

    Args:
        native: frames, the root first.
        python: groups of frames, the root first.
        cut: the outermost group is not whole.
        loop: whether a frame is the evaluation loop.
        nameless: whether nothing is known of a frame.

    Returns:
        The frames, the root first, and whether each group found its native frame.
    """
    loops = [index for index, frame in enumerate(native) if loop(frame)]
    if not python:
        return list(native), not loops
    missing = len(python) - len(loops)
    if missing == 0:
        return _woven(native, loops, python), True
    if missing < 0 and cut:
        # The outer calls of the loop have functions that were not kept.
        return _woven(native, loops[-len(python) :], python), True
    if missing == -1 and loops[-1] == len(native) - 1:
        # The loop is about to begin with a function, or has just ended with it.
        return _woven(native, loops[:-1], python), True
    on_top = native[loops[-1] + 1 :] if loops else native
    at = 0
    while at < len(on_top) and nameless(on_top[at]):
        at += 1
    return [frame for group in python for frame in group] + list(on_top[at:]), False


def _woven(
    native: Sequence[int], loops: Sequence[int], python: Sequence[Sequence[int]]
) -> list[int]:
    stack: list[int] = []
    at = 0
    for index, group in zip(loops, python, strict=True):
        stack += native[at:index]
        stack += group
        at = index + 1
    return [*stack, *native[at:]]
