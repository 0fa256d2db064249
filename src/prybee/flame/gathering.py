"""What a trace finds, as a profile."""

from __future__ import annotations

from prybee.flame.profile import KERNEL, PLAIN, Profile
from prybee.output.text import TextOutput
from prybee.plan import layouts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from prybee.flame.profiling import Kind
    from prybee.output.maps import Items
    from prybee.output.names import Names
    from prybee.output.sink import Sink
    from prybee.plan.plan import ScriptMap


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
        from prybee.output.folding import parts
        from prybee.output.maps import merge

        shows = parts(spec.key, self)
        if spec.name.lstrip("@") != self._kind.name or not shows:
            super().map(spec, items, top, div)
            return
        table = merge(spec, items).arrange(0)
        frame = self._profile.frame
        for key, value in zip(table.keys, table.values, strict=True):
            stack: list[int] = []
            for offset, layout, show in shows:
                kernel = isinstance(layout, layouts.StackLayout) and not layout.user
                stack += [
                    frame(name.decode(errors="surrogateescape"), KERNEL if kernel else PLAIN)
                    for name in show(key[offset : offset + layout.size])
                ]
            self._profile.add(stack, int(value))
