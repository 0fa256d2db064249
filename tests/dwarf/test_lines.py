"""Lines and inlined functions."""

import pytest

from tests.dwarf.conftest import SOURCE, VERSIONS

LINES = {text.strip(): number for number, text in enumerate(SOURCE.splitlines(), 1)}
BODY = LINES["return twice(first->pages) + title[0] + cover + shelf->count + (int)price + *pages;"]
TWICE = LINES["return value * 2;"]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("extra", [(), ("-gsplit-dwarf",), ("-no-pie",)], ids=" ".join)
def test_places_of_a_line(version, extra, build, opened):
    path = build(f"lines {version} {extra}", f"-gdwarf-{version}", "-O0", *extra)
    elf, info = opened(path)
    files = info.source_files(f"lines {version} {extra}.c")
    ((name, units),) = files.items()
    assert name == f"{path}.c"
    rows = [
        (line, elf.function_at(at)[0].name) for line, _c, at in info.line_addresses(units, name)
    ]
    assert (BODY, "count_pages") in rows
    assert (LINES["nothing();"], "main") in rows
    assert all(function == "count_pages" for line, function in rows if line == BODY)
    assert info.source_files("missing.c") == {}
    assert info.source_files("ines 5.c") == {}  # whole parts of a path only


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("extra", [(), ("-gsplit-dwarf",)], ids=" ".join)
def test_inlined(version, extra, build, opened):
    path = build(f"inlined {version} {extra}", f"-gdwarf-{version}", "-O2", *extra)
    elf, info = opened(path)
    copies = info.inlined("twice")
    assert {copy.inside for copy in copies} == {"count_pages"}
    inner, outer = info.frames(copies[0].address)
    assert (inner.function, inner.inlined, inner.line) == ("twice", True, TWICE)
    assert (outer.function, outer.inlined, outer.line) == ("count_pages", False, BODY)
    assert inner.file == outer.file == f"{path}.c"
    symbol = elf.symbols("count_pages")[0]
    last = info.frames(symbol.value + symbol.size - 1)
    assert last[-1].function == "count_pages"


def test_addresses_of_nothing(build, opened):
    _elf, info = opened(build("lines 5 ()", "-gdwarf-5", "-O0"))
    for address in (0, 1 << 40, (1 << 64) - 1):
        assert info.frames(address) == ()
        assert info.function(address) is None


def test_units_without_a_table_of_addresses(build, opened, tool, tmp_path):
    """What GCC writes into .debug_aranges, other compilers do not write."""
    path = build("lines 5 ()", "-gdwarf-5", "-O0")
    tool("objcopy", "--remove-section", ".debug_aranges", path, tmp_path / "bare")
    elf, info = opened(tmp_path / "bare")
    assert info.function(elf.symbols("main")[0].value).name == "main"
    _elf, split = opened(build("split ranges", "-g", "-O2", "-ffunction-sections"))
    assert split.frames(elf.entry) is not None
