"""Functions of the kernel by kprobes, on kernels that have them."""

from __future__ import annotations

import os
import re

import pytest

from prybee.linux import features, traceable
from prybee.linux.tracefs import Tracefs
from tests.conftest import need_function
from tests.live.tracing import Trace, run

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


# -- many functions ------------------------------------------------------------------------------

multi = pytest.mark.skipif(not features.probe("kprobe_multi"), reason="no kprobe_multi here")
session = pytest.mark.skipif(not features.probe("kprobe_session"), reason="no kprobe_session here")
# Seconds, for guests.
PATIENCE = 120


def link_kinds(pid: int) -> list[str]:
    """Types of the links that a process holds."""
    found = []
    for name in os.listdir(f"/proc/{pid}/fdinfo"):
        with open(f"/proc/{pid}/fdinfo/{name}", encoding="utf-8") as file:
            found += re.findall(r"^link_type:\s*(\S+)", file.read(), re.MULTILINE)
    return sorted(found)


def test_a_pattern() -> None:
    """One program for all that fit, by one link or by many, and ``func`` tells which it was."""
    for options, kinds in (((), {"kprobe_multi"}), (("--no-feature", "kprobe_multi"), {"perf"})):
        if not options and not features.probe("kprobe_multi"):
            continue
        script = "kprobe:vfs_rea* { @[func] = count(); }"
        with Trace(*options, "-e", script, limit=PATIENCE) as trace:
            if features.probe("perf_link"):
                assert set(link_kinds(trace.process.pid)) == kinds
            with open("/etc/passwd", encoding="utf-8") as file:
                file.read()
            assert "@[vfs_read]: " in trace.finish(limit=PATIENCE)


@pytest.mark.parametrize("without", ["", "kprobe_multi", "cookies"])
def test_names_of_many(without: str) -> None:
    """``probe`` is the very function's, by whatever links: its cookie tells which it is."""
    options = ("--no-feature", without) if without else ()
    script = (
        "kprobe:vfs_read, kprobe:vfs_open, kprobe:vfs_statx* /pid == cpid/ { @[probe, func]++; } "
        "kretprobe:vfs_read, kretprobe:vfs_open /pid == cpid/ { @[probe, func]++; }"
    )
    done = run("-q", *options, "-e", script, *READ, limit=PATIENCE)
    assert done.returncode == 0, done.stderr
    pairs = re.findall(r"@\[(k\w+:(\w+)), (\w+)\]", done.stdout)
    assert {full for full, _name, _func in pairs} >= {
        f"{kind}:{name}" for kind in ("kprobe", "kretprobe") for name in ("vfs_read", "vfs_open")
    }
    assert [name for _full, name, _func in pairs] == [func for _full, _name, func in pairs]


@session
def test_both_ends() -> None:
    """One program and one link for what is entered and left."""
    script = (
        "kprobe:vfs_read { @in[tid] = arg2; } "
        "kretprobe:vfs_read /@in[tid]/ { @bad += retval > @in[tid]; @out[func] = count(); }"
    )
    with Trace("-e", script, limit=PATIENCE) as trace:
        assert b"Attached 1 probe" in trace.errors
        assert link_kinds(trace.process.pid) == ["kprobe_multi"]
        with open("/etc/passwd", encoding="utf-8") as file:
            file.read()
        out = trace.finish(limit=PATIENCE)
    assert "@out[vfs_read]: " in out
    assert "@bad: 0" in out


ORDERS = ["kprobe:vfs_read", "kretprobe:vfs_read", "kprobe:vfs_rea*", "kretprobe:vfs_rea*"]


@pytest.mark.parametrize("point", ORDERS)
def test_order(point: str) -> None:
    """Handlers at one place run in the script's order."""
    script = (
        f'{point} /pid == cpid/ {{ printf("first "); }}'
        f'{point} /pid == cpid/ {{ printf("second\\n"); exit(); }}'
    )
    assert run("-q", "-e", script, *READ, limit=PATIENCE).stdout.startswith("first second")


