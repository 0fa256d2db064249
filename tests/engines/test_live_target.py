"""What the live target says about this machine."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import pytest

from prybee.engines.live import LiveTarget
from prybee.linux import features

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def target() -> Iterator[LiveTarget]:
    with LiveTarget() as live:
        yield live


def test_plain_facts(target: LiveTarget) -> None:
    assert target.release == os.uname().release
    assert target.page_size == os.sysconf("SC_PAGESIZE")
    assert set(target.online_cpus) <= set(target.possible_cpus)
    assert target.available_memory > 1 << 20
    assert abs(target.tai_offset()) > 10**15  # TAI counts from 1970
    assert repr(target) == f"LiveTarget(Linux {target.release}, {target.arch})"


@pytest.mark.live
def test_tracepoints(target: LiveTarget) -> None:
    events = list(target.tracepoints())
    assert ("sched", "sched_switch") in events
    fields = target.tracepoint_format("syscalls", "sys_enter_openat")
    assert fields is not None
    assert [(f.name, f.type, f.offset) for f in fields][:3] == [
        ("__syscall_nr", "int", 8),
        ("dfd", "int", 16),
        ("filename", "const char *", 24),
    ]
    assert target.tracepoint_format("syscalls", "sys_enter_openat") is fields
    assert target.tracepoint_format("syscalls", "no_such") is None


@pytest.mark.skipif(not os.access("/sys/kernel/btf/vmlinux", os.R_OK), reason="no BTF")
def test_types(target: LiveTarget) -> None:
    assert target.btf is target.btf
    assert "sched_switch" in list(target.raw_tracepoints())
    iterators = list(target.iterators())
    assert {"task", "task_file", "task_vma"} <= set(iterators)
    assert all(not name.startswith("_") for name in iterators)


def test_without_types(tmp_path: Path) -> None:
    with LiveTarget(str(tmp_path / "nothing")) as target:
        assert target.btf is None
        # Named as the events are.
        events = set(target.raw_tracepoints())
        assert "sched_switch" in events
        assert "sys_enter_read" not in events
        assert list(target.iterators()) == []


def test_binaries(target: LiveTarget) -> None:
    [libc] = target.resolve_binary("libc")
    assert "libc" in libc
    elf = target.elf(libc)
    assert elf is not None
    assert target.elf(libc) is elf
    assert elf.symbols("getpid")
    assert target.elf("/no/such/file") is None
    assert target.elf(__file__) is None
    assert target.resolve_binary("no-such-command-anywhere") == []
    python = os.path.realpath(sys.executable)
    assert python in [os.path.realpath(p) for p in target.uprobe_binaries(os.getpid())]
    assert target.uprobe_binaries(99999999) == ()


def test_cgroups(target: LiveTarget, tmp_path: Path) -> None:
    assert target.cgroup_id(str(tmp_path)) == tmp_path.stat().st_ino
    assert target.cgroup_id("/no/such/cgroup") is None
    assert target.cgroup_id("a\0b") is None


@pytest.mark.live
def test_kernel_address(target: LiveTarget) -> None:
    address = target.kernel_address("vfs_read")
    assert address is None or address > 1 << 63
    assert target.kernel_address("no_such_symbol_here") is None


@pytest.mark.parametrize(
    ("state", "name", "wanted"),
    [
        (features.YES, "uprobe_multi", True),
        (features.NO, "v4", False),
        (features.UNKNOWN, "v4", True),
        (features.UNKNOWN, "uprobe_multi", False),
    ],
)
def test_features(
    monkeypatch: pytest.MonkeyPatch, target: LiveTarget, state: str, name: str, wanted: bool
) -> None:
    monkeypatch.setattr(features, "probe", lambda _: features.Answer(state))
    assert target.has(name) is wanted
