"""CPUs, clocks, privileges: what the kernel shows in files."""

from __future__ import annotations

import os
import time

import pytest

from prybee.diagnostics import NotSupported
from prybee.linux import clocks, cpus, privileges, syscalls


@pytest.mark.parametrize(
    ("text", "wanted"),
    [("0", (0,)), ("0-3\n", (0, 1, 2, 3)), ("0-1,4,6-7", (0, 1, 4, 6, 7)), ("\n", ())],
)
def test_cpu_lists(text: str, wanted: tuple[int, ...]) -> None:
    assert cpus.parse_list(text) == wanted


def test_cpus() -> None:
    assert set(cpus.online()) <= set(cpus.possible())
    assert len(cpus.online()) == os.sysconf("SC_NPROCESSORS_ONLN")


@pytest.mark.parametrize("clock", list(clocks.CLOCKS))
def test_clocks(clock: str) -> None:
    offset = clocks.wall_offset(clock)
    before = time.time_ns()
    now = time.clock_gettime_ns(clocks.CLOCKS[clock]) + offset
    # Its error is what lies between the three readings it is made of.
    assert before - 50_000_000 < now < time.time_ns() + 50_000_000


def test_unknown_clock() -> None:
    with pytest.raises(KeyError):
        clocks.wall_offset("sundial")


def test_capability_names() -> None:
    assert privileges.capability_names(0) == frozenset()
    assert privileges.capability_names(1 << 39 | 1 << 38) == {"bpf", "perfmon"}
    assert privileges.capability_names(1 << 50) == {"cap_50"}
    assert len(privileges.CAPABILITIES) == 41


def test_read() -> None:
    found = privileges.read()
    assert found.uid == os.geteuid()
    assert found.effective <= found.bounding | found.effective
    assert found.lockdown in ("", "none", "integrity", "confidentiality")
    if found.uid == 0:
        assert found.missing == ()


STATUS = "Name:\tx\nNoNewPrivs:\t0\nSeccomp:\t{seccomp}\nCapEff:\t{caps:016x}\n"
ALL = (1 << 41) - 1


@pytest.mark.parametrize(
    ("errno", "uid", "caps", "seccomp", "lockdown", "wanted"),
    [
        (2, 0, ALL, 0, "", ""),
        (24, 0, ALL, 0, "", "too many open files: raise the limit with 'ulimit -n'"),
        (
            1, 1000, 0, 0, "",
            "run it as root (sudo), or give the process CAP_BPF and CAP_PERFMON",
        ),
        (13, 1000, 1 << 39, 0, "", "run it as root (sudo), or give the process CAP_PERFMON"),
        (
            1, 0, 0, 2, "",
            "root without CAP_BPF and CAP_PERFMON: a container has to be started with",
        ),
        (1, 0, ALL, 2, "", "a seccomp filter (a container's, usually) may forbid the call"),
        (38, 0, ALL, 2, "", "a seccomp filter (a container's, usually) hides the call"),
        (
            38, 0, ALL, 0, "",
            "this kernel is built without it (CONFIG_BPF_SYSCALL, CONFIG_PERF_EVENTS)",
        ),
        (
            1, 0, ALL, 0, "none integrity [confidentiality]",
            "lockdown mode 'confidentiality' forbids reading kernel memory",
        ),
        (
            1, 0, ALL, 0, "none [integrity] confidentiality",
            "a security policy of this kernel forbids it (lockdown mode is 'integrity')",
        ),
    ],
)  # fmt: skip
def test_hints(
    monkeypatch: pytest.MonkeyPatch,
    errno: int,
    uid: int,
    caps: int,
    seccomp: int,
    lockdown: str,
    wanted: str,
) -> None:
    files = {
        "/proc/self/status": STATUS.format(caps=caps, seccomp=seccomp),
        "/proc/self/uid_map": "0 0 4294967295",
        "/sys/kernel/security/lockdown": lockdown or "[none]",
    }
    monkeypatch.setattr(privileges, "_text", lambda path: files[path])
    monkeypatch.setattr(os, "geteuid", lambda: uid)
    if wanted == "" or "lockdown" in wanted or lockdown:
        assert privileges.bpf_hint(errno) == wanted
    else:
        assert privileges.bpf_hint(errno).startswith(wanted)


@pytest.mark.parametrize(
    ("name", "word", "wanted"),
    [
        ("x86_64", 8, "x86_64"),
        ("x86_64", 4, "i386"),
        ("i686", 4, "i386"),
        ("armv7l", 4, "arm"),
        ("aarch64", 8, "aarch64"),
        ("aarch64", 4, "arm"),
    ],
)
def test_machine(name: str, word: int, wanted: str) -> None:
    assert syscalls.machine(name, word) == wanted


@pytest.mark.parametrize("name", ["x86_64", "aarch64", "riscv64", "ppc64le"])
def test_machines_that_run_programs(name: str) -> None:
    syscalls.check_machine(name, "little")


@pytest.mark.parametrize(
    ("name", "order", "why", "hint"),
    [
        ("s390x", "big", "it stores the most significant byte first", "prybee check --target FILE"),
        ("vax", "little", "the numbers of its system calls are not known", "please report it"),
    ],
)
def test_machines_that_do_not(name: str, order: str, why: str, hint: str) -> None:
    with pytest.raises(NotSupported) as caught:
        syscalls.check_machine(name, order)
    assert caught.value.feature == f"this machine ({name})"
    assert why in caught.value.why
    assert hint in caught.value.instead