def test_returns_have_stacks() -> None:
    """A stack where a function returns begins with its caller; also of many functions."""
    need_function("kretprobe_find_ret_addr", "stacks where functions return (Linux 5.15)")
    for point in ("kretprobe:vfs_read", "kretprobe:vfs_rea*"):
        script = f"{point} /pid == cpid/ {{ print(kstack(perf, 2)); exit(); }}"
        done = run("-q", "-e", script, *READ, limit=PATIENCE)
        assert "read+" in done.stdout, point


def test_functions_of_modules() -> None:
    """By the module's name; those that are loaded only."""
    with open("/proc/modules", encoding="utf-8") as file:
        if "9pnet " not in file.read():
            pytest.skip("the module 9pnet is not loaded")
    script = "kprobe:9pnet:p9_client_* { @[func] = count(); }"
    done = run("-e", script, "-c", "cat /etc/passwd", limit=PATIENCE)
    assert int(re.findall(r"Attached (\d+) probes", done.stderr)[0]) > 10
    done = run("-e", "kprobe:nosuch:p9_client_open { }", limit=PATIENCE)
    assert "specified module nosuch in probe kprobe:nosuch:p9_client_open is not" in done.stderr


# -- places --------------------------------------------------------------------------------------


def test_offsets() -> None:
    """Behind the call that function tracing left there; in the middle of it nothing attaches."""
    done = run("-e", "kprobe:vfs_read+1 { }", limit=PATIENCE)
    assert done.returncode == 255
    assert (
        "ERROR: Possible attachment attempt in the middle of an instruction, try a different "
        "offset.\nHINT: the offset must be where an instruction starts"
    ) in done.stderr
    assert "ERROR: Unable to attach probe: kprobe:vfs_read+1. If this" in done.stderr
    if os.uname().machine != "x86_64":
        return
    for offset in (9, 5):  # With endbr64 before the call, and without.
        script = f"kprobe:vfs_read+{offset} /pid == cpid/ {{ print(func); exit(); }}"
        done = run("-q", "-e", script, *READ, limit=PATIENCE)
        if done.returncode == 0:
            assert done.stdout.splitlines()[0] == "vfs_read"
            return
    raise AssertionError(done.stderr)


def test_addresses() -> None:
    """With --unsafe; nothing is attached where no code is."""
    with open("/proc/kallsyms", encoding="utf-8") as file:
        at = next(line.split()[0] for line in file if line.endswith(" vfs_read\n"))
    script = f"kprobe:0x{at} /pid == cpid/ {{ print(func); exit(); }}"
    assert "requires --unsafe" in run("-e", script, limit=PATIENCE).stderr
    done = run("--unsafe", "-q", "-e", script, *READ, limit=PATIENCE)
    assert done.stdout.splitlines()[0] == "vfs_read", done.stderr
    done = run("--unsafe", "-e", "kprobe:0x12345678 { }", limit=PATIENCE)
    assert "ERROR: Unable to attach probe: kprobe:305419896" in done.stderr


def test_several_functions_of_one_name() -> None:
    """All of them are probed."""
    with Tracefs() as tracefs:
        path = f"{tracefs.root}/{traceable.LIST}"
        with open(path, encoding="utf-8") as file:
            names = sorted(traceable.repeated(file.read()))
    name = next(name for name in names if name.endswith("_show"))
    with Trace("-e", f"kprobe:{name} {{ }}", limit=PATIENCE) as trace:
        if features.probe("perf_link"):
            assert len(link_kinds(trace.process.pid)) > 1
        trace.finish(limit=PATIENCE)


def test_what_kprobes_keep_out_of() -> None:
    """Not on any list, and refused by name."""
    done = run("-e", "kprobe:do_int3 { }", limit=PATIENCE)
    assert done.returncode == 1
    assert "WARNING: do_int3 is not traceable" in done.stderr
    done = run("-l", "kprobe:do_int3,kprobe:rcu_*", limit=PATIENCE)
    assert done.stdout == ""
