"""The map with the stacks of a profile: from the number of each to its frames."""

from __future__ import annotations

from prybee.data import Data
from prybee.flame.naming import Namer
from prybee.flame.python_frames import Mixer
from prybee.plan import layouts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from prybee.flame.groups import Groups
    from prybee.flame.profile import Profile
    from prybee.output.base import Output
    from prybee.output.maps import Items
    from prybee.output.names import Names
    from prybee.plan.plan import ScriptMap


class Stack(Data):
    """A stack.

    Attributes:
        frames: numbers of the profile's frames, the root first.
        group: the frame of its control group, where that is asked for.
        nameless: there are frames without a name.
        lacking: there is code whose unwind rows had no room.
        unresolved: there are Python functions that could not be resolved.
        apart: native frames and Python functions do not fit each other.
    """

    frames: list[int]
    group: list[int]
    nameless: bool
    lacking: bool
    unresolved: bool
    apart: bool


class StackKeys:
    """The stacks of a trace by their numbers.

    Attributes:
        known: number to stack.
    """

    def __init__(
        self, profile: Profile, names: Names, output: Output, groups: Groups | None = None
    ) -> None:
        """
        Args:
            profile: whose frames they become.
            names: resolves addresses.
            output: shows what keys have beside stacks.
            groups: names control groups, where keys have them.
        """
        self.known: dict[int, Stack] = {}
        self._profile = profile
        self._names = names
        self._namer = Namer(profile, names)
        self._output = output
        self._groups = groups
        self._show: Callable[[bytes], Stack] | None = None

    def learn(self, spec: ScriptMap, items: Items) -> None:
        """Takes in the stacks of the map that are new.

        Args:
            spec: the map; its values are the numbers of the keys.
            items: what it holds.
        """
        if self._show is None:
            assert spec.key is not None
            self._show = self._shown(spec.key)
        show, known = self._show, self.known
        for key, value in items:
            assert isinstance(value, bytes)
            number = int.from_bytes(value, "little")
            found = known.get(number)
            # What was not known yet may be by now.
            if found is None or found.nameless or found.unresolved:
                known[number] = show(key)

    def _shown(self, key: layouts.Layout) -> Callable[[bytes], Stack]:
        """A function: the bytes of a key → a stack."""
        from prybee.output.folding import parts

        if not isinstance(key, layouts.TupleLayout):
            key = layouts.TupleLayout(key.size, (layouts.Field("", 0, key),))
        shows = parts(key, self._output)
        namer, frame = self._namer, self._profile.frame
        chains = [
            (offset, offset + layout.size, _chain(layout, show, namer, frame))
            for offset, layout, show in shows
            if not (_is_python(layout) or _is_group(layout))
        ]
        group = next((at for at, each, _ in shows if _is_group(each)), -1)
        groups = self._groups
        # Where Python's functions are, and the native frames that they go among.
        python = next(
            ((at, at + layout.size) for at, layout, _ in shows if _is_python(layout)), None
        )
        among = next(
            (at for at, each, _ in shows if isinstance(each, layouts.StackLayout) and each.user),
            -1,
        )
        mixer = Mixer(self._profile, self._names) if python is not None else None

        def show(key: bytes) -> Stack:
            stack: list[int] = []
            namer.nameless = namer.lacking = unresolved = apart = False
            for begin, end, chain in chains:
                found = chain(key[begin:end])
                if mixer is not None and python is not None and begin == among:
                    found = mixer.mix(found, key[python[0] : python[1]])
                    unresolved, apart = mixer.unresolved, mixer.apart
                stack += found
            root = []
            if groups is not None and group >= 0:
                root.append(frame(groups.name(int.from_bytes(key[group : group + 8], "little"))))
            return Stack(stack, root, namer.nameless, namer.lacking, unresolved, apart)

        return show


def _is_python(layout: layouts.Layout) -> bool:
    return isinstance(layout, layouts.StackLayout) and layout.mode == "python"


def _is_group(layout: layouts.Layout) -> bool:
    return isinstance(layout, layouts.CgroupPathLayout)


def _chain(
    layout: layouts.Layout,
    show: Callable[[bytes], list[bytes]],
    namer: Namer,
    frame: Callable[[str], int],
) -> Callable[[bytes], list[int]]:
    """A function: a part of a key → numbers of frames, the root first."""
    if isinstance(layout, layouts.StackLayout):
        return namer.stack(layout)
    return lambda data: [frame(name.decode(errors="surrogateescape")) for name in show(data)]
