"""The running kernel's types against a second decoding of the same bytes."""

# ruff: noqa: A001, A002 - "id" and "type" are the words of BTF
from __future__ import annotations

import pytest

from prybee.btf import Btf
from tests.counting import calls

STRUCTS = [
    "task_struct", "file", "inode", "sk_buff", "sock", "mm_struct", "vm_area_struct", "dentry",
    "page", "list_head", "tcp_sock", "bpf_prog", "pt_regs", "net_device", "path", "qstr",
    "signal_struct", "cred", "nsproxy", "rq", "bio", "request",
]  # fmt: skip


def naive_size(types, id):
    row = types[id]
    kind = row["kind"]
    if kind in ("int", "struct", "union", "enum", "enum64", "float"):
        return row["third"]
    if kind == "ptr":
        return 8
    if kind == "array":
        return row["extra"][2] * naive_size(types, row["extra"][0])
    if kind in ("typedef", "const", "volatile", "restrict", "type_tag"):
        return naive_size(types, row["third"])
    return 0


def naive_strip(types, id):
    while types[id]["kind"] in ("typedef", "const", "volatile", "restrict", "type_tag"):
        id = types[id]["third"]
    return id


def naive_flat(types, id, base=0):
    row = types[naive_strip(types, id)]
    for name, of, offset in row["rows"]:
        width = offset >> 24 if row["flag"] else 0
        at = offset & 0xFFFFFF if row["flag"] else offset
        if name:
            yield name, of, base + at, width
        elif types[naive_strip(types, of)]["kind"] in ("struct", "union"):
            yield from naive_flat(types, of, base + at)


@pytest.mark.parametrize("name", STRUCTS)
def test_structs(vmlinux, vmlinux_naive, name):
    id = vmlinux.find(name, "struct")
    wanted = [i for i, t in enumerate(vmlinux_naive) if t["name"] == name and t["kind"] == "struct"]
    if not wanted:
        assert id == 0
        pytest.skip(f"this kernel has no struct {name}")
    assert id == wanted[0]
    assert vmlinux.size(id) == vmlinux_naive[id]["third"]
    expected = list(naive_flat(vmlinux_naive, id))
    found = [(m.name, m.type, m.bit_offset, m.bit_size) for m in vmlinux.flat_members(id)]
    assert found == expected
    for label, of, _, _ in expected:
        assert vmlinux.size(of) == naive_size(vmlinux_naive, of), label


def test_all_kinds_names_and_sizes(vmlinux, vmlinux_naive):
    assert len(vmlinux) == len(vmlinux_naive)
    for id in range(1, len(vmlinux), 7):
        row = vmlinux_naive[id]
        assert (vmlinux.kind(id), vmlinux.name(id)) == (row["kind"], row["name"])
        assert vmlinux.size(id) == (
            row["third"] if row["kind"] == "datasec" else naive_size(vmlinux_naive, id)
            if row["kind"] != "var" else naive_size(vmlinux_naive, row["third"])
        )  # fmt: skip


def test_every_enumerator_is_found(vmlinux, vmlinux_naive):
    first: dict[str, tuple[int, int]] = {}
    for id, row in enumerate(vmlinux_naive):
        if row["kind"] in ("enum", "enum64"):
            for name, value in row["rows"]:
                first.setdefault(name, (value, id))
    assert len(first) > 1000
    names = list(first)
    for name in names[:: len(names) // 20]:
        assert vmlinux.enumerator(name) == first[name]
    assert vmlinux.enumerator("no_such_enumerator_at_all") is None


def test_names_of_kinds(vmlinux, vmlinux_naive):
    for kind in ("func", "struct", "typedef", "union"):
        expected = {t["name"] for t in vmlinux_naive if t["kind"] == kind and t["name"]}
        assert vmlinux.names(kind) == sorted(expected)
    reads = sorted({
        t["name"] for t in vmlinux_naive
        if t["kind"] == "func" and t["name"].startswith("vfs_") and t["name"].endswith("read")
    })  # fmt: skip
    assert vmlinux.names("func", "vfs_*read") == reads
    assert "vfs_read" in reads


def test_tracepoints(vmlinux):
    found = vmlinux.tracepoint_parameters("sched_switch")
    assert found is not None
    described = [(p.name, vmlinux.type_name(p.type)) for p in found]
    assert ("prev", "struct task_struct *") in described
    assert ("next", "struct task_struct *") in described
    assert vmlinux.kind(vmlinux.tracepoint_type("sched_switch")) == "typedef"


def test_functions(vmlinux):
    id = vmlinux.function("vfs_read")
    assert vmlinux.definition(id).startswith("ssize_t vfs_read(struct file *")
    assert [p.name for p in vmlinux.parameters(id)] == ["file", "buf", "count", "pos"]


def test_c_text_of_everything(vmlinux):
    """Whatever the kernel holds can be written."""
    for id in range(1, len(vmlinux), 41):
        assert vmlinux.definition(id).endswith(";")
        assert vmlinux.type_name(id)


def test_the_index_takes_few_steps(vmlinux_bytes, vmlinux):
    """Two calls for each type, whatever is looked for (times are in bench/measures/btf.py)."""
    found = []
    steps = calls(lambda: found.append(Btf(vmlinux_bytes).find("task_struct", "struct")))
    assert found[0]
    assert steps < 3 * len(vmlinux)


def test_memory_does_not_hold_all_types(vmlinux):
    assert len(vmlinux._members) < 20_000
