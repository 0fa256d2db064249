"""Memory while nothing happens, with 100 tracepoints attached."""

from __future__ import annotations

import time
from pathlib import Path

from bench.report import Row, compare
from bench.tracer import Attached, Tracer

TITLE = "memory while idle with 100 tracepoints attached"


def _script(ours: Tracer) -> str:
    listed = ours.run("-l", "tracepoint:syscalls:sys_enter_*").out.decode().split()
    busy = ("futex", "read", "write", "poll", "select", "nanosleep", "wait")
    rare = [name for name in listed if not name.endswith(busy)]
    return f"{','.join(rare[:100])} {{ @ = count() }}"


def measure(ours: Tracer, peer: Tracer, rounds: int) -> list[Row]:
    """Resident memory a second after attaching, both in turn."""
    memories: tuple[list[float], list[float]] = ([], [])
    script = _script(ours)
    for _ in range(max(3, rounds // 2)):
        for index, tracer in enumerate((ours, peer)):
            with Attached(tracer, "-e", script) as attached:
                time.sleep(1)
                status = Path(f"/proc/{attached.pid()}/status").read_text()
            resident = next(line for line in status.splitlines() if line.startswith("VmRSS"))
            memories[index].append(int(resident.split()[1]) / 1024)
    return [compare("resident memory", "MiB", *memories, bound=0.3)]
