"""Profiles made by tracing this machine: which kinds there are, and how stacks are gathered.

Each kind is a script of ``profiles``; what its map holds becomes a profile. To add a kind: a script
there, and a line in ``KINDS``.
"""

from __future__ import annotations

import os

from prybee.data import Data
from prybee.flame.profile import KERNEL, PLAIN, Profile
from prybee.output.coder import Coder
from prybee.output.text import TextOutput
from prybee.plan import layouts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from prybee.output.maps import Items
    from prybee.output.names import Names
    from prybee.output.sink import Sink
    from prybee.plan.plan import ScriptMap

# How functions of the kernel begin that are on a stack because a program looks at it.
_OURS = ("bpf_prog_", "bpf_trace_run", "__bpf_trace_", "__traceiter_", "bpf_get_stack")


class Kind(Data):
    """A kind of profile.

    Attributes:
        name: of the command, of the script, and of the map with the result.
        help: what it shows, in a line.
        unit: of the weights.
        own_filter: the script itself keeps to one process: its events are not all in it.
    """

    name: str
    help: str
    unit: str
    own_filter: bool = False

    @property
    def script(self) -> str:
        """The script's path."""
        return os.path.join(os.path.dirname(__file__), "profiles", f"{self.name}.bt")


KINDS = (
    Kind("cpu", "what runs on the CPUs", "samples"),
    Kind("off", "what threads wait for, and how long", "ns", own_filter=True),
    Kind("wall", "both: on the CPU and off it", "ns", own_filter=True),
    Kind("wake", "who wakes threads up", "wake-ups"),
    Kind("faults", "what causes page faults", "faults"),
    Kind("lock", "where threads wait for locks (futex)", "ns"),
    Kind("syscall", "what calls the kernel", "calls"),
    Kind("alloc", "who allocates memory from the C library", "bytes"),
)


class Gatherer(TextOutput):
    """An output whose one map becomes a profile; everything else is shown as always."""

    def __init__(self, kind: Kind, profile: Profile, out: Sink, errors: Sink, names: Names) -> None:
        super().__init__(out, errors, names, quiet=True)
        self._kind = kind
        self._profile = profile

    def before_maps(self) -> None:
        pass

    def lost(self, count: int) -> None:
        self._profile.quality.lost += count
        super().lost(count)

    def map(self, spec: ScriptMap, items: Items, top: int = 0, div: int = 1) -> None:
        from prybee.output.maps import merge

        fields = spec.key.fields if isinstance(spec.key, layouts.TupleLayout) else ()
        if spec.name.lstrip("@") != self._kind.name or not fields:
            super().map(spec, items, top, div)
            return
        table = merge(spec, items).arrange(0)
        # Names first, then what the program calls, then what the kernel does for it.
        order = sorted(fields, key=lambda field: _rank(field.layout))
        shows = [(field.offset, field.layout, self._frames(field.layout)) for field in order]
        for key, value in zip(table.keys, table.values, strict=True):
            stack: list[int] = []
            for offset, layout, show in shows:
                stack += show(key[offset : offset + layout.size])
            self._profile.add(stack, int(value))

    def _frames(self, layout: layouts.Layout) -> Callable[[bytes], list[int]]:
        """A function: a part of a key → its frames, the outermost first, or the one name."""
        frame = self._profile.frame
        if not isinstance(layout, layouts.StackLayout):
            coder = Coder()
            run: Callable[[Any], list[bytes]] = coder.run(
                self.text.piece(coder, layout, 0), layout.size
            )
            return lambda data: [frame(run(data)[0].decode(errors="surrogateescape"))]
        stack = self.names.stack(layout)
        kind = PLAIN if layout.user else KERNEL

        def show(data: bytes) -> list[int]:
            names = [_name(line) for line in stack(data).splitlines()[1:]]
            while names and names[0].startswith(_OURS):
                del names[0]
            return [frame(name, kind) for name in reversed(names)]

        return show


def _rank(layout: layouts.Layout) -> int:
    if not isinstance(layout, layouts.StackLayout):
        return 0
    return 1 if layout.user else 2


def _name(line: bytes) -> str:
    """A frame without its offset."""
    text = line.strip().decode(errors="surrogateescape")
    return text.rpartition("+")[0] or text
