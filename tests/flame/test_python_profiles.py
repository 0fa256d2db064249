"""Profiles of Python programs whose behaviour is known."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.pythons import PYTHONS

PRYBEE = [sys.executable, "-m", "prybee"]
# 70 and 30 % of the time in two functions; sorting in a third, by the interpreter's own C code.
PROGRAM = """
import sys, threading, time
def burn(seconds):
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        sum(range(400))
def most():
    burn(0.07)
def rest():
    burn(0.03)
def both():
    for _ in range(8):
        most()
        rest()
def sleeper():
    for _ in range(20):
        time.sleep(0.02)
def waiter(lock):
    with lock:
        pass
def lock():
    time.sleep(0.5)  # Until it is known that this is Python.
    lock = threading.Lock()
    lock.acquire()
    thread = threading.Thread(target=waiter, args=(lock,))
    thread.start()
    time.sleep(0.2)
    lock.release()
    thread.join()
{"busy": both, "sleep": sleeper, "lock": lock}[sys.argv[1]]()
"""

everywhere = pytest.mark.parametrize("python", PYTHONS.values(), ids=PYTHONS)


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("python") / "known.py"
    path.write_text(PROGRAM)
    return path


def profile(kind: str, command: str, *words: str) -> tuple[dict[str, float], str]:
    """Folded stacks that have Python functions, with their weights, and what was said."""
    done = subprocess.run(
        [*PRYBEE, "flame", kind, "-c", command, *words],
        capture_output=True, text=True, check=False, env={**os.environ, "PYTHONUTF8": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = {}
    for line in done.stdout.splitlines():
        stack, _, weight = line.rpartition(" ")
        if "_[p]" in stack:
            found[stack] = float(weight)
    assert found, done
    return found, done.stderr


def share(found: dict[str, float], function: str, among: str = "") -> float:
    """The part of the weight of stacks with a function ``among`` whose stacks have another."""
    among = among or function
    base = sum(weight for stack, weight in found.items() if among in stack.split(";"))
    with_it = sum(
        weight for stack, weight in found.items() if {function, among} <= set(stack.split(";"))
    )
    return with_it / base


@pytest.mark.live
@everywhere
def test_a_busy_function(program: Path, python: str) -> None:
    found, said = profile("cpu", f"{python} {program} busy", "-F", "999")
    assert share(found, "most_[p]", "both_[p]") == pytest.approx(0.7, abs=0.05), (found, said)
    assert share(found, "rest_[p]", "both_[p]") == pytest.approx(0.3, abs=0.05)
    for stack in found:
        functions = ";".join(frame for frame in stack.split(";") if frame.endswith("_[p]"))
        if "burn_[p]" in functions:
            assert re.fullmatch(
                r"<module>_\[p\];both_\[p\];(most|rest)_\[p\];burn_\[p\]", functions
            )


@pytest.mark.slow
@pytest.mark.live
@pytest.mark.needs("helper:loop")
def test_among_native_frames(program: Path) -> None:
    """Under the functions is the interpreter's main program, on them the C code that they call."""
    python = next(iter(PYTHONS.values()))
    found, said = profile("cpu", f"{python} {program} busy", "-F", "999")
    woven = [
        stack for stack in found
        if re.search(r"(?<!_\[p\]);<module>_\[p\].*;burn_\[p\];[^;]+", stack)
        and not stack.partition(";")[2].startswith("<module>")
    ]  # fmt: skip
    assert sum(found[stack] for stack in woven) > sum(found.values()) / 3, (found, said)
    assert not any("_PyEval_EvalFrameDefault" in stack for stack in woven)


@pytest.mark.slow
@pytest.mark.live
def test_waiting(program: Path) -> None:
    python = [*PYTHONS.values()][-1]
    found, _ = profile("off", f"{python} {program} sleep")
    slept = sum(weight for stack, weight in found.items() if "sleeper_[p]" in stack)
    assert slept > 0.3e9, found
    assert any(re.search(r"sleeper_\[p\].*nanosleep.*_\[k\]", stack) for stack in found), found
    found, _ = profile("lock", f"{python} {program} lock")
    assert sum(weight for stack, weight in found.items() if "waiter_[p]" in stack) > 0.1e9, found


