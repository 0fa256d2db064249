"""Scripts on the running kernel: compile, attach, cause events, and read the maps."""

from __future__ import annotations

import struct
import subprocess
from typing import TYPE_CHECKING

from prybee import functions, probes
from prybee.diagnostics import Source
from prybee.engines.kernel import KernelEngine
from prybee.engines.live import LiveTarget
from prybee.language.frontend import CompileOptions, compile_script
from prybee.language.registry import Registry
from prybee.plan import layouts

if TYPE_CHECKING:
    from collections.abc import Callable

    from prybee.plan.plan import Plan

    Found = dict[str, object]


def trace(
    text: str, cause: Callable[[], object], pid: int | None = None, unsafe: bool = False
) -> tuple[Found, Plan]:
    """Run a script while ``cause`` does; its maps (those with keys as dicts), and its plan."""
    registry = Registry(functions.TABLE, probes.TABLE)
    with LiveTarget() as target:
        source = Source("test", text)
        plan = compile_script(source, target, registry, CompileOptions(pid=pid, unsafe=unsafe)).plan
        with KernelEngine(plan, target) as engine:
            engine.load()
            report = engine.attach()
            assert not report.failures, [str(failure.error) for failure in report.failures]
            cause()
            for _probe, _piece in engine.iterate():
                pass
            engine.detach()
            found: Found = {}
            for each in plan.script_maps:
                items = {
                    _plain(key, each.key): _value(value, each.value)
                    for key, value in engine.map_items(each)
                }
                if each.key is None:
                    found[each.name] = next(iter(items.values()), None)
                else:
                    found[each.name] = items
            return found, plan


def run(path: str, lines: int = 1) -> Callable[[], None]:
    """A cause: one of the test programs, doing its work ``lines`` times."""

    def start() -> None:
        subprocess.run(
            [path], input=b"\n" * lines, stdout=subprocess.DEVNULL, check=True, timeout=20
        )

    return start


def _value(data: bytes | list[bytes], layout: layouts.Layout) -> object:
    if not isinstance(data, bytes | bytearray | memoryview):  # one for each CPU
        return sum(struct.unpack_from("<q", part)[0] for part in data)
    return _plain(data, layout)


def _plain(data: bytes, layout: layouts.Layout | None) -> object:
    if layout is None:
        return None
    if isinstance(layout, layouts.StringLayout):
        return data[: layout.size].split(b"\0")[0].decode()
    if isinstance(layout, layouts.TupleLayout):
        return tuple(
            _plain(data[f.offset : f.offset + f.layout.size], f.layout) for f in layout.fields
        )
    if isinstance(layout, layouts.IntLayout):
        return int.from_bytes(data[: layout.size], "little", signed=layout.signed)
    if isinstance(layout, layouts.BoolLayout):
        return bool(data[0])
    return int.from_bytes(data[: layout.size], "little")
