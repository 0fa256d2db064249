"""Remembering what processes have mapped, while they live.

A user stack in a map is resolved when the map is printed, and then its process may be gone.  So
the session looks now and then at the maps that hold user addresses, and has the mappings of each
process in them recorded.  How often depends on what looking costs: one part in fifty of the time
at most, and not at all in scripts that keep no user addresses.
"""

from __future__ import annotations

from time import monotonic

from prybee.plan import layouts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from prybee.plan.layouts import Layout
    from prybee.plan.plan import Plan, ScriptMap
    from prybee.session.ports import Engine

# Seconds between two looks, at least.
_PAUSE = 0.1
_SHARE = 50
# A child maps its libraries after its start: it is looked at after so many seconds, too.
_CHILD = (0.0, 0.002, 0.01, 0.05, 0.2)


def pid_offsets(layout: Layout | None, offset: int = 0) -> list[int]:
    """Where in a value of ``layout`` the pids of user addresses are (u32)."""
    if isinstance(layout, layouts.StackLayout):
        return [offset + 4] if layout.user else []
    if isinstance(layout, layouts.UsymLayout):
        return [offset + 8]
    if isinstance(layout, layouts.TupleLayout | layouts.StructLayout):
        return [at for f in layout.fields for at in pid_offsets(f.layout, offset + f.offset)]
    return []


class Observer:
    """Has processes observed by ``observe(pid)``."""

    def __init__(self, plan: Plan, engine: Engine, observe: Callable[[int], object]) -> None:
        self._engine = engine
        self._observe = observe
        self._maps: list[tuple[ScriptMap, list[int], list[int]]] = []
        for spec in plan.script_maps:
            keys, values = pid_offsets(spec.key), pid_offsets(spec.value)
            if keys or values:
                self._maps.append((spec, keys, values))
        self._seen: set[int] = set()
        self._due = monotonic() + _PAUSE
        self._child = 0
        self._child_due: list[float] = []

    @property
    def wanted(self) -> bool:
        """Whether the script keeps user addresses at all."""
        return bool(self._maps)

    def child(self, pid: int) -> None:
        """A child of ours begins to run now."""
        self._child = pid
        self._seen.add(pid)
        self._child_due = [monotonic() + after for after in _CHILD]

    @property
    def due(self) -> float:
        """When to look next (``monotonic()``)."""
        return min(self._due, self._child_due[0]) if self._child_due else self._due

    def look(self) -> None:
        """Observe the processes that have turned up."""
        now = monotonic()
        if self._child_due and now >= self._child_due[0]:
            self._child_due = [at for at in self._child_due if at > now]
            self._observe(self._child)
        if now < self._due:
            return
        for spec, keys, values in self._maps:
            for key, value in self._engine.map_items(spec):
                pids = [int.from_bytes(key[at : at + 4], "little") for at in keys]
                if values and isinstance(value, bytes):
                    pids += [int.from_bytes(value[at : at + 4], "little") for at in values]
                for pid in pids:
                    if pid and pid not in self._seen:
                        self._seen.add(pid)
                        self._observe(pid)
        after = monotonic()
        self._due = after + max(_PAUSE, _SHARE * (after - now))
