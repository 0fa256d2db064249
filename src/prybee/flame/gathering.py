"""What a trace finds, as a profile."""

from __future__ import annotations

import time

from prybee.flame.naming import Namer
from prybee.flame.profile import Profile
from prybee.flame.python_frames import Mixer
from prybee.output.text import TextOutput
from prybee.plan import layouts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from prybee.flame.profiling import Kind
    from prybee.output.maps import Items
    from prybee.output.names import Names
    from prybee.output.sink import Sink
    from prybee.plan.plan import ScriptMap


class Gatherer(TextOutput):
    """An output whose one map becomes a profile; everything else is shown as always.

    Args:
        kind: of the profile.
        profile: becomes what the map holds.
        out, errors, names: as of every output.
        changed: called when the profile is new, as long as it is not the last time.
    """

    def __init__(
        self,
        kind: Kind,
        profile: Profile,
        out: Sink,
        errors: Sink,
        names: Names,
        changed: Callable[[], None] | None = None,
    ) -> None:
        super().__init__(out, errors, names, quiet=True)
        self._changed = changed
        self._ended = False
        self._kind = kind
        self._profile = profile
        self._namer = Namer(profile, names)
        self._began = (0.0, 0.0)
        # Seconds of the trace, and what prybee itself ran meanwhile.
        self.elapsed = self.ran = 0.0

    def attached(self, count: int) -> None:
        self._began = time.monotonic(), time.process_time()
        super().attached(count)

    def before_maps(self) -> None:
        self._ended = True
        self.elapsed = time.monotonic() - self._began[0]
        self.ran = time.process_time() - self._began[1]

    def lost(self, count: int) -> None:
        self._profile.quality.lost += count
        super().lost(count)

    def map(self, spec: ScriptMap, items: Items, top: int = 0, div: int = 1) -> None:
        from prybee.output.folding import parts
        from prybee.output.maps import merge

        shows = parts(spec.key, self)
        if spec.name.lstrip("@") != self._kind.name or not shows:
            super().map(spec, items, top, div)
            return
        table = merge(spec, items).arrange(0)
        profile, namer = self._profile, self._namer
        # The map has all that there was, not what is new.
        profile.weights.clear()
        profile.quality.notes.clear()
        frame = profile.frame
        chains = [
            (offset, offset + layout.size, _chain(layout, show, namer, frame))
            for offset, layout, show in shows
            if not _is_python(layout)
        ]
        # Where Python's functions are, and the native frames that they go among.
        python = next(
            ((at, at + layout.size) for at, layout, _ in shows if _is_python(layout)), None
        )
        among = next(
            (at for at, each, _ in shows if isinstance(each, layouts.StackLayout) and each.user),
            -1,
        )
        mixer = Mixer(profile, self.names) if python is not None else None
        nameless = lacking = unresolved = apart = 0
        for key, value in zip(table.keys, table.values, strict=True):
            stack: list[int] = []
            namer.nameless = namer.lacking = False
            weight = int(value)
            for begin, end, chain in chains:
                found = chain(key[begin:end])
                if mixer is not None and python is not None and begin == among:
                    found = mixer.mix(found, key[python[0] : python[1]])
                    unresolved += weight * mixer.unresolved
                    apart += weight * mixer.apart
                stack += found
            profile.add(stack, weight)
            nameless += weight * namer.nameless
            lacking += weight * namer.lacking
        self._note(nameless, "has frames without a name")
        self._note(
            lacking,
            "has code whose unwind rows had no room at some time: there stacks may be by frame "
            "pointers",
        )
        self._note(unresolved, "has Python functions that could not be resolved")
        self._note(apart, "has native frames that do not fit the Python functions")
        if self._changed is not None and not self._ended:
            self._changed()

    def _note(self, weight: int, what: str) -> None:
        """Says what a part of the profile lacks, if it is not a small one."""
        total = self._profile.total
        if weight and weight >= total / 100:
            self._profile.quality.notes.append(f"{100 * weight / total:.0f} % of the weight {what}")


def _is_python(layout: layouts.Layout) -> bool:
    return isinstance(layout, layouts.StackLayout) and layout.mode == "python"


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
