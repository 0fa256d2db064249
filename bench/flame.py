"""What measures of flame graphs share: commands to compare with, and what a run costs.

inferno is taken from a folder with its programs, or from ``cargo-flamegraph``'s ``flamegraph``,
which has it inside: that is fed through what it takes for perf, and collapsed stacks go in and out
through its ``--post-process``; what the helpers for that cost is measured and taken off.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from bench.flame_inputs import FOLDER
from bench.report import Row, compare


@dataclass
class Settings:
    """What is compared with, and how large inputs are.

    ``flamegraph``: a checkout of FlameGraph. ``inferno``: a folder with ``inferno-collapse-perf``
    and ``inferno-flamegraph``, or the program ``flamegraph``. Without them their rows are left out.
    ``size``: megabytes of inputs.
    """

    flamegraph: str = os.environ.get("FLAMEGRAPH", "")
    inferno: str = os.environ.get("INFERNO", "")
    size: float = 100


SETTINGS = Settings()


@dataclass
class Cost:
    """Of a run and all it starts: CPU and wall time in seconds, memory in MiB (the largest)."""

    cpu: float
    wall: float
    memory: float


def run(command: list[str], output: Path | None = None, **environment: str) -> Cost:
    """Runs a command to its end; its output goes to a file or nowhere.

    Raises:
        RuntimeError: it failed.
    """
    with open(output or os.devnull, "wb") as out:
        begin = time.perf_counter()
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.DEVNULL,
            env={**os.environ, **environment},
        )  # fmt: skip
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - begin
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{shlex.join(command)}: exit status {process.returncode}")
    return Cost(usage.ru_utime + usage.ru_stime, wall, usage.ru_maxrss / 1024)


def perl(script: str, *words: str) -> list[str] | None:
    """A command of FlameGraph; None without a checkout."""
    path = Path(SETTINGS.flamegraph) / script
    return ["perl", str(path), *words] if SETTINGS.flamegraph and path.exists() else None


def inferno_collapse(text: Path) -> Cost | None:
    """What collapsing costs inferno, on one CPU; None where there is none."""
    own = _inferno("inferno-collapse-perf")
    if own is not None:
        return run([*_ONE_CPU, *own, "-n", "1", str(text)])
    program = _inferno("flamegraph")
    if program is None:
        return None
    # The stacks end here; what is drawn instead is a single one.
    whole = _through(program, text, _helper("sink", "cat > /dev/null; echo a 1"))
    folded = FOLDER / "inferno.folded"
    _through(program, text, _helper("keep", f"cat > {shlex.quote(str(folded))}; echo a 1"))
    helpers = run(["cat", str(text)]).cpu + run(["cat", str(folded)]).cpu
    return Cost(whole.cpu - helpers, whole.wall, whole.memory)


def inferno_draw(folded: Path) -> Cost | None:
    """What a picture costs inferno, on one CPU; None where there is none."""
    own = _inferno("inferno-flamegraph")
    if own is not None:
        return run([*_ONE_CPU, *own, str(folded)])
    program = _inferno("flamegraph")
    if program is None:
        return None
    sample = FOLDER / "one.txt"
    sample.write_text("a 1 1.0: 1 cycles: \n\t1 f (x)\n\n")
    source = _helper("source", f"cat > /dev/null; cat {shlex.quote(str(folded))}")
    whole = _through(program, sample, source)
    return Cost(whole.cpu - run(["cat", str(folded)]).cpu, whole.wall, whole.memory)


_ONE_CPU = ["taskset", "-c", "0"] if shutil.which("taskset") else []


def _inferno(name: str) -> list[str] | None:
    given = Path(SETTINGS.inferno) if SETTINGS.inferno else None
    if given is not None and given.is_dir() and (given / name).exists():
        return [str(given / name)]
    if given is not None and given.is_file() and name == "flamegraph":
        return [str(given)]
    found = shutil.which(name) if given is None else None
    return [found] if found else None


def _helper(name: str, script: str) -> Path:
    FOLDER.mkdir(parents=True, exist_ok=True)
    path = FOLDER / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def _through(program: list[str], text: Path, post: Path) -> Cost:
    perf = _helper("perf", f"exec cat {shlex.quote(str(text))}")
    data = FOLDER / "none.data"
    data.touch()
    words = [
        "--perfdata",
        str(data),
        "-o",
        str(FOLDER / "inferno.svg"),
        "--post-process",
        str(post),
    ]
    return run([*_ONE_CPU, *program, *words], PERF=str(perf))


def rows(
    what: str,
    ours: list[Cost],
    peers: dict[str, list[Cost]],
    bounds: dict[str, float],
) -> list[Row]:
    """A row of CPU seconds for each peer that there is."""
    return [
        compare(
            f"{what}, beside {name}", "CPU s", [c.cpu for c in ours], [c.cpu for c in costs],
            bound=bounds.get(name),
        )
        for name, costs in peers.items()
        if costs
    ]  # fmt: skip