@pytest.mark.slow
@pytest.mark.live
def test_without_python(program: Path) -> None:
    done = subprocess.run(
        [*PRYBEE, "flame", "cpu", "--no-python", "-c", f"{sys.executable} {program} busy"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout
    assert "_[p]" not in done.stdout


@pytest.mark.parametrize(
    ("python", "kind"),
    [*((python, "cpu") for python in PYTHONS.values()), (sys.executable, "wall")],
    ids=[*PYTHONS, "wall"],
)
def test_by_reading_memory(program: Path, python: str, kind: str) -> None:
    found, said = profile(kind, f"{python} {program} busy", "--read-memory", "-F", "999")
    most = "on CPU;" if kind == "wall" else ""
    on_cpu = {stack: weight for stack, weight in found.items() if most in stack}
    assert share(on_cpu, "most_[p]", "both_[p]") == pytest.approx(0.7, abs=0.07), (found, said)
    assert all(
        frame.endswith("_[p]") for s in on_cpu for frame in s.split(most or ";")[-1].split(";")
    )


def test_sleeping_by_reading_memory(program: Path) -> None:
    found, _ = profile("wall", f"{sys.executable} {program} sleep", "--read-memory")
    slept = {s: weight for s, weight in found.items() if "off CPU;" in s and "sleeper_[p]" in s}
    assert sum(slept.values()) > 0.25e9, found


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("-c", "sleep 0.3"), "cannot be read: it runs no CPython"),
        ((), "prybee flame cpu --read-memory: of which process? -p or -c"),
        (("-p", "1", "-F", "0"), "-F 0: from 1 to 100000 samples a second"),
    ],
)
def test_what_cannot_be_read(words: tuple[str, ...], said: str) -> None:
    done = subprocess.run(
        [*PRYBEE, "flame", "cpu", "--read-memory", *words],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_unknown_interpreters() -> None:
    older = [*Path("~/.pyenv/versions").expanduser().glob("3.10*/bin/python3.10")]
    if not older:
        pytest.skip("no older Python on this machine")
    command = f"{older[0]} -c 'import time; time.sleep(0.5)'"
    done = subprocess.run(
        [*PRYBEE, "flame", "cpu", "--read-memory", "-c", command],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "cannot be read: CPython before 3.11" in done.stderr


# Programs that have of an interpreter what tells it, and do something else.
FREE_THREADED = """
struct { char cookie[8]; unsigned long version, free_threaded, rest[200]; }
_PyRuntime = { "xdebugpy", 0x030e00f0, 1 };
"""
PYPY = "const char *PyPy_GetVersion(void) { return 0; }"
MAIN = """
#include <time.h>
int main(void) { while (clock() < 600000) ; }
"""


@pytest.mark.parametrize(
    ("name", "what", "reason"),
    [
        (
            "python3.14t",
            FREE_THREADED,
            "CPython 3.14 without the global lock (free-threaded), whose frames cannot be read",
        ),
        ("pypy3.11", PYPY, "PyPy, whose frames cannot be read"),
    ],
    ids=["free-threaded", "pypy"],
)
@pytest.mark.parametrize("by_memory", [False, True], ids=["ebpf", "memory"])
@pytest.mark.live
def test_interpreters_that_are_told(
    tmp_path: Path, name: str, what: str, reason: str, by_memory: bool
) -> None:
    """In words: there are no wrong frames, but native ones."""
    if not shutil.which("gcc"):
        pytest.skip("needs gcc")
    (tmp_path / "program.c").write_text(what + MAIN)
    subprocess.run(["gcc", "-o", tmp_path / name, tmp_path / "program.c"], check=True)
    words = ["flame", "cpu", "-F", "499", "-c", str(tmp_path / name)]
    done = subprocess.run(
        [*PRYBEE, *words, *(["--read-memory"] if by_memory else [])],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    # Until it is the program, the process is one of prybee's own Python.
    lines = [line for line in done.stdout.splitlines() if ";_start_child_[p];" not in line]
    assert not [line for line in lines if "_[p]" in line]
    if by_memory:
        assert done.returncode == 1
        assert f"cannot be read: {reason}" in done.stderr
    else:
        assert done.returncode == 0
        assert f"{name};" in done.stdout
        assert re.search(
            rf"WARNING: Python frames were not looked for: {re.escape(reason)} \(pid \d+\)",
            done.stderr,
        )
