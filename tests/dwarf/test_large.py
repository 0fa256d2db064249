"""Large debug files: what is asked for is read, and not the rest."""

import subprocess
import sys
import tracemalloc

import pytest

from prybee.dwarf import DebugInfo
from prybee.elf import ElfFile
from tests.counting import calls
from tests.dwarf.conftest import SOURCE, function

UNITS = 60
ENTRIES = 20_000  # of 12 bytes, in each unit

# Units of other source files: a type of their own, and many entries that nobody asks for.
FILLER = r"""
__asm__(".section .debug_abbrev,\"\",@progbits\n"
        "filler_abbrev:\n"
        ".byte 1,0x11,1, 0x03,0x08, 0x11,0x01, 0x12,0x07, 0,0\n" /* unit: name, low, high */
        ".byte 2,0x24,0, 0x0b,0x0b, 0x3e,0x0b, 0x03,0x08, 0,0\n" /* base type */
        ".byte 3,0x13,0, 0x03,0x0e, 0x0b,0x0b, 0,0\n"            /* struct, name in .debug_str */
        ".byte 0\n"
        ".section .debug_str,\"MS\",@progbits,1\n"
        "needle: .asciz \"needle_in_the_hay\"\n"
        "hay: .asciz \"hay\"\n"
        ".section .debug_info,\"\",@progbits\n"
        ".set count, 0\n"
        ".rept UNITS\n"
        "1: .4byte 3f - 2f\n"
        "2: .2byte 5\n"
        ".byte 1, 8\n"
        ".4byte filler_abbrev\n"
        ".byte 1\n .asciz \"filler.c\"\n .8byte 0x10000000 + count\n .8byte 1\n"
        ".rept ENTRIES\n"
        ".byte 2, 4, 5\n .asciz \"fillings\"\n"
        ".endr\n"
        ".byte 3\n"
        ".if count == UNITS / 2 * 16\n .4byte needle\n .else\n .4byte hay\n .endif\n"
        ".byte 24\n"
        ".byte 0\n"
        "3:\n"
        ".set count, count + 16\n"
        ".endr\n"
        ".text\n");
"""


@pytest.fixture(scope="module")
def large(build):
    """A program of which the reader knows some 14 MB."""
    filler = FILLER.replace("UNITS", str(UNITS)).replace("ENTRIES", str(ENTRIES))
    return build("large", "-g", "-O0", "-Wl,--build-id", source=SOURCE + filler)


def test_size(large):
    with ElfFile.open(large) as elf:
        assert elf.section(".debug_info").size > 12_000_000


def test_arguments_of_a_function(large, opened):
    """The table of addresses leads to the unit; of the others just the headers are read."""
    tracemalloc.start()
    elf, info = opened(large)
    entry = function(elf, info, "count_pages")
    assert [p.name for p in info.types.parameters(entry.id)][:2] == ["first", "title"]
    book = info.types.find("book", "struct", entry)
    assert len(info.types.flat_members(book)) == 18
    _now, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert info.bytes_read < 100_000
    assert peak < 4_000_000


ASK = """
import resource, sys
from prybee.dwarf import DebugInfo
from prybee.elf import ElfFile

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10

with ElfFile.open(sys.argv[1]) as elf:
    info = DebugInfo(elf, sys.argv[1], cache="")
    info.function(elf.symbols("main")[0].value)
    before = peak()
    sizes = [info.types.size(info.types.find(name, "struct")) for name in sys.argv[2:]]
    print(peak() - before, *sizes)
"""


def test_a_type_of_another_unit(large):
    """All units are gone through once; one at a time is in memory."""
    names = "needle_in_the_hay", "hay", "straw"
    command = [sys.executable, "-c", ASK, large, *names]
    out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    grown, *sizes = map(int, out.split())
    assert sizes == [24, 24, 0]
    assert grown < 6_000_000


def test_the_index_is_kept(large, tmp_path):
    """The second run asks the disk, and reads next to nothing of the program."""
    cache = tmp_path / "cache"
    cache.mkdir(mode=0o700)
    read = []
    for _ in range(2):
        with ElfFile.open(large) as elf:
            info = DebugInfo(elf, large, cache=str(cache))
            assert info.types.size(info.types.find("needle_in_the_hay", "struct")) == 24
            read.append(info.bytes_read)
    assert len(list(cache.iterdir())) == 1
    assert read[1] < read[0] / 3


def test_a_type_that_is_not_there(large, opened):
    """A name that is nowhere in the file is found out by searching for it, without an index."""
    _elf, info = opened(large)
    assert calls(lambda: info.types.find("task_struct", "struct")) < 20_000
    assert not info.types.find("task_struct", "struct")


def test_work_grows_with_what_is_asked(large, opened):
    """Other entries of the unit are stepped over."""

    def ask():
        elf, info = opened(large)
        assert function(elf, info, "count_pages").name == "count_pages"

    assert calls(ask) < 60_000
