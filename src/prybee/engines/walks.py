"""Walks over maps that programs ask for, where the kernel has none: ``language/lower/walks.py``."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from prybee.engines.kernel import KernelEngine
    from prybee.linux.programs import Program


def run(engine: KernelEngine, program: Program) -> None:
    """Runs a program to its end, again and again while it asks for keys.

    Raises:
        KernelError: it could not be run, or a map not be read.
    """
    plan, data = engine.plan, engine.globals
    words = data.cast("Q")
    request, resume = plan.globals.request // 8, plan.globals.resume // 8
    keys: dict[int, Iterator[bytes]] = {}
    words[resume] = 0
    while True:
        program.test_run()
        wanted = words[request]
        if not wanted:
            return
        number = (wanted - 1) // 2
        walk = plan.walks[number]
        if wanted % 2:
            walked = next(each for each in plan.script_maps if each.spec == walk.map)
            keys[number] = iter([key for key, _ in engine.map_items(walked)])
        key = next(keys[number], None)
        if key is None:
            words[resume] = 2 * number + 2
        else:
            data[walk.key : walk.key + walk.key_size] = key
            words[resume] = 2 * number + 1
