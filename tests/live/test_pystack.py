"""``pystack``: Python functions of running interpreters, walked in the kernel."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.live.tracing import Trace, run
from tests.patience import FACTOR
from tests.pythons import PYTHONS

pytestmark = pytest.mark.live

TARGET = Path(__file__).parent.parent / "python_target.py"
LINES = {
    match[1]: number
    for number, text in enumerate(TARGET.read_text().splitlines(), 1)
    if (match := re.search(r"# at: (\w+)$", text))
}
KEY = re.compile(r"^@\w*\[\n(.*?)\]: (\d+)$", re.M | re.S)
FRAME = re.compile(r"^ +(.+) \((.*?)(?::(\d+))?\)$")
# Frames that every thread begins with.
THREAD = ("Thread.run", "Thread._bootstrap_inner", "Thread._bootstrap")

everywhere = pytest.mark.parametrize("python", PYTHONS.values(), ids=PYTHONS)
ENDS = {name: PYTHONS[name] for name in (*PYTHONS,)[:: max(1, len(PYTHONS) - 1)]}
oldest_and_newest = pytest.mark.parametrize("python", ENDS.values(), ids=ENDS)


class Target:
    """The program, which waits; a context manager."""

    def __init__(self, python: str, seconds: float) -> None:
        self.process = subprocess.Popen(
            [python, TARGET, str(seconds * FACTOR)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8",
            env={**os.environ, "PYTHONUTF8": "1"},
        )  # fmt: skip
        self.expect("ready")

    def expect(self, word: str) -> None:
        assert self.process.stdout is not None
        assert self.process.stdout.readline().strip() == word

    def work(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        self.expect("done")

    def __enter__(self) -> Target:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            pipe.close()


def stacks(text: str) -> Counter[tuple[tuple[str, str, int], ...]]:
    """Stacks as printed: (function, file, line) of each frame, innermost first; and counts."""
    found: Counter[tuple[tuple[str, str, int], ...]] = Counter()
    for frames, count in KEY.findall(text):
        stack = []
        for line in frames.splitlines():
            match = FRAME.match(line)
            assert match, line
            stack.append((match[1], match[2], int(match[3] or 0)))
        found[tuple(stack)] += int(count)
    return found


def has(found: Counter[tuple[tuple[str, str, int], ...]], *functions: str) -> list[int]:
    """The lines of a chain of functions, innermost first, wherever one is on a stack."""
    for stack in found:
        names = [name for name, _, _ in stack]
        for at in range(len(names)):
            if names[at : at + len(functions)] == list(functions):
                return [line for _, _, line in stack[at : at + len(functions)]]
    raise AssertionError(f"{functions} in none of {[[f[0] for f in s[:4]] for s in found]}")


@everywhere
def test_functions_and_lines(python: str) -> None:
    with Target(python, 1.5) as target:
        pid = target.process.pid
        with Trace("-p", str(pid), "-e", "profile:hz:199 { @[pystack] = count(); }") as trace:
            target.work()
            found = stacks(trace.finish())
    assert has(found, "spin", "Counter.step", "repeat", *THREAD)[1] == LINES["step"]
    assert has(found, "spin", "Counter.static.<locals>.<lambda>", "Counter.static", "repeat")
    generators = has(found, "spin", "values", "delegate", "consume", *THREAD)
    assert generators[1:4] == [LINES["values"], LINES["delegate"], LINES["consume"]]
    # Coroutines; what runs them is asyncio.
    assert has(found, "spin", "inner", "outer", "forever")[1:3] == [LINES["inner"], LINES["outer"]]
    # Through C code: sorted() calls back.
    assert has(found, "by_key", "sort", "repeat")[1] == LINES["sort"]
    assert has(found, "search", "search", "repeat")
    assert has(found, "spin", "größe", "函数", "repeat")
    long = next(name for stack in found for name, _, _ in stack if name.startswith("name_that_is"))
    assert len(long) == 129
    assert long.endswith("…")
    # A recursion of 20, and one of which 127 frames are kept.
    depths = {
        (len(stack), sum(name == "descend" for name, _, _ in stack), stack[-1][0])
        for stack in found
        if any(name == "descend" for name, _, _ in stack)
    }
    assert (26, 21, "Thread._bootstrap") in depths, depths
    assert (127, 126, "descend") in depths, depths
    # Nothing else was seen: no frame without a name, and of a thread either nothing or all.
    for stack in found:
        assert all(name != "[unknown]" for name, _, _ in stack)
        if 0 < len(stack) < 127:
            assert stack[-1][0] in ("<module>", "Thread._bootstrap"), stack
    in_spin = {line for stack in found for name, _, line in stack if name == "spin"}
    # From `def`, where a call begins (RESUME), to `return`.
    assert in_spin <= {LINES["spin"] + more for more in (-3, -2, -1, 0, 1)}
    assert LINES["spin"] in in_spin
    empty = found[()]
    assert empty <= found.total() * 0.1, (empty, found.total())


@oldest_and_newest
def test_a_program_from_its_start_to_its_end(python: str) -> None:
    """The process has gone when its functions are named."""
    code = "def busy():\n    for _ in range(9000000): pass\nbusy()"
    done = run(
        "-q", "-c", f"{python} -c '{code}'",
        "-e", "profile:hz:199 /pid == cpid/ { @[pystack] = count(); }",
    )  # fmt: skip
    found = stacks(done.stdout)
    assert has(found, "busy", "<module>") == [0, 0], done
    busy = sum(count for stack, count in found.items() if stack and stack[0][0] == "busy")
    assert busy > found.total() / 2, found


@pytest.fixture
def forking(tmp_path: Path) -> str:
    path = tmp_path / "forking.py"
    path.write_text(
        "import os\n"
        "def child():\n    for _ in range(9000000): pass\n"
        "if not os.fork():\n    child()\n    os._exit(0)\n"
        "os.wait()\n"
    )
    return str(path)


@oldest_and_newest
def test_a_forked_process(python: str, forking: str) -> None:
    """It has its parent's objects, and a thread with another id."""
    done = run(
        "-q", "-c", f"{python} {forking}",
        "-e", "profile:hz:199 /ppid == cpid/ { @[pystack] = count(); }",
    )  # fmt: skip
    found = stacks(done.stdout)
    assert has(found, "child", "<module>"), done


