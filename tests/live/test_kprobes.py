"""Functions of the kernel by kprobes, on kernels that have them."""

from __future__ import annotations

import pytest

from prybee.linux import features
from tests.live.tracing import run

pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(not features.probe("kprobe"), reason="this kernel has no kprobes"),
]

# All read something: the interval ends the trace after the shell's reads.
READ = ("-c", "sh -c 'read line </etc/passwd'")


def test_arguments_and_types() -> None:
    """Registers of the function, its structs by their BTF types."""
    script = (
        "kprobe:vfs_read /pid == cpid/ { $file = (struct file *)arg0;"
        ' printf("%d %d\\n", $file.f_mode > 0, arg2 > 0); exit(); }'
    )
    done = run("-q", "-e", script, *READ)
    assert done.stdout.splitlines()[0] == "1 1"


def test_results() -> None:
    """``retval``, and the function's name, where it returns."""
    script = 'kretprobe:vfs_read /pid == cpid/ { printf("%s %d\\n", func, retval > 0); exit(); }'
    done = run("-q", "-e", script, *READ)
    assert done.stdout.splitlines()[0] == "vfs_read 1"


@pytest.mark.parametrize("point", ["kprobe:vfs_rea*", "kprobe:vfs_read+0", "k:vmlinux:vfs_read"])
def test_attach_points(point: str) -> None:
    """Patterns, offsets, and the module."""
    done = run("-q", "-e", f"{point} /pid == cpid/ {{ @[probe] = count(); }}", *READ)
    assert done.returncode == 0, done.stderr
    assert "vfs_read" in done.stdout


def test_stacks() -> None:
    """A kernel stack begins with the function."""
    script = "kprobe:vfs_read /pid == cpid/ { print(kstack(1)); exit(); }"
    done = run("-q", "-e", script, *READ)
    assert done.stdout.split()[0].startswith("vfs_read+")


def test_nearest_names() -> None:
    """A function that there is not."""
    done = run("-e", "kprobe:vfs_raed { }")
    assert done.returncode == 1
    assert "did you mean 'vfs_read'" in done.stderr
