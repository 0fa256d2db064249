"""Kernel symbols: files made here, and the running kernel's own."""

import os

import pytest

from prybee.symbols import KernelSymbols

SAMPLE = """\
ffffffff81000000 T _stext
ffffffff81000000 T _text
ffffffff81000100 t do_one
ffffffff81000200 T vfs_read
ffffffff81000200 T vfs_read_alias
ffffffff81000300 t static_twin
ffffffff81000400 t static_twin
ffffffff81000500 D some_data
ffffffff81000600 W weak_one
ffffffff82000000 B _end
ffffffffc0200010 t second_in_module\t[second]
ffffffffc0100000 t module_start\t[first]
ffffffffc0100020 T vfs_read\t[first]
ffffffffc0300000 t bpf_prog_1234_count\t[bpf]
"""


@pytest.fixture
def kallsyms(tmp_path):
    def make(text=SAMPLE):
        path = tmp_path / "kallsyms"
        path.write_text(text)
        return KernelSymbols(str(path))

    return make


@pytest.mark.parametrize(
    ("address", "found"),
    [
        (0xFFFFFFFF81000000, ("_text", 0, "")),
        (0xFFFFFFFF81000105, ("do_one", 5, "")),
        (0xFFFFFFFF810001FF, ("do_one", 0xFF, "")),
        (0xFFFFFFFF81000210, ("vfs_read_alias", 16, "")),
        (0xFFFFFFFF81000500, ("some_data", 0, "")),
        (0xFFFFFFFF82000000, ("_end", 0, "")),
        (0xFFFFFFFF82000001, None),
        (0xFFFFFFFF80FFFFFF, None),
        (0xFFFFFFFFC0100008, ("module_start", 8, "first")),
        (0xFFFFFFFFC0100021, ("vfs_read", 1, "first")),
        (0xFFFFFFFFC0200010, ("second_in_module", 0, "second")),
        (0xFFFFFFFFC0300004, ("bpf_prog_1234_count", 4, "bpf")),
        (0xFFFFFFFFC1300004, None),
        (0xFFFF888000000000, None),
        (0, None),
        (0x1000, None),
        (-1, None),
        (1 << 64, None),
    ],
)
def test_resolve(kallsyms, address, found):
    symbols = kallsyms()
    assert symbols.resolve(address) == found
    assert symbols.resolve(address) == found  # and again, from memory
    assert symbols.resolve_many([address, 0]) == [found, None]


@pytest.mark.parametrize(
    ("name", "address"),
    [
        ("vfs_read", 0xFFFFFFFF81000200),  # the kernel's own before a module's
        ("static_twin", 0xFFFFFFFF81000300),
        ("_stext", 0xFFFFFFFF81000000),
        ("bpf_prog_1234_count", 0xFFFFFFFFC0300000),
        ("fs_read", None),
        ("vfs_rea", None),
        ("", None),
        ("vfs_read\t[first]", None),
        ("a b", None),
        ("é", None),
        ("\ud800", None),
        (".*", None),
    ],
)
def test_address(kallsyms, name, address):
    assert kallsyms().address(name) == address
    loaded = kallsyms()
    loaded.resolve(0xFFFFFFFF81000000)
    assert loaded.address(name) == address


def test_names(kallsyms):
    symbols = kallsyms()
    assert symbols.names("vfs_*") == ["vfs_read", "vfs_read_alias"]
    assert symbols.names("[sw]*") == ["second_in_module", "static_twin", "weak_one"]
    assert "some_data" not in symbols.names()


def test_hidden_addresses(kallsyms):
    assert not kallsyms().hidden
    zeros = "".join(f"{0:016x}{line[16:]}\n" for line in SAMPLE.splitlines())
    symbols = kallsyms(zeros)
    assert symbols.hidden
    assert symbols.address("vfs_read") is None
    assert symbols.resolve(0xFFFFFFFF81000200) is None
    assert "vfs_read" in symbols.names()