def test_limits_and_lengths() -> None:
    with Target(sys.executable, 1.0) as target:
        script = "profile:hz:199 { @[pystack(2)] = count(); @len[len(pystack)] = count(); }"
        with Trace("-p", str(target.process.pid), "-e", script) as trace:
            target.work()
            text = trace.finish()
    found = stacks(text)
    assert {len(stack) for stack in found} <= {0, 1, 2}
    assert any(len(stack) == 2 for stack in found)
    lengths = {int(length) for length in re.findall(r"^@len\[(\d+)\]", text, re.M)}
    assert {26, 127} <= lengths


def test_other_processes_have_none() -> None:
    done = run("-q", "-c", "sleep 0", "-e", "tracepoint:syscalls:sys_enter_* /comm == \"sleep\"/ "
               "{ @[len(pystack)] = count(); }")  # fmt: skip
    assert re.findall(r"^@\[(\d+)\]", done.stdout, re.M) == ["0"], done


def test_in_records() -> None:
    """Stacks that are printed at once, while the process goes on."""
    # At the first stack of all it may not be known yet that this is Python.
    code = (
        "import os, time\ndef outer():\n    os.getppid()\n"
        "for _ in range(20):\n    outer()\n    time.sleep(0.02)"
    )
    done = run(
        "-q", "-c", f"{sys.executable} -c '{code}'",
        "-e", 'tracepoint:syscalls:sys_enter_getppid /pid == cpid/ { printf("%s|", pystack); }',
    )  # fmt: skip
    assert done.stdout.count("|") == 20
    assert "        outer (<string>:3)\n        <module> (<string>:5)\n|" in done.stdout, done


@pytest.mark.parametrize(
    ("call", "words"),
    [
        ("pystack(0)", "pystack([int limit]): the limit is a number from 1 to 1024"),
        ("pystack(1025)", "pystack([int limit]): the limit is a number from 1 to 1024"),
        ("pystack(pid)", "pystack([int limit]): the limit is a number from 1 to 1024"),
        ("pystack(1, 2)", "pystack() takes up to one argument (2 provided)"),
    ],
)
def test_misuse(call: str, words: str) -> None:
    done = run("-e", f"begin {{ @ = {call}; }}")
    assert done.returncode == 1
    assert words in done.stderr


def test_a_python_that_is_not_known() -> None:
    """It is told, and the samples are there, without frames."""
    older = [*Path("~/.pyenv/versions").expanduser().glob("3.10*/bin/python3.10")]
    if not older:
        pytest.skip("no older Python on this machine")
    done = run(
        "-q", "-c", f"{older[0]} -c 'for _ in range(9000000): pass'",
        # Before it begins, the process that it will be is one of prybee's own Python.
        "-e", 'profile:hz:99 /pid == cpid && comm == "python3.10"/ { @[pystack] = count(); }',
    )  # fmt: skip
    assert "WARNING: Python frames were not looked for: CPython before 3.11 (pid " in done.stderr
    assert set(stacks(done.stdout)) == {()}
