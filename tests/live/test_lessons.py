"""The twelve lessons of bpftrace's one-liner tutorial; three need functions of the kernel."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from prybee.linux import features
from tests.fixtures.block_device import null_device
from tests.live.tracing import Trace, run

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.live


def test_1_listing_probes() -> None:
    """``-l`` with a pattern."""
    done = run("-l", "tracepoint:syscalls:sys_enter_*")
    lines = done.stdout.split()
    assert "tracepoint:syscalls:sys_enter_openat" in lines
    assert len(lines) > 300
    assert all(line.startswith("tracepoint:syscalls:sys_enter_") for line in lines)


def test_2_hello_world() -> None:
    """``BEGIN``, and the end, since nothing else can come."""
    with Trace("-e", 'BEGIN { printf("hello world\\n"); }') as trace:
        assert trace.wait().strip() == "hello world"


def test_3_file_opens() -> None:
    """Tracepoint arguments and strings of user space."""
    script = (
        'tracepoint:syscalls:sys_enter_openat { printf("%s %s\\n", comm, str(args.filename)); }'
    )
    with Trace("-e", script) as trace:
        subprocess.run(["cat", "/etc/hostname"], stdout=subprocess.DEVNULL, check=True)
        time.sleep(0.3)
        assert "cat /etc/hostname" in trace.finish().splitlines()


def test_4_syscall_counts_by_process() -> None:
    """A keyed count, printed in order of its values."""
    with Trace("-e", "tracepoint:raw_syscalls:sys_enter { @[comm] = count(); }") as trace:
        subprocess.run(["dd", "if=/dev/zero", "of=/dev/null", "bs=1", "count=2000"], check=True,
                       stderr=subprocess.DEVNULL)  # fmt: skip
        out = trace.finish()
    rows = re.findall(r"^@\[(.*)\]: (\d+)$", out, re.M)
    counts = [int(count) for _comm, count in rows]
    assert counts == sorted(counts)
    assert int(dict(rows)["dd"]) >= 4000


def test_5_distribution_of_read_bytes() -> None:
    """A predicate on pid, and a power-of-two histogram of return values."""
    reader = subprocess.Popen(
        [sys.executable, "-c",
         ("import os, sys\nsys.stdin.readline()\n"
         "f = os.open('/dev/zero', os.O_RDONLY)\n[os.read(f, 1000) for _ in range(50)]")],
        stdin=subprocess.PIPE,
    )  # fmt: skip
    script = (
        f"tracepoint:syscalls:sys_exit_read /pid == {reader.pid}/ {{ @bytes = hist(args.ret); }}"
    )
    with Trace("-e", script) as trace:
        reader.communicate(b"\n")
        out = trace.finish()
    assert re.search(r"^\[512, 1K\) +50 \|@{52}\|$", out, re.M), out


FUNCTIONS = pytest.mark.skipif(
    not (features.probe("kprobe") or features.probe("fentry")),
    reason="this kernel has neither kprobes nor fentry",
)


@pytest.fixture
def reader() -> Iterator[subprocess.Popen[bytes]]:
    """A process that, once it gets a line, reads 1000 bytes fifty times, and opens files."""
    program = (
        "import os, sys\nsys.stdin.readline()\nf = os.open('/dev/zero', os.O_RDONLY)\n"
        "[os.read(f, 1000) for _ in range(50)]\n[open('/etc/hostname').close() for _ in range(9)]"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE) as process:
        yield process
        process.kill()


@FUNCTIONS
def test_6_results_of_a_kernel_function(reader: subprocess.Popen[bytes]) -> None:
    """A linear histogram of what ``vfs_read`` returns."""
    script = f"kretprobe:vfs_read /pid == {reader.pid}/ {{ @bytes = lhist(retval, 0, 2000, 200); }}"
    with Trace("-e", script) as trace:
        reader.communicate(b"\n")
        out = trace.finish()
    found = re.search(r"^\[1000, 1200\) +(\d+) \|@+", out, re.M)
    assert found, out
    assert int(found[1]) >= 50


@FUNCTIONS
def test_7_time_in_a_kernel_function(reader: subprocess.Popen[bytes]) -> None:
    """From entry to return, by thread."""
    script = (
        "kprobe:vfs_read { @start[tid] = nsecs; } kretprobe:vfs_read /@start[tid]/ "
        "{ @ns[pid] = hist(nsecs - @start[tid]); @n[pid] = count(); delete(@start, tid); }"
    )
    with Trace("-e", script) as trace:
        reader.communicate(b"\n")
        out = trace.finish()
    found = re.search(rf"^@n\[{reader.pid}\]: (\d+)$", out, re.M)
    assert found, out
    assert int(found[1]) >= 50
    assert f"@ns[{reader.pid}]:" in out


@FUNCTIONS
def test_12_structs_of_the_kernel(reader: subprocess.Popen[bytes]) -> None:
    """From an argument to the name of the file that is opened."""
    script = (
        f"kprobe:vfs_open /pid == {reader.pid}/ {{ "
        '$path = (struct path *)arg0; printf("%s\\n", str($path.dentry.d_name.name)); }'
    )
    with Trace("-e", script) as trace:
        reader.communicate(b"\n")
        out = trace.finish()
    # On an overlay each is opened twice: there, and in the file system below.
    assert out.splitlines().count("hostname") in (9, 18), out


def test_8_count_process_level_events() -> None:
    """Wildcards, ``probe`` as a key, and an interval that ends the trace."""
    with Trace(
        "-e", "tracepoint:sched:sched* { @[probe] = count(); } interval:s:2 { exit(); }"
    ) as t:
        subprocess.run(["true"], check=True)
        out = t.wait()
    assert re.search(r"^@\[tracepoint:sched:sched_process_exec\]: \d+$", out, re.M), out
    assert re.search(r"^@\[tracepoint:sched:sched_switch\]: \d+$", out, re.M), out


def test_9_profile_on_cpu_kernel_stacks() -> None:
    """Sampling, kernel stacks as keys, symbols of the kernel."""
    with Trace("-e", "profile:hz:99 { @[kstack] = count(); }") as trace:
        end = time.monotonic() + 1
        while time.monotonic() < end:
            os.listdir("/usr/bin")
        out = trace.finish()
    assert re.search(r"^@\[$", out, re.M), out[:2000]
    assert re.search(r"^        \w+\+\d+$", out, re.M), out[:2000]
    assert re.search(r"^\]: \d+$", out, re.M)


def test_10_scheduler_tracing() -> None:
    """Stacks where threads leave the CPU."""
    with Trace("-e", "tracepoint:sched:sched_switch { @[kstack] = count(); }") as trace:
        time.sleep(0.5)
        out = trace.finish()
    assert re.search(r"^        __?schedule\+\d+$", out, re.M), out[:2000]


def test_11_block_io_sizes() -> None:
    """A histogram of a block tracepoint's argument (there may be no I/O to see)."""
    listed = run("-l", "tracepoint:block:block_rq_issue").stdout.split()
    if not listed:
        pytest.skip("this kernel has no block tracepoints")
    path = "/var/tmp/prybee-test-io"
    disk = path if os.stat("/var/tmp").st_dev >> 8 else null_device()
    if not disk:
        pytest.skip("temporary files are on no block device here, and null_blk cannot be had")
    with Trace("-e", "tracepoint:block:block_rq_issue { @ = hist(args.bytes); }") as trace:
        with open(disk, "wb") as file:
            file.write(bytes(1 << 20))
            file.flush()
            os.fsync(file.fileno())
        if os.path.exists(path):
            os.unlink(path)
        out = trace.finish()
    assert re.search(r"^@:", out, re.M), out
    assert re.search(r"^\[\d+[KM]?, \d+[KM]?\) +\d+ \|@", out, re.M), out
