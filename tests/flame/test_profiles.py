"""Profiles of programs whose behaviour is known."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import termios
import time
from pathlib import Path

import pytest

import prybee
from prybee.cli import main
from prybee.flame.profiling import KINDS

PROGRAM = r"""
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define KEEP __attribute__((noinline))
volatile unsigned sink;

/* The C library has no frame pointers: what is asked of the kernel is asked here. */
static inline long ask(long what, long a, long b, long c, long d) {
    long result;
    register long r10 __asm__("r10") = d;
    __asm__ volatile("syscall" : "=a"(result) : "0"(what), "D"(a), "S"(b), "d"(c), "r"(r10)
                     : "rcx", "r11", "memory");
    return result;
}
static double cpu(void) {
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}
KEEP void busy(double until) {
    while (cpu() < until)
        for (int i = 0; i < 10000; i++)
            sink += i;
}
KEEP void most(void) { busy(cpu() + 0.07); sink++; }
KEEP void rest(void) { busy(cpu() + 0.03); sink++; }
KEEP void sleeper(void) {
    struct timespec nap = {0, 20000000};
    ask(SYS_nanosleep, (long)&nap, 0, 0, 0);
    sink++;
}
KEEP void toucher(void) {
    for (int n = 0; n < 20; n++) {
        volatile char *p = malloc(1 << 20);
        for (int i = 0; i < 1 << 20; i += 4096)
            p[i] = 1;
        free((void *)p);
    }
    sink++;
}
KEEP void allocates(void) {
    void *volatile p = malloc(3000);
    void *volatile q = calloc(10, 100);
    free(p);
    free(q);
    sink++;
}
static int word = 1;
KEEP void waiter(void) {
    ask(SYS_futex, (long)&word, 0, 1, 0);
    sink++;
}
void *waker(void *arg) {
    usleep(100000);
    word = 0;
    ask(SYS_futex, (long)&word, 1, 1, 0);
    return arg;
}
int main(int argc, char **argv) {
    const char *what = argc > 1 ? argv[1] : "";
    if (!strcmp(what, "busy"))
        for (int n = 0; n < 15; n++) { most(); rest(); }
    if (!strcmp(what, "sleep"))
        for (int n = 0; n < 30; n++) sleeper();
    if (!strcmp(what, "touch")) toucher();
    if (!strcmp(what, "allocate"))
        for (int n = 0; n < 4000; n++) allocates();
    if (!strcmp(what, "lock")) {
        pthread_t thread;
        pthread_create(&thread, 0, waker, 0);
        waiter();
        pthread_join(thread, 0);
    }
    return 0;
}
"""

# Compiled without frame pointers, as libraries are.
BARE = r"""
#include <stdlib.h>
volatile long sink;
__attribute__((noinline)) int compare(const void *a, const void *b) {
    for (int i = 0; i < 50; i++) sink += i;
    return *(const int *)a - *(const int *)b;
}
__attribute__((noinline)) void sorter(int *v, int n) {
    for (int i = 0; i < n; i++) v[i] = (i * 7919) % n;
    qsort(v, n, sizeof *v, compare);
    sink++;
}
__attribute__((noinline)) void outer(int *v, int n) { sorter(v, n); sink++; }
int main(void) {
    static int v[1000];
    for (;;) outer(v, 1000);
}
"""
# Writes a function into memory, and its name to where JIT compilers do.
JIT = r"""
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>
volatile long sink;
/* push %rbp; mov %rsp,%rbp; 1: dec %rdi; jnz 1b; pop %rbp; ret */
static const char code[] = "\x55\x48\x89\xe5\x48\xff\xcf\x75\xfb\x5d\xc3";
__attribute__((noinline)) void calls(void (*f)(long)) { f(10000000); sink++; }
int main(void) {
    char name[64], *p = mmap(0, 4096, 7, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memcpy(p, code, sizeof code);
    sprintf(name, "/tmp/perf-%d.map", getpid());
    FILE *f = fopen(name, "w");
    fprintf(f, "%lx %zx LazyCompile:~spin\n", (long)p, sizeof code);
    fclose(f);
    clock_t end = clock() + CLOCKS_PER_SEC;
    while (clock() < end) calls((void (*)(long))p);
}
"""
INLINED = r"""
#include <time.h>
volatile long sink;
static inline __attribute__((always_inline)) void spin(void) {
    for (int i = 0; i < 100000; i++) sink += i;
}
int main(void) {
    clock_t end = clock() + CLOCKS_PER_SEC / 2;
    while (clock() < end) spin();
}
"""

pytestmark = pytest.mark.live


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("program")
    (folder / "known.c").write_text(PROGRAM)
    command = ["gcc", "-O1", "-g", "-fno-omit-frame-pointer", "-fno-optimize-sibling-calls"]
    subprocess.run([*command, "-pthread", "-o", folder / "known", folder / "known.c"], check=True)
    return folder / "known"


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bare")
    (folder / "known.c").write_text(BARE)
    command = ["gcc", "-O2", "-fomit-frame-pointer", "-fno-optimize-sibling-calls"]
    subprocess.run([*command, "-o", folder / "known", folder / "known.c"], check=True)
    return folder / "known"


def profile(kind: str, command: str, *words: str) -> dict[str, float]:
    """Folded stacks and their weights, by the command itself."""
    done = subprocess.run(
        [sys.executable, "-m", "prybee", "flame", kind, "-c", command, *words],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    found = {}
    for line in done.stdout.splitlines():
        stack, _, weight = line.rpartition(" ")
        if stack.startswith("known"):
            found[stack] = float(weight)
    assert found, done.stderr
    return found


def share(found: dict[str, float], function: str) -> float:
    """The part of the weight whose stacks have a function."""
    with_it = sum(weight for stack, weight in found.items() if function in stack.split(";"))
    return with_it / sum(found.values())


def test_a_busy_function(program: Path) -> None:
    found = profile("cpu", f"{program} busy", "-F", "999")
    inside = {stack: w for stack, w in found.items() if "busy" in stack.split(";")}
    assert sum(inside.values()) > 0.9 * sum(found.values())
    assert 0.65 < share(inside, "most") < 0.75
    assert 0.25 < share(inside, "rest") < 0.35
    assert all("main" in stack.split(";") for stack in inside)


def test_a_sleeper(program: Path) -> None:
    found = profile("off", f"{program} sleep")
    asleep = {s: w for s, w in found.items() if "sleeper" in s.split(";")}
    assert sum(asleep.values()) > 30 * 20e6
    # The kernel's frames stand on the program's.
    stack = max(asleep, key=asleep.__getitem__).split(";")
    assert stack.index("main") < stack.index("sleeper") < stack.index("schedule_[k]")


@pytest.mark.slow
def test_the_clock_on_the_wall(program: Path) -> None:
    busy = profile("wall", f"{program} busy", "-F", "499")
    asleep = profile("wall", f"{program} sleep", "-F", "499")
    assert share(asleep, "off CPU") > 0.8
    assert sum(w for s, w in busy.items() if s.startswith("known;on CPU")) == pytest.approx(
        1.5e9, rel=0.15
    )


def test_a_command_and_what_it_starts(program: Path) -> None:
    """Nothing else is seen: neither prybee nor what runs beside it."""
    other = subprocess.Popen([program, "busy"])
    try:
        done = subprocess.run(
            [sys.executable, "-m", "prybee", "flame", "syscall",
             "-c", f"sh -c '{program} sleep; true'"],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
    finally:
        other.kill()
        other.wait()
    naps = [line for line in done.stdout.splitlines() if line.startswith("known;nanosleep;")]
    assert sum(int(line.rpartition(" ")[2]) for line in naps) == 30
    names = {line.partition(";")[0] for line in done.stdout.splitlines()}
    # Before it is the command, the process is a copy of prybee.
    assert {"known", "sh"} <= names
    assert not [line for line in done.stdout.splitlines() if "Session" in line]


def test_page_faults(program: Path) -> None:
    assert share(profile("faults", f"{program} touch"), "toucher") > 0.5


def test_allocations(program: Path) -> None:
    found = profile("alloc", f"{program} allocate")
    asked = {"malloc": 0.0, "calloc": 0.0}
    for stack, weight in found.items():
        frames = stack.split(";")
        if frames[-1] in asked and frames[-2] == "allocates" and "main" in frames:
            asked[frames[-1]] += weight
    # A stack is taken for each half a mebibyte.
    assert sum(asked.values()) == pytest.approx(4000 * 4000, rel=0.1)
    assert asked["malloc"] > asked["calloc"]


def test_locks(program: Path) -> None:
    found = profile("lock", f"{program} lock")
    waited = sum(w for s, w in found.items() if "waiter" in s.split(";"))
    assert 40e6 < waited < 400e6


def test_system_calls(program: Path) -> None:
    found = profile("syscall", f"{program} sleep")
    naps = {s: w for s, w in found.items() if s.split(";")[1] == "nanosleep"}
    assert sum(naps.values()) == 30


def test_who_wakes_whom(program: Path) -> None:
    """The thread that ends the wait, and the system call that does it."""
    found = profile("wake", f"{program} lock")
    stack = max((s for s in found if "waker" in s.split(";")), key=found.__getitem__).split(";")
    assert stack[:2] == ["known", "known"]
    assert stack.index("waker") < stack.index("try_to_wake_up_[k]")
    assert any("futex" in frame for frame in stack)


@pytest.mark.slow
def test_wake_ups(program: Path) -> None:
    # The timer's interrupt wakes it: whoever runs then is on the stack.
    done = subprocess.run(
        [sys.executable, "-m", "prybee", "flame", "wake", "-d", "1s"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "try_to_wake_up_[k]" in done.stdout


@pytest.mark.slow
def test_code_without_frame_pointers(bare: Path) -> None:
    """The C library calls back: all frames are there by ``.eh_frame``, few by frame pointers."""
    whole = ["main", "outer", "sorter"]
    for words, low, high in (([], 0.9, 1.0), (["--unwind", "fp"], 0.0, 0.5)):
        found = profile("cpu", str(bare), "-F", "499", "-d", "2s", *words)
        inside = {s: w for s, w in found.items() if s.split(";")[-1] == "compare"}
        good = sum(
            w
            for s, w in inside.items()
            if [f for f in s.split(";") if f in whole] == whole
            and any("qsort" in f for f in s.split(";"))
        )
        assert low <= good / sum(inside.values()) <= high, found


def test_the_cost_is_told(program: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "prybee", "flame", "cpu", "-d", "300ms"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert re.search(
        r"^cost: \d+\.\d\d % of one CPU in \d+\.\d s: \d+\.\d\d % for \d+ runs of programs, "
        r"\d+\.\d\d % for prybee; no samples lost$",
        done.stderr, re.MULTILINE,
    ), done.stderr  # fmt: skip


@pytest.mark.slow
def test_inlined_functions(tmp_path: Path) -> None:
    (tmp_path / "inlined.c").write_text(INLINED)
    path = tmp_path / "known"
    subprocess.run(["gcc", "-O2", "-g", "-o", path, tmp_path / "inlined.c"], check=True)
    plain = profile("cpu", str(path), "-F", "499")
    assert not any("main;spin" in stack for stack in plain)
    found = profile("cpu", str(path), "-F", "499", "--inline")
    with_it = sum(w for s, w in found.items() if "main;spin_[i]" in s)
    assert with_it > 0.8 * sum(found.values()), found


@pytest.mark.slow
def test_every_kind_makes_a_page(program: Path, tmp_path: Path) -> None:
    for kind in KINDS:
        out = tmp_path / f"{kind.name}.html"
        words = ["flame", kind.name, "-d", "200ms", "-o", str(out)]
        done = subprocess.run(
            [sys.executable, "-m", "prybee", *words], capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        assert "<title>" in out.read_text()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["cpu", "-d", "soon"], "-d soon: no duration"),
        (["cpu", "-F", "0"], "from 1 to 100000 samples a second"),
        (["cpu", "-p", "1", "-c", "true"], "either -p or -c or --cgroup"),
        (["cpu", "-p", "99999999"], "no such process: 99999999"),
        (["off", "-o", "x.gif"], "which format?"),
        (["off", "--cgroup", "x", "-p", "1"], "either -p or -c or --cgroup"),
        (["off", "--cgroup", "x"], "--cgroup x: no control group"),
        (["cpu", "-e", "cycels"], "did you mean cycles?"),
        (["cpu", "--live"], "--live: to a terminal, or with -o FILE"),
    ],
)
def test_mistakes(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["flame", *words]) == 1
    assert said in capsys.readouterr().err


@pytest.mark.slow
def test_code_of_a_jit_compiler(tmp_path: Path) -> None:
    """Its names are in a file in /tmp; it has frame pointers, and stands on what called it."""
    (tmp_path / "known.c").write_text(JIT)
    path = tmp_path / "known"
    subprocess.run(
        ["gcc", "-O2", "-fomit-frame-pointer", "-o", path, tmp_path / "known.c"], check=True
    )
    before = set(Path("/tmp").glob("perf-*.map"))
    try:
        found = profile("cpu", str(path), "-F", "499")
    finally:
        for left in set(Path("/tmp").glob("perf-*.map")) - before:
            left.unlink()
    inside = sum(w for s, w in found.items() if "main;calls;LazyCompile:~spin_[j]" in s)
    assert inside > 0.8 * sum(found.values()), found


@pytest.mark.slow
def test_a_control_group(program: Path) -> None:
    """Processes of it and of those below are seen, no others."""
    from prybee.flame import scripting

    folder = Path(scripting.unified()) / f"prybee-{os.getpid()}"
    try:
        (folder / "below").mkdir(parents=True)
    except OSError as error:
        pytest.skip(f"needs control groups of version 2: {error}")
    started = [subprocess.Popen([program, "busy"]) for _ in range(2)]
    try:
        (folder / "below/cgroup.procs").write_text(str(started[0].pid))
        done = subprocess.run(
            [sys.executable, "-m", "prybee", "flame", "wall", "--cgroup", str(folder), "-d", "1s"],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        lines = done.stdout.splitlines()
        assert lines
        assert all(line.startswith("known;") for line in lines), lines
        # Of one of the two: no more than the time that there was.
        assert sum(float(line.rpartition(" ")[2]) for line in lines) < 2.5e9
    finally:
        for process in started:
            process.kill()
            process.wait()
        (folder / "below").rmdir()
        folder.rmdir()


@pytest.mark.slow
def test_live(program: Path, tmp_path: Path) -> None:
    """The file is there, whole, long before the end, and is written anew."""
    out = tmp_path / "live.folded"
    words = ["flame", "cpu", "--live", "-c", f"{program} busy", "-o", str(out)]
    process = subprocess.Popen([sys.executable, "-m", "prybee", *words], stderr=subprocess.DEVNULL)
    seen = []
    while process.poll() is None:
        if out.exists() and (text := out.read_text()) not in seen:
            seen.append(text)
        time.sleep(0.05)
    assert process.wait() == 0
    totals = [sum(float(line.rpartition(" ")[2]) for line in text.splitlines()) for text in seen]
    assert len(totals) > 1
    assert totals == sorted(totals)
    assert [path.name for path in tmp_path.iterdir()] == ["live.folded"]


@pytest.mark.slow
def test_live_in_a_terminal(program: Path) -> None:
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
    words = ["flame", "cpu", "--live", "-c", f"{program} busy", "-F", "499"]
    process = subprocess.Popen(
        [sys.executable, "-m", "prybee", *words], stdout=slave, stderr=subprocess.DEVNULL
    )
    os.close(slave)
    text = b""
    try:
        while piece := os.read(master, 65536):
            text += piece
    except OSError:  # its other end is closed
        pass
    assert process.wait() == 0
    os.close(master)
    screens = text.split(b"\x1b[H")[1:]
    assert len(screens) > 1
    assert all(screen.count(b"\n") < 40 for screen in screens)
    assert b"main" in screens[-1]
    assert b"busy" in screens[-1]


@pytest.mark.slow
def test_without_root(program: Path, tmp_path: Path) -> None:
    """One's own process by perf events: its functions, and what is missing is said."""
    if not shutil.which("setpriv"):
        pytest.skip("needs setpriv")
    if int(Path("/proc/sys/kernel/perf_event_paranoid").read_text()) > 2:
        pytest.skip("the kernel samples nothing for users without privileges")
    # Where that user may read it.
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        os.chmod(folder, 0o755)
        path = shutil.copy(program, f"{folder}/known")
        source = str(Path(prybee.__file__).parent.parent)
        python = shutil.which("python3", path="/usr/bin:/usr/local/bin")
        words = ["setpriv", "--reuid", "65534", "--clear-groups", "env", f"PYTHONPATH={source}"]
        check = [
            *words,
            python or sys.executable,
            "-c",
            "import prybee, ctypes, sys; sys.exit(sys.version_info < (3, 11))",
        ]
        if subprocess.run(check, capture_output=True, check=False).returncode:
            pytest.skip("needs a Python that other users can run")
        done = subprocess.run(
            [*words, python or sys.executable, "-m", "prybee", "flame", "cpu", "-F", "499", "-c",
             f"{path} busy"],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
    found = {}
    for line in done.stdout.splitlines():
        stack, _, weight = line.rpartition(" ")
        found[stack] = float(weight)
    assert 0.6 < share(found, "most") < 0.8, found
    assert share(found, "main") > 0.9
    assert not any("_[k]" in stack for stack in found)
    assert "of others their own code, by perf events" in done.stderr
    assert "without root only this process's own code is seen, by frame pointers" in done.stderr
