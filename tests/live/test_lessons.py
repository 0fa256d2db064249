"""The lessons of bpftrace's one-liner tutorial that need no kprobes: nine of twelve."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time

import pytest

from tests.live.tracing import Trace, run

pytestmark = pytest.mark.live


def test_1_listing_probes() -> None:
    """``-l`` with a pattern."""
    done = run("-l", "tracepoint:syscalls:sys_enter_*")
    lines = done.stdout.split()
    assert "tracepoint:syscalls:sys_enter_openat" in lines
    assert len(lines) > 300
    assert all(line.startswith("tracepoint:syscalls:sys_enter_") for line in lines)


def test_2_hello_world() -> None:
    """``BEGIN`` and Ctrl-C."""
    with Trace("-e", 'BEGIN { printf("hello world\\n"); }') as trace:
        time.sleep(0.3)
        assert trace.finish().strip() == "hello world"


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
    with Trace("-e", "tracepoint:block:block_rq_issue { @ = hist(args.bytes); }") as trace:
        path = "/var/tmp/prybee-test-io"
        with open(path, "wb") as file:
            file.write(bytes(1 << 20))
            file.flush()
            os.fsync(file.fileno())
        os.unlink(path)
        out = trace.finish()
    assert re.search(r"^@:", out, re.M), out
    assert re.search(r"^\[\d+[KM]?, \d+[KM]?\) +\d+ \|@", out, re.M), out
