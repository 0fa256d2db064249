"""Watchpoints: the memory of programs and of the kernel, read, written and executed."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from prybee.linux import features
from tests.live.tracing import Trace, run

pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(shutil.which("gcc") is None, reason="builds a program to watch: needs gcc"),
    pytest.mark.skipif(not features.probe("watchpoint"), reason="this machine cannot watch memory"),
]

BASE = 0x10000000
CODE = BASE + 4096

VENDOR = Path("/sys/class/dmi/id/sys_vendor")
EMULATED = VENDOR.exists() and VENDOR.read_text().strip() == "QEMU"

# What it does is in its first argument; its memory is always at the same place.
PROGRAM = r"""
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define BASE 0x10000000
#define AT(type, offset) (*(volatile type *)(BASE + (offset)))

static void use(void)
{
    for (int i = 0; i < 5; i++)
        AT(uint32_t, 0) = i;
    for (int i = 0; i < 3; i++)
        (void)AT(uint32_t, 0);
    AT(uint64_t, 8) = 1;
    AT(uint64_t, 8) = 2;
    AT(uint8_t, 16) = 1;
    AT(uint8_t, 17) = 2;
    AT(uint16_t, 18) = 3;
}

static void *work(void *unused)
{
    use();
    return unused;
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";
    const unsigned char code[] = { 0x90, 0xc3 }; /* nop; ret */
    pthread_t thread;
    char line[2];

    if (mmap((void *)BASE, 8192, PROT_READ | PROT_WRITE | PROT_EXEC,
         MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED)
        return 1;
    memcpy((void *)(BASE + 4096), code, sizeof(code));
    if (!strcmp(what, "use")) {
        use();
    } else if (!strcmp(what, "thread")) {
        pthread_create(&thread, 0, work, 0);
        pthread_join(thread, 0);
    } else if (!strcmp(what, "child")) {
        if (fork())
            wait(0);
        else
            use();
    } else if (!strcmp(what, "call")) {
        ((void (*)(void))(BASE + 4096))();
        ((void (*)(void))(BASE + 4097))();
    } else if (!strcmp(what, "kernel")) {
        /* The kernel writes there for us. */
        int pipes[2];
        if (pipe(pipes) || write(pipes[1], "abcd", 4) != 4 ||
            read(pipes[0], (void *)BASE, 4) != 4)
            return 1;
    } else {
        puts("ready");
        fflush(stdout);
        while (read(0, line, 1) == 1)
            AT(uint32_t, line[0] < 'a' ? 8 : 0) = line[0];
    }
    return 0;
}
"""


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("watched")
    (folder / "watched.c").write_text(PROGRAM)
    path = folder / "watched"
    subprocess.run(["gcc", "-O1", "-g0", "-pthread", "-o", path, folder / "watched.c"], check=True)
    return path


@pytest.fixture
def waiting(program: Path) -> Iterator[subprocess.Popen[bytes]]:
    """The program, which writes to its memory for each letter that it reads."""
    with subprocess.Popen(
        [program, "wait"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        yield process
        process.kill()


VARIABLE = r"""
#include <stdio.h>
static volatile long counter;
int main(int count, char **words)
{
    if (count > 1) {
        counter = words[0][0];
        return counter == 0;
    }
    puts("ready");
    fflush(stdout);
    while (getchar() == 'w')
        counter++;
    return 0;
}
"""


def test_variables_of_a_program(tmp_path: Path) -> None:
    """By name, in a program that is put somewhere else each time, and in one that is not."""
    (tmp_path / "main.c").write_text(VARIABLE)
    for how in ("-pie", "-no-pie"):
        path = tmp_path / f"program{how}"
        subprocess.run(["gcc", "-fPIE", how, "-o", path, tmp_path / "main.c"], check=True)
        script = f"watchpoint:{path}:counter:8:w {{ @[probe] = count(); }}"
        with subprocess.Popen([path], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
            with Trace("-p", str(process.pid), "-e", script) as trace:
                process.stdin.write(b"www\n")
                process.stdin.close()
                process.wait()
                out = trace.wait()
        assert f"@[watchpoint:{path}:counter:8:w]: 3" in out
        if how == "-no-pie":
            # The kernel writes, too: it clears what has no value from the start.
            script = script.replace("{", "/usermode/ {")
            done = run("-q", "-e", script, "-c", f"{path} once")
            assert done.returncode == 0, done.stderr
            assert f"@[watchpoint:{path}:counter:8:w]: 1" in done.stdout


def counted(output: str) -> dict[str, int]:
    """``@name: number`` lines."""
    return {name: int(number) for name, number in re.findall(r"^(@\S*): (\d+)$", output, re.M)}


@pytest.mark.parametrize("how", ["use", "thread", "child"])
def test_lengths_and_modes(program: Path, how: str) -> None:
    """Four places at once, as many as there are; the program's threads and children too."""
    script = (
        f"watchpoint:{BASE:#x}:4:w {{ @w = count(); }}"
        f"watchpoint:{BASE + 8:#x}:8:rw {{ @eight = count(); }}"
        f"watchpoint:{BASE + 17:#x}:1:w {{ @one = count(); }}"
        f"watchpoint:{BASE + 18:#x}:2:w {{ @two = count(); }}"
    )
    done = run("-e", script, "-c", f"{program} {how}")
    assert done.returncode == 0, done.stderr
    assert counted(done.stdout) == {"@w": 5, "@eight": 2, "@one": 1, "@two": 1}


def test_reads(program: Path) -> None:
    """x86 has no registers for reads alone: ``rw`` counts both."""
    done = run("-e", f"w:{BASE:#x}:4:rw {{ @ = count(); }}", "-c", f"{program} use")
    assert counted(done.stdout) == {"@": 8}


def test_a_longer_write_touches_what_is_in_it(program: Path) -> None:
    done = run("-e", f"w:{BASE + 11:#x}:1:w {{ @ = count(); }}", "-c", f"{program} use")
    assert counted(done.stdout) == {"@": 2}


def test_execution(program: Path) -> None:
    """The registers are those before the instruction."""
    script = (
        f'watchpoint:{CODE:#x}:8:x {{ printf("first %d\\n", reg("ip") == {CODE}); }}'
        f'watchpoint:{CODE + 1:#x}:1:x {{ printf("second %d\\n", reg("ip") == {CODE + 1}); }}'
    )
    done = run("-q", "-e", script, "-c", f"{program} call")
    assert done.stdout.split("\n")[:3] == ["first 1", "second 1", "second 1"]


def test_what_a_handler_sees(program: Path) -> None:
    script = (
        f"watchpoint:{BASE:#x}:4:w {{"
        f'printf("%s %s %d %d %d %s\\n", probe, probetype, usermode, ctx.addr == {BASE},'
        'pid == cpid, usym(reg("ip"))); print(ustack(1)); exit(); }'
    )
    done = run("-q", "-e", script, "-c", f"{program} use")
    first, *rest = done.stdout.split("\n")
    assert re.fullmatch(rf"watchpoint:{BASE:#x}:4:w watchpoint 1 1 1 use(\+\d+)?", first)
    assert rest[1].strip().startswith("use+")


def test_the_kernel_writes_for_the_program(program: Path) -> None:
    """``usermode`` tells who it is; stacks go through the system call."""
    script = f'watchpoint:{BASE:#x}:4:w {{ printf("%d %s\\n", usermode, kstack); }}'
    done = run("-q", "-e", script, "-c", f"{program} kernel")
    assert done.stdout.startswith("0 ")
    assert "read" in done.stdout


@pytest.mark.skipif(EMULATED, reason="QEMU tells of one watchpoint for each access")
def test_blocks_of_one_place_run_in_order(program: Path) -> None:
    script = "".join(f'w:{BASE:#x}:4:w {{ printf("{name} "); }}' for name in "abc")
    done = run("-q", "-e", script, "-c", f"{program} use")
    assert done.stdout.split() == list("abc") * 5


def test_a_running_process(waiting: subprocess.Popen[bytes], program: Path) -> None:
    """By ``-p``; another process at the same address is none of its business."""
    assert waiting.stdin is not None
    with Trace("-e", f"w:{BASE:#x}:4:w {{ @[pid] = count(); }}", "-p", str(waiting.pid)) as trace:
        subprocess.run([program, "use"], check=True)
        waiting.stdin.write(b"abc")
        waiting.stdin.close()
        assert trace.wait().strip() == f"@[{waiting.pid}]: 3"


def test_every_process(waiting: subprocess.Popen[bytes], program: Path) -> None:
    """Without ``-p`` an address is watched wherever it is met."""
    assert waiting.stdin is not None
    with Trace("-e", f"w:{BASE:#x}:4:w {{ @[comm] = count(); @n = count(); }}") as trace:
        subprocess.run([program, "use"], check=True)
        waiting.stdin.write(b"abc")
        waiting.stdin.close()
        waiting.wait(10)
        assert counted(trace.finish()) == {"@[watched]": 8, "@n": 8}


def test_unwatch(waiting: subprocess.Popen[bytes]) -> None:
    """Takes effect when the record is read: nothing is counted there any more after that."""
    assert waiting.stdin is not None
    script = (
        f'w:{BASE:#x}:4:w {{ @first++; unwatch({BASE}); printf("seen\\n"); }}'
        f"w:{BASE + 8:#x}:4:w {{ @other++; }}"
    )
    with Trace("-B", "line", "-e", script, "-p", str(waiting.pid)) as trace:
        waiting.stdin.write(b"a")
        waiting.stdin.flush()
        assert trace.process.stdout is not None
        # The record of unwatch() comes before that of printf().
        assert os.read(trace.process.stdout.fileno(), 100) == b"seen\n"
        waiting.stdin.write(b"bcdXYZ")
        waiting.stdin.close()
        assert counted(trace.wait()) == {"@first": 1, "@other": 3}


def test_unwatch_of_what_is_not_watched(program: Path) -> None:
    script = f"w:{BASE:#x}:4:w {{ @ = count(); }} begin {{ unwatch(1); unwatch({BASE + 4}); }}"
    done = run("-e", script, "-c", f"{program} use")
    assert (counted(done.stdout), done.returncode) == ({"@": 5}, 0)


FULL = """\
ERROR: Unable to attach probe: watchpoint:0x10000020:8:w. If this is expected, set the \
'missing_probes' config variable to 'warn'.
perf_event_open for watchpoint 0x10000020:8:w: ENOSPC: No space left on device
HINT: all registers of the CPU that watch memory are in use (x86 has 4 of them): watch fewer \
places, or end other debuggers
"""


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="other machines have other numbers")
def test_more_than_there_are(program: Path) -> None:
    """Five places at once, and what a script may say about that."""
    points = ", ".join(f"w:{BASE + 8 * n:#x}:8:w" for n in range(5))
    done = run("-q", "-e", f"{points} {{ @ = count(); }}", "-c", f"{program} use")
    assert (done.returncode, done.stderr) == (255, FULL)
    done = run(
        "-q", "-e", f"config = {{ missing_probes = warn }} {points} {{ @ = count(); }}",
        "-c", f"{program} use",
    )  # fmt: skip
    assert done.returncode == 0
    assert "WARNING: Unable to attach probe: watchpoint:0x10000020:8:w\n" in done.stderr
    # Five of four bytes, two of eight, three behind them.
    assert counted(done.stdout) == {"@": 10}


