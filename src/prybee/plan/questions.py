"""What a plan needs of its surroundings."""

from __future__ import annotations

from prybee.plan import layouts
from prybee.plan.plan import (
    ClockAttach,
    PerfEventAttach,
    SpecialAttach,
    UprobeAttach,
    UprobeMultiAttach,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from prybee.plan.layouts import Layout
    from prybee.plan.plan import Plan


def parts(layout: Layout) -> Iterator[Layout]:
    """A layout and all that it is made of."""
    yield layout
    if isinstance(layout, layouts.ArrayLayout):
        yield from parts(layout.element)
    elif isinstance(layout, layouts.TupleLayout | layouts.StructLayout):
        for field in layout.fields:
            yield from parts(field.layout)


def values(plan: Plan) -> Iterator[Layout]:
    """The layouts of all values that can be shown: those of records, and maps' keys and values."""
    for record in plan.records:
        for _offset, layout in record.fields:
            yield layout
    for script_map in plan.script_maps:
        if script_map.key is not None:
            yield script_map.key
        yield script_map.value


def names_user_code(plan: Plan) -> bool:
    """Whether addresses of user programs are shown by name."""
    return any(_is_user_code(part) for value in values(plan) for part in parts(value))


def _is_user_code(layout: Layout) -> bool:
    if isinstance(layout, layouts.StackLayout):
        return layout.user and layout.mode in ("bpftrace", "perf", "python")
    return isinstance(layout, layouts.UsymLayout)


def only_process(plan: Plan) -> int:
    """The pid of the process whose doings alone are traced, or -1."""
    pids = {
        probe.attach.pid
        if isinstance(probe.attach, UprobeAttach | UprobeMultiAttach | PerfEventAttach)
        else -1
        for probe in plan.probes
        if not isinstance(probe.attach, SpecialAttach | ClockAttach)
    }
    pid = pids.pop() if len(pids) == 1 else -1
    return pid if pid > 0 else -1


def probed_files(plan: Plan) -> tuple[str, ...]:
    """The paths of the files that probes are in."""
    found = {
        probe.attach.path: None
        for probe in plan.probes
        if isinstance(probe.attach, UprobeAttach | UprobeMultiAttach)
    }
    return tuple(found)
