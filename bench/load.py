"""The load program, built from load.c."""

from __future__ import annotations

import subprocess
from pathlib import Path

HERE = Path(__file__).parent
PROGRAM = HERE / "results" / "load"


def build() -> Path:
    """Compile load.c where it is newer than its program."""
    source = HERE / "load.c"
    PROGRAM.parent.mkdir(exist_ok=True)
    if not PROGRAM.exists() or PROGRAM.stat().st_mtime < source.stat().st_mtime:
        subprocess.run(
            ["gcc", "-O1", "-g", "-fno-omit-frame-pointer", "-fno-optimize-sibling-calls",
             "-o", str(PROGRAM), str(source)],
            check=True,
        )  # fmt: skip
    return PROGRAM


def run(*arguments: str) -> tuple[int, int]:
    """Run it: (calls made, nanoseconds they took)."""
    done = subprocess.run(
        [str(build()), *arguments], check=True, capture_output=True, text=True, timeout=300
    )
    calls, nanoseconds = done.stdout.split()
    return int(calls), int(nanoseconds)