def sleeping(pid: int) -> None:
    """Wait until the process waits."""
    end = time.monotonic() + 20
    while Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] != "S":
        assert time.monotonic() < end
        time.sleep(0.01)


def test_memory_of_the_kernel() -> None:
    """A number in the kernel's record of a process: how often it has slept."""
    with subprocess.Popen(
        ["sh", "-c", "while read x; do echo $x; done"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as shell:
        assert shell.stdin is not None
        assert shell.stdout is not None
        ask = (
            f"tracepoint:syscalls:sys_enter_read /pid == {shell.pid}/"
            ' { printf("%llu\\n", (uint64)curtask + offsetof(struct task_struct, nvcsw)); exit(); }'
        )
        with Trace("-e", ask) as trace:
            shell.stdin.write(b"a\n")
            shell.stdin.flush()
            address = int(trace.wait())
        assert address >= 1 << 63
        script = f"w:{address:#x}:8:w {{ @[usermode] = count(); @tid = tid; }}"
        with Trace("-e", script) as trace:
            for _ in range(3):
                time.sleep(0.1)  # It has to wait for us.
                shell.stdin.write(b"a\n")
                shell.stdin.flush()
                assert shell.stdout.readline() == b"a\n"
            shell.stdin.close()
            shell.wait(10)
            found = counted(trace.finish())
    assert list(found) == ["@[0]", "@tid"]
    assert found["@[0]"] >= 2
    assert found["@tid"] == shell.pid


def listed(symbol: str) -> bool:
    """Whether the kernel tells where the variable is."""
    words = Path("/proc/kallsyms").read_text().split("\n")
    return any(line.split()[2:3] == [symbol] for line in words)


def test_a_variable_of_the_kernel_by_name() -> None:
    if not listed("jiffies"):
        pytest.skip("the kernel lists no variables (CONFIG_KALLSYMS_ALL)")
    done = run("-q", "-e", 'w:jiffies:8:w { printf("%s\\n", probe); exit(); }')
    assert done.stdout.rstrip() == "watchpoint:jiffies:8:w"


REFUSED = (
    "HINT: of the kernel only code is watched where kprobes may be, and without kprobes none: use "
    "fentry, kprobe or a tracepoint there\n"
)


def test_code_of_the_kernel() -> None:
    """By its name; kernels without kprobes refuse."""
    script = (
        'w:vfs_read:1:x /pid == cpid/ { printf("%d %s\\n", usermode, ksym(reg("ip"))); exit(); }'
    )
    done = run("-q", "-e", script, "-c", "sh -c 'read line </etc/passwd'")
    if features.probe("kprobe"):
        assert done.stdout.rstrip() == "0 vfs_read"
    else:
        assert done.returncode == 255
        assert done.stderr.endswith(REFUSED)
