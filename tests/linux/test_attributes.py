"""The structures of bpf(2) and perf_event_open(2), against the running kernel's own types."""

from __future__ import annotations

import os
from struct import calcsize
from typing import TYPE_CHECKING

import pytest

from prybee.btf import Btf
from prybee.diagnostics import KernelError
from prybee.linux import attributes, syscalls, uapi
from prybee.linux.attributes import Attributes, Layout

if TYPE_CHECKING:
    from prybee.btf import Member

LAYOUTS = {name: value for name, value in vars(attributes).items() if isinstance(value, Layout)}

needs_btf = pytest.mark.skipif(
    not os.access("/sys/kernel/btf/vmlinux", os.R_OK), reason="the kernel shows no types"
)


@pytest.fixture(scope="module")
def btf() -> Btf:
    return Btf.vmlinux()


def members(btf: Btf, type_: int) -> dict[str, Member]:
    return {member.name: member for member in btf.flat_members(type_)}


def kernel_fields(btf: Btf, path: str) -> dict[str, tuple[int, int]]:
    """Name → (offset, size in bytes) of the structure at ``path``, with bit-fields left out.

    ``a.b`` goes into the member b of a; ``a.b+c`` has the fields of b, and those of its member c.
    """
    outer, _, inner = path.partition("+")
    root, *steps = outer.split(".")
    type_ = btf.find(root, "union" if root == "bpf_attr" else "struct")
    assert type_, root
    base = 0
    for step in steps:
        member = btf.member(type_, step)
        assert member is not None, step
        base += member.bit_offset // 8
        type_ = btf.strip(member.type)
    found = {}
    for name, member in members(btf, type_).items():
        if not member.bit_size:
            found[name] = (base + member.bit_offset // 8, btf.size(member.type))
    if inner:
        member = btf.member(type_, inner)
        assert member is not None, inner
        start = base + member.bit_offset // 8
        for name, part in members(btf, btf.strip(member.type)).items():
            found[f"{inner}.{name}"] = (start + part.bit_offset // 8, btf.size(part.type))
    # The first member of an anonymous structure may be at the start of a nested one.
    return {k: (o - (base if steps else 0), s) for k, (o, s) in found.items()}


@needs_btf
@pytest.mark.parametrize("name", list(LAYOUTS))
def test_layout_is_the_kernels(btf: Btf, name: str) -> None:
    layout = LAYOUTS[name]
    known = kernel_fields(btf, layout.path)
    inner = layout.path.partition("+")[2]
    for field, (offset, code) in layout.fields.items():
        # Words of single bits have no name together, or that of the first.
        if (name, field) in (("PERF_EVENT", "flags"), ("PROG_INFO", "gpl_compatible")):
            continue
        wanted = known.get(field) or known.get(f"{inner}.{field}")
        assert wanted is not None, f"{layout.path} has no {field}"
        size = 8 if code == "P" else calcsize(code)
        assert (offset, size) == wanted, field


@needs_btf
def test_perf_flags_are_the_kernels(btf: Btf) -> None:
    type_ = btf.find("perf_event_attr", "struct")
    start = attributes.PERF_EVENT.fields["flags"][0] * 8
    for member in btf.flat_members(type_):
        if member.bit_size and not member.name.startswith("__") and member.bit_offset < start + 64:
            bit = attributes.PERF_FLAGS.get(member.name)
            if bit is not None:
                assert bit == 1 << (member.bit_offset - start), member.name


def names_of(btf: Btf, prefix: str, enum_with: str) -> dict[str, int]:
    found = btf.enumerator(enum_with)
    assert found is not None, enum_with
    return {
        name.removeprefix(prefix).lower(): value
        for name, value in btf.enumerators(found[1])
        if name.startswith(prefix) and not name.startswith("__")
    }


@needs_btf
@pytest.mark.parametrize(
    ("table", "prefix", "first"),
    [
        (uapi.COMMANDS, "BPF_", "BPF_MAP_CREATE"),
        (uapi.MAP_TYPE_NAMES, "BPF_MAP_TYPE_", "BPF_MAP_TYPE_HASH"),
        (uapi.PROGRAM_TYPE_NAMES, "BPF_PROG_TYPE_", "BPF_PROG_TYPE_KPROBE"),
        (uapi.ATTACH_TYPE_NAMES, "BPF_", "BPF_TRACE_RAW_TP"),
        (uapi.LINK_TYPE_NAMES, "BPF_LINK_TYPE_", "BPF_LINK_TYPE_TRACING"),
        (uapi.PERF_SOFTWARE_NAMES, "PERF_COUNT_SW_", "PERF_COUNT_SW_CPU_CLOCK"),
        (uapi.PERF_HARDWARE_NAMES, "PERF_COUNT_HW_", "PERF_COUNT_HW_CPU_CYCLES"),
    ],
)
def test_names_are_the_kernels(btf: Btf, table: tuple[str, ...], prefix: str, first: str) -> None:
    known = names_of(btf, prefix, first)
    for number, name in enumerate(table):
        if name in known:  # A name may be older than the kernel's.
            assert known[name] == number, name
    assert sum(name in known for name in table) >= len(table) - 4


@pytest.mark.parametrize("name", list(LAYOUTS))
def test_a_layout_reads_what_it_writes(name: str) -> None:
    layout = LAYOUTS[name]
    filled = Attributes(layout)
    wanted: dict[str, object] = {}
    for number, (field, (_, code)) in enumerate(layout.fields.items(), 1):
        if code.endswith("s"):
            filled[field] = b"name"
            wanted[field] = b"name".ljust(8 if code == "8s" else 4, b"\0")
        else:
            filled[field] = number
            wanted[field] = number
    # Unions: the last name written stands for all of its place.
    places: dict[int, object] = {}
    for field, (offset, _) in layout.fields.items():
        places[offset] = wanted[field]
    got = layout.decode(filled.buffer)
    assert got == {f: places[offset] for f, (offset, _) in layout.fields.items()}
    last = max(offset + (8 if c == "P" else calcsize(c)) for offset, c in layout.fields.values())
    assert filled.size == max(last, layout.least)


def test_only_used_fields_are_sent() -> None:
    small = Attributes(attributes.MAP_CREATE, map_type=1, key_size=4, map_name=b"", btf_fd=0)
    assert small.size == 8
    assert "map_type=1" in repr(small)


class Refusing(syscalls.Kernel):
    def bpf(self, command: int, attributes: int, size: int) -> int:
        return -2


def test_failed_call() -> None:
    with syscalls.replaced(Refusing()) as kernel:
        assert syscalls.kernel is kernel
        with pytest.raises(KernelError, match=r"^bpf\(BPF_MAP_FREEZE\) for map x: ENOENT: No such"):
            attributes.bpf(attributes.MAP_FREEZE, "map x", map_fd=3)
    assert syscalls.kernel is not kernel


def test_unknown_field() -> None:
    with pytest.raises(KeyError):
        Attributes(attributes.MAP_FREEZE, map_name=b"x")
