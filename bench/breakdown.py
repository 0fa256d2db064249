"""Where the time of a start goes: the stages that ``prybee -d times`` reports."""

from __future__ import annotations

import re
import statistics

from bench.tracer import Tracer

SCRIPTS = (
    ("begin { exit() }", "begin { exit() }"),
    ("keyed count", "t:syscalls:sys_enter_getppid { @[comm] = count() } interval:ms:1 { exit() }"),
)
_LINE = re.compile(r"^time: +(.+?) +([\d.]+) ms$", re.M)


def table(ours: Tracer, rounds: int) -> str:
    """Medians of each stage, in milliseconds, as a Markdown table."""
    columns: list[dict[str, float]] = []
    for _name, script in SCRIPTS:
        stages: dict[str, list[float]] = {}
        for _ in range(rounds):
            sample = ours.run("-d", "times", "-e", script)
            found = _LINE.findall(sample.err.decode())
            if not found:
                raise RuntimeError(f"no times from prybee: {sample.err!r}")
            for stage, milliseconds in found:
                stages.setdefault(stage, []).append(float(milliseconds))
        columns.append({stage: statistics.median(values) for stage, values in stages.items()})
    lines = [
        "### where the time of a start goes (ms)",
        "",
        "| stage | " + " | ".join(name for name, _script in SCRIPTS) + " |",
        "|---|" + "--:|" * len(SCRIPTS),
    ]
    for stage in columns[-1]:
        cells = " | ".join(f"{column.get(stage, 0):.1f}" for column in columns)
        lines.append(f"| {stage} | {cells} |")
    return "\n".join(lines) + "\n"
