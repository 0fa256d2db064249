"""Printing much: a map of 100,000 keys, and 10,000 different stacks with their symbols."""

from __future__ import annotations

from bench import load
from bench.report import Row, compare
from bench.tracer import Tracer

TITLE = "printing maps"
KEYS = "begin { for $i : 0..100000 { @[$i] = $i } exit() }"


def measure(ours: Tracer, peer: Tracer, rounds: int) -> list[Row]:
    """Wall time of whole runs, both in turn."""
    program = load.build()
    # The peer sees the load program at a path of its own when it lives in a chroot.
    keys: tuple[list[float], list[float]] = ([], [])
    stacks: tuple[list[float], list[float]] = ([], [])
    for _ in range(max(3, rounds // 2)):
        for index, tracer in enumerate((ours, peer)):
            sample = tracer.run("-e", KEYS, env={"BPFTRACE_MAX_MAP_KEYS": "100000"})
            if sample.out.count(b"\n@[") < 99_000:
                raise RuntimeError(f"{tracer.name} printed no map: {sample.err!r}")
            keys[index].append(sample.wall)
            path = inside(tracer, program)
            sample = tracer.run(
                "-e", f"uprobe:{path}:hit {{ @[ustack] = count() }}",
                "-c", f"{path} stacks 10000",
                env={"BPFTRACE_MAX_MAP_KEYS": "20000"},
            )  # fmt: skip
            if sample.out.count(b"]: 1") < 9_000:
                raise RuntimeError(f"{tracer.name} printed no stacks: {sample.err!r}")
            stacks[index].append(sample.wall)
    return [
        compare("100,000 keys", "s", *keys, bound=0.5),
        compare("10,000 stacks", "s", *stacks, bound=0.5),
    ]


def inside(tracer: Tracer, program: object) -> str:
    """The program's path as the tracer sees it; copied there if it lives in a chroot."""
    import os
    import shutil
    from pathlib import Path

    root = tracer.environment.get("BENCH_PEER_ROOT", "")
    if not root or not Path(root).is_dir():
        return str(program)
    target = Path(root) / "opt" / "prybee-bench-load"
    if not target.exists() or target.stat().st_mtime < os.stat(str(program)).st_mtime:
        target.parent.mkdir(exist_ok=True)
        shutil.copy2(str(program), target)
    return "/opt/prybee-bench-load"
