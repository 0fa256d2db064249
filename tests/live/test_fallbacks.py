"""What stands in where the kernel lacks something: the same script with features taken off.

Each runs where the kernel has what stands in: some on every kernel, some in guests only.
"""

from __future__ import annotations

import subprocess
import sys

import pytest

from prybee.linux import features
from tests.live import tracing

KPROBE = bool(features.probe("kprobe"))
FENTRY = bool(features.probe("fentry"))
FMOD_RET = bool(features.probe("fmod_ret"))

pytestmark = pytest.mark.live
breakpoints = pytest.mark.skipif(not KPROBE, reason="this kernel has no kprobes")
trampolines = pytest.mark.skipif(not FENTRY, reason="this kernel has no fentry")

READ = ("-c", "sh -c 'read line </etc/passwd'")
# Seconds: guests are slow, the more the more of them run.
LIMIT = 400


def without(lacking: str, script: str, *more: str) -> subprocess.CompletedProcess[str]:
    """Run a script to its end as if the kernel lacked some features."""
    options = ("--no-feature", lacking) if lacking else ()
    return tracing.run("-q", *options, "-e", script, *more, limit=LIMIT)


# -- functions -----------------------------------------------------------------------------------


@trampolines
def test_kprobe_and_kretprobe_by_trampolines() -> None:
    """Arguments by position and results; said once for each type."""
    script = (
        "kprobe:vfs_read /pid == cpid/ "
        '{ printf("in %d %s\\n", ((struct file *)arg0).f_mode > 0 && arg2 > 0, func); }'
        " kprobe:vfs_r*v { @ = count(); }"
        ' kretprobe:vfs_read /pid == cpid/ { printf("out %d\\n", (int64)retval >= 0); }'
    )
    done = without("kprobe", script, *READ)
    lines = done.stdout.splitlines()
    assert "in 1 vfs_read" in lines, done.stderr
    assert "out 1" in lines
    assert done.stderr.count("kprobe probes run as fentry ones") == 1
    assert done.stderr.count("kretprobe probes run as fexit ones") == 1


@breakpoints
def test_fentry_and_fexit_by_kprobes() -> None:
    """Arguments and results by name and type; said once for each type."""
    script = (
        "fentry:vfs_read /pid == cpid/ { "
        'printf("in %s %d\\n", str(args.file.f_path.dentry.d_name.name), args.count > 0); '
        'printf("%s %s\\n", func, probe); $all = args; printf("all %d\\n", $all.count > 0); }'
        " fentry:vfs_r*v { @ = count(); }"
        ' fexit:vfs_read /pid == cpid/ { printf("out %d\\n", retval >= 0); }'
        ' fexit:vfs_open /pid == cpid/ { printf("opened %d\\n", retval); }'
    )
    done = without("fentry", script, *READ)
    lines = done.stdout.splitlines()
    assert "in passwd 1" in lines, done.stderr
    assert {"vfs_read fentry:vmlinux:vfs_read", "all 1", "out 1", "opened 0"} <= set(lines)
    assert done.stderr.count("fentry probes run as kprobe ones") == 1
    assert done.stderr.count("fexit probes run as kretprobe ones") == 1


@breakpoints
def test_what_kretprobes_do_not_know() -> None:
    """An error that says what to do, before anything is attached."""
    done = without("fentry", "fexit:vfs_read { @ = args.count; }")
    assert done.returncode == 1
    assert "a function's arguments are gone when it returns" in done.stderr
    assert "keep them at its start: fentry:vfs_read" in done.stderr


# -- hooks ---------------------------------------------------------------------------------------


def test_hooks_name_what_stands_there_too() -> None:
    """Nothing refuses in their place by itself."""
    done = without("lsm", "lsm:file_open { return 0; }")
    assert done.returncode == 1
    assert "lsm probes: this kernel does not ask BPF programs" in done.stderr
    if FMOD_RET:
        assert "use fmod_ret:security_file_open, which is asked at the same place" in done.stderr
    else:
        assert "to watch only, use a tracepoint or rawtracepoint" in done.stderr
    done = without("lsm,fmod_ret", "fmod_ret:security_file_open { return 0; }")
    assert done.returncode == 1
    assert "fmod_ret probes: this kernel cannot run programs that replace" in done.stderr
    assert "to watch only, use a tracepoint or rawtracepoint" in done.stderr


# -- system calls --------------------------------------------------------------------------------

CALLS = (
    'ksyscall:openat /pid == cpid && str(args.filename) == "/etc/passwd"/ '
    '{ printf("%d %d\\n", args.dfd, (int32)arg0); @opening[tid] = 1; }'
    ' kretsyscall:openat /@opening[tid]/ { printf("opened %d\\n", retval > 2); '
    "delete(@opening, tid); }"
    ' ksyscall:pread64 /pid == cpid && args.pos == 5/ { printf("%d\\n", arg3); print(args); }'
    " ksyscall:*chmod* { @ = count(); }"
)
# Its fourth argument is where C's fourth is not.
PREAD = "import os; f = os.open('/etc/passwd', 0); os.pread(f, 1, 5)"


@pytest.mark.parametrize(
    "lacking",
    [
        pytest.param("", marks=breakpoints),
        pytest.param("kprobe", marks=trampolines),
        "kprobe,fentry",
    ],
)
def test_system_calls(lacking: str) -> None:
    """By kprobe, fentry, or event: they print the same, and say nothing."""
    done = without(lacking, CALLS, "-c", f'{sys.executable} -S -c "{PREAD}"')
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    lines = done.stdout.splitlines()
    # Who looks up users on the way opens the file as well.
    assert lines[:2] == ["-100 -100", "opened 1"]
    start = lines.index("5")
    assert lines[start - 1] == "opened 1"
    assert lines[start + 1].startswith("{ .fd = ")
    assert lines[start + 1].endswith(", .count = 1, .pos = 5 }")
