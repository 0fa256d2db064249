"""Profiles of processes that see other files than we do."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.patience import FACTOR
from tests.pythons import PYTHONS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = [pytest.mark.live, pytest.mark.slow]

PROGRAM = """
volatile unsigned sink;
__attribute__((noinline)) void work(void)
{
	for (int i = 0; i < 100000; i++)
		sink += i;
}
__attribute__((noinline)) void outer(void) { work(); sink++; }
int main(void) { for (;;) outer(); }
"""
PYTHON = """
def work():
    total = 0
    for number in range(100000):
        total += number
def outer():
    while True:
        work()
outer()
"""
# In a mount namespace of its own; $1: an empty directory, $2: the program, $3: its argument, $4:
# what it is called there, if not "inside". What then is in the directory cannot be seen from
# outside.
PREPARED = "set -e; mount --make-rprivate /; mount -t tmpfs none $1; cp $2 $1/${4:-inside}; cd $1; "
WAYS = {
    "mount": PREPARED + "exec $1/${4:-inside} $3",
    "chroot": PREPARED + "exec chroot . /inside",
    "pivot": PREPARED + "mkdir old; pivot_root . old; exec /inside",
    "pid": "exec unshare -pf --kill-child sh -c '" + PREPARED + "exec $1/inside' sh $1 $2",
}


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> str:
    """It needs no other file."""
    folder = tmp_path_factory.mktemp("inside")
    (folder / "program.c").write_text(PROGRAM)
    words = ["gcc", "-O0", "-fno-omit-frame-pointer", "-static", "-o", "program", "program.c"]
    if not shutil.which("gcc") or subprocess.run(words, cwd=folder, check=False).returncode:
        pytest.skip("needs gcc and a static C library")
    return str(folder / "program")


Start = "Callable[..., subprocess.Popen[bytes]]"


def command(way: str, place: Path, *words: str) -> list[str]:
    """What starts a program in one of the ways.

    Args:
        place: an empty directory.
    """
    return ["unshare", "-m", "sh", "-c", WAYS[way], "sh", str(place), *words]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Starts a program in one of the ways."""
    started = []
    place = tmp_path / "place"
    place.mkdir()

    def begin(way: str, *words: str, name: str = "inside") -> subprocess.Popen[bytes]:
        process = subprocess.Popen(command(way, place, *words), start_new_session=True)
        started.append(process)
        end = time.monotonic() + 10 * FACTOR
        names = ["ps", "-o", "comm=", "-s", str(process.pid)]
        while name not in subprocess.run(names, capture_output=True, text=True, check=False).stdout:
            if process.poll() is not None or time.monotonic() > end:
                pytest.skip("needs the right to make mount namespaces")
            time.sleep(0.05)
        assert not os.listdir(place)
        return process

    yield begin
    for process in started:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def folded(text: str) -> dict[str, float]:
    return {
        stack: float(weight)
        for stack, _, weight in (line.rpartition(" ") for line in text.splitlines())
        if stack.startswith(("inside;", "python-inside;"))
    }


def flame(*words: str) -> dict[str, float]:
    done = subprocess.run(
        [sys.executable, "-m", "prybee", "flame", "cpu", "-F", "499", "-d", "1500ms", *words],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = folded(done.stdout)
    assert found, done
    return found


def share(found: dict[str, float], *names: str) -> float:
    """The part of the weight whose stacks have these functions, one called by the other."""
    part = ";".join(names)
    return sum(weight for stack, weight in found.items() if part in stack) / sum(found.values())


@pytest.mark.parametrize("unwind", ["eh_frame", "fp"])
@pytest.mark.parametrize("way", WAYS)
def test_files_that_only_the_process_sees(
    start: Callable[..., subprocess.Popen[bytes]], program: str, way: str, unwind: str
) -> None:
    start(way, program)
    assert share(flame("--unwind", unwind), "main", "outer", "work") > 0.8


@pytest.mark.parametrize("way", ["mount", "pivot"])
def test_one_process(start: Callable[..., subprocess.Popen[bytes]], program: str, way: str) -> None:
    process = start(way, program)
    assert share(flame("-p", str(process.pid)), "main", "outer", "work") > 0.8


@pytest.mark.parametrize("way", ["mount", "chroot", "pid"])
def test_processes_that_end_before_their_functions_are_named(
    program: str, way: str, tmp_path: Path
) -> None:
    """And their files with them."""
    words = shlex.join(["timeout", "-s", "KILL", "1.5", *command(way, tmp_path, program)])
    done = subprocess.run(
        [sys.executable, "-m", "prybee", "flame", "cpu", "-F", "499", "-c", words],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    found = folded(done.stdout)
    assert found, done
    assert share(found, "main", "outer", "work") > 0.8, found


def test_python(start: Callable[..., subprocess.Popen[bytes]], tmp_path: Path) -> None:
    """An interpreter that is only there."""
    python = next((path for path in PYTHONS.values() if path.startswith("/usr/bin/")), "")
    if not python:
        pytest.skip("needs the system's Python, which finds its library from anywhere")
    script = tmp_path / "script.py"
    script.write_text(PYTHON)
    name = "python-inside"
    process = start("mount", os.path.realpath(python), str(script), name, name=name)
    time.sleep(0.3)
    assert share(flame("-p", str(process.pid)), "outer_[p]", "work_[p]") > 0.8
    assert share(flame(), "outer_[p]", "work_[p]") > 0.8