@pytest.mark.parametrize(
    "text",
    ["", "\n", "garbage", "zz zz zz\n" * 5, "ffffffff81000000", SAMPLE[:-30], SAMPLE + "x\n\n"],
)
def test_damaged_files(kallsyms, text):
    symbols = kallsyms(text)
    assert symbols.address("nothing") is None
    symbols.resolve(0xFFFFFFFF81000105)
    symbols.resolve(0xFFFFFFFFC0100008)
    assert symbols.names("nothing") == []
    assert isinstance(symbols.hidden, bool)


def test_a_missing_file():
    symbols = KernelSymbols("/nonexistent/kallsyms")
    assert symbols.address("vfs_read") is None
    assert symbols.resolve(0xFFFFFFFF81000000) is None
    assert symbols.names() == []


def test_32_bits(kallsyms):
    symbols = kallsyms("c0100000 T _stext\nc0100100 T here\nc0200000 T _end\nbf000000 t m\t[mod]\n")
    assert symbols.resolve(0xC0100104) == ("here", 4, "")
    assert symbols.resolve(0xBF000002) == ("m", 2, "mod")


def test_old_kernels_begin_with_per_cpu_offsets(kallsyms):
    symbols = kallsyms("0000000000000000 A fixed_percpu_data\n0000000000001000 A more\n" + SAMPLE)
    assert not symbols.hidden
    assert symbols.resolve(0xFFFFFFFF81000105) == ("do_one", 5, "")
    assert symbols.resolve(0xFFFF888000000000) is None
    assert symbols.resolve(0x1008) is None


def test_symbols_that_come_later(kallsyms, tmp_path, monkeypatch):
    """A module loaded during the trace: a miss near the kernel's code reads the file again."""
    from prybee.symbols import kernel

    monkeypatch.setattr(kernel, "_RELOAD_AFTER", 0.0)
    symbols = kallsyms()
    assert symbols.resolve(0xFFFFFFFFC0800004) is None
    (tmp_path / "kallsyms").write_text(SAMPLE + "ffffffffc0900000 t late\t[late]\n")
    assert symbols.resolve(0xFFFFFFFFC0900004) == ("late", 4, "late")
    assert symbols.resolve(0xFFFFFFFF81000105) == ("do_one", 5, "")


def test_one_name_needs_no_whole_file_and_leaves_no_descriptor(tmp_path):
    path = tmp_path / "kallsyms"
    filler = "".join(f"{0xFFFFFFFF81100000 + n:016x} t filler_{n}\n" for n in range(40_000))
    path.write_text("ffffffff81000000 T early\n" + filler + "ffffffff82000000 T late\n")
    before = len(os.listdir("/proc/self/fd"))
    symbols = KernelSymbols(str(path))
    assert symbols.address("early") == 0xFFFFFFFF81000000
    assert len(symbols._data) < path.stat().st_size
    assert symbols.address("late") == 0xFFFFFFFF82000000
    assert symbols.address("filler_39999") == 0xFFFFFFFF81100000 + 39_999
    assert symbols.resolve(0xFFFFFFFF81100000 + 20_000) == ("filler_20000", 0, "")
    symbols.close()
    KernelSymbols(str(path)).hidden  # noqa: B018 - opened, and dropped without closing
    assert len(os.listdir("/proc/self/fd")) == before


@pytest.mark.live
def test_the_running_kernel():
    symbols = KernelSymbols()
    if symbols.hidden:
        pytest.skip("kernel.kptr_restrict hides addresses")
    rows = {}
    with open("/proc/kallsyms") as file:
        for line in file:
            fields = line.split()
            if len(fields) == 3:
                rows[int(fields[0], 16)] = fields[2]  # the last of an address counts
    for address in sorted(rows)[:: len(rows) // 200]:
        if address:
            assert symbols.resolve(address) == (rows[address], 0, "")
    read = symbols.address("vfs_read")
    assert symbols.resolve(read + 1) == ("vfs_read", 1, "")
    assert "vfs_read" in symbols.names("vfs_r*")
