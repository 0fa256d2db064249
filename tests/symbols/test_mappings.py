"""Memory maps and perf maps as text."""

import os

import pytest

from prybee.symbols.mappings import Mappings
from prybee.symbols.perf_map import PerfMap

MAPS = rb"""55d0c0000000-55d0c0001000 r--p 00000000 fe:01 100 /usr/bin/app
55d0c0001000-55d0c0004000 r-xp 00001000 fe:01 100 /usr/bin/app
7f0000000000-7f0000001000 rwxp 00000000 00:00 0
7f0000002000-7f0000003000 r-xs 00005000 00:1f 7 /tmp/with space (deleted)
7f0000004000-7f0000005000 r-xp 00000000 fe:01 8 /tmp/new\012line
7ffd00000000-7ffd00002000 r-xp 00000000 00:00 0                          [vdso]
ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0                  [vsyscall]
"""


def test_ranges():
    mappings = Mappings(MAPS)
    assert [m.path for m in mappings.items] == [
        "/usr/bin/app",
        "",
        "/tmp/with space (deleted)",
        "/tmp/new\nline",
        "[vdso]",
        "[vsyscall]",
    ]
    assert [m.is_file for m in mappings.items] == [True, False, True, True, False, False]
    code = mappings.find(0x55D0C0001000)
    assert (code.start, code.end, code.offset, code.device, code.inode) == (
        0x55D0C0001000,
        0x55D0C0004000,
        0x1000,
        "fe:01",
        100,
    )
    assert mappings.find(0x55D0C0003FFF) is code
    assert mappings.find(0x55D0C0000FFF) is None  # not executable
    assert mappings.find(0x55D0C0004000) is None
    assert mappings.find(0) is None
    assert mappings.find(0xFFFFFFFFFF600001).path == "[vsyscall]"


@pytest.mark.parametrize("text", [b"", b"\n", b"rubbish", MAPS[:70], b"\xff" * 100])
def test_damaged_maps(text):
    mappings = Mappings(text)
    assert mappings.find(0x55D0C0001000) in (None, *mappings.items)


def test_our_own_maps():
    with open("/proc/self/maps", "rb") as file:
        text = file.read()
    mappings = Mappings(text)
    assert len(mappings.items) == sum(line.split()[1][2:3] == b"x" for line in text.splitlines())


def test_a_perf_map_that_grows(tmp_path):
    path = tmp_path / "perf-1.map"
    perf_map = PerfMap(str(path), "/tmp/perf-1.map")
    assert not perf_map.refresh()
    assert perf_map.find(0x1000) is None
    path.write_bytes(b"1000 20 one\n2000 10 two of them\nbad\nzz 10 x\n3000 zz x\n3000 10 thr")
    assert perf_map.refresh()
    assert not perf_map.refresh()
    assert perf_map.find(0x1000) == ("one", 0)
    assert perf_map.find(0x101F) == ("one", 0x1F)
    assert perf_map.find(0x1020) is None
    assert perf_map.find(0xFFF) is None
    assert perf_map.find(0x2001) == ("two of them", 1)
    assert perf_map.find(0x3000) is None  # its line is not complete yet
    with open(path, "ab") as file:
        file.write(b"ee\n1000 8 replaced\n500 10 \xff\n")
    assert perf_map.refresh()
    assert perf_map.find(0x3001) == ("three", 1)
    assert perf_map.find(0x1007) == ("replaced", 7)
    assert perf_map.find(0x1008) is None
    assert perf_map.find(0x500) == (r"\xff", 0)


def test_a_perf_map_of_another_process(tmp_path):
    path = tmp_path / "perf-1.map"
    path.write_text("1000 20 old\n" * 3)
    perf_map = PerfMap(str(path), "shown")
    perf_map.refresh()
    other = tmp_path / "new"
    other.write_text("".join(f"{0x2000 + n * 16:x} 10 f{n}\n" for n in range(500)))
    os.replace(other, path)
    assert perf_map.refresh()
    assert perf_map.find(0x1000) is None
    assert perf_map.find(0x2000 + 16 * 499 + 1) == ("f499", 1)
