"""Traces of this very kernel: rates, losses, processes that are gone."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.live

SOURCE = r"""
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}
int main(int argc, char **argv)
{
    long count = atol(argv[1]);
    double rate = atof(argv[2]), start = now();
    for (long i = 0; i < count; i++) {
        syscall(SYS_getppid);
        if (rate > 0 && i % 64 == 63)
            while (now() - start < i / rate)
                ;
    }
    return 0;
}
"""


@pytest.fixture(scope="module")
def caller(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A program that calls getppid(2) COUNT times, at RATE a second."""
    folder = tmp_path_factory.mktemp("caller")
    (folder / "caller.c").write_text(SOURCE)
    program = folder / "caller"
    subprocess.run(["gcc", "-O1", "-o", program, folder / "caller.c"], check=True)
    return program


def run(*arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    source = str(Path(sysconfig.get_paths()["purelib"]))
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([*sys.path, source]), **options}
    return subprocess.run(
        [sys.executable, "-m", "prybee", *arguments],
        capture_output=True, text=True, timeout=60, env=env, check=False,
    )  # fmt: skip


COUNTED = (
    't:syscalls:sys_enter_getppid /comm == "caller"/ { printf("%d %s %ld\\n", pid, comm, nsecs); }'
)


def test_every_event_is_shown_or_counted_as_lost(caller: Path) -> None:
    count = 300_000
    done = run("-c", f"{caller} {count} 0", "-e", COUNTED)
    lines = done.stdout.count(" caller ")
    total = re.search(r"Total lost event count: (\d+)", done.stderr)
    lost = int(total[1]) if total else 0
    assert lines + lost == count
    assert sum(map(int, re.findall(r"^Lost (\d+) events$", done.stderr, re.MULTILINE))) == lost


def test_events_are_in_order(caller: Path) -> None:
    done = run("-c", f"{caller} 20000 100000", "-e", COUNTED)
    times = [int(line.split()[2]) for line in done.stdout.splitlines() if line]
    assert len(times) == 20000
    assert times == sorted(times)


def test_losses_in_a_tiny_buffer_are_told() -> None:
    done = run(
        "-e",
        'begin { for ($i : 0..3000) { printf("%d xxxxxxxxxxxxxxxxxxxxxxxx\\n", $i); } exit(5) }',
        BPFTRACE_PERF_RB_PAGES="1",
    )
    lines = done.stdout.count("x\n")
    total = re.search(r"Total lost event count: (\d+)", done.stderr)
    assert total is not None
    # exit() had no room for its record either.
    assert done.returncode == 5
    assert int(total[1]) == 3000 - lines + 1


def test_stacks_of_a_child_that_is_gone(caller: Path) -> None:
    done = run(
        "-c", f"{caller} 100000 1000000",
        "-e", 't:syscalls:sys_enter_getppid /comm == "caller"/ { @[ustack(1)] = count(); }',
    )  # fmt: skip
    assert re.search(r"syscall\+\d+\n\]: 100000", done.stdout), done.stdout


def test_the_reader_of_a_pipe_goes() -> None:
    done = subprocess.run(
        f"{sys.executable} -m prybee -q -e 'i:s:30 {{ printf(\"x\\n\"); }}' | true; echo over",
        shell=True, capture_output=True, text=True, timeout=20, check=False,
    )  # fmt: skip
    assert done.stdout == "over\n"
    assert "Traceback" not in done.stderr
    assert "BrokenPipe" not in done.stderr
