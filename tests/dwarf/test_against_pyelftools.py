"""The reader against another: all functions, parameters and line rows of some programs."""

import pytest

from tests.dwarf.conftest import CPP_SOURCE, SOURCE

elftools = pytest.importorskip("elftools.elf.elffile")

PROGRAMS = {
    "c": ("gcc", SOURCE, ("-O0",)),
    "c, optimised": ("gcc", SOURCE, ("-O2",)),
    "c, version 4": ("gcc", SOURCE, ("-gdwarf-4",)),
    "c++": ("g++", CPP_SOURCE, ("-O1",)),
    "c++, version 4": ("g++", CPP_SOURCE, ("-gdwarf-4", "-O2")),
}


@pytest.fixture(params=PROGRAMS)
def both(request, build, opened):
    compiler, source, flags = PROGRAMS[request.param]
    path = build(f"oracle {request.param}", "-g", *flags, source=source, compiler=compiler)
    elf, info = opened(path)
    with open(path, "rb") as file:
        yield elf, info, elftools.ELFFile(file).get_dwarf_info()


def test_functions(both):
    _elf, info, oracle = both
    seen = 0
    for unit in oracle.iter_CUs():
        for entry in unit.iter_DIEs():
            if entry.tag != "DW_TAG_subprogram" or "DW_AT_low_pc" not in entry.attributes:
                continue
            seen += 1
            address = entry.attributes["DW_AT_low_pc"].value
            found = info.function(address)
            assert found.id == entry.offset
            for reference in (
                "DW_AT_abstract_origin",
                "DW_AT_specification",
                "DW_AT_abstract_origin",
            ):
                if reference in entry.attributes:
                    entry = entry.get_DIE_from_attribute(reference)
            wanted = [
                each.attributes["DW_AT_name"].value.decode()
                for each in entry.iter_children()
                if each.tag == "DW_TAG_formal_parameter" and "DW_AT_name" in each.attributes
            ]
            names = [p.name for p in info.types.parameters(found.id)]
            assert not wanted or names == wanted
    assert seen >= 4


def test_members_of_all_structs(both):
    _elf, info, oracle = both
    seen = 0
    for unit in oracle.iter_CUs():
        for entry in unit.iter_DIEs():
            if entry.tag not in ("DW_TAG_structure_type", "DW_TAG_class_type", "DW_TAG_union_type"):
                continue
            if "DW_AT_declaration" in entry.attributes:
                continue
            seen += 1
            wanted = [
                each.attributes["DW_AT_name"].value.decode()
                for each in entry.iter_children()
                if each.tag == "DW_TAG_member"
                and "DW_AT_name" in each.attributes
                and "DW_AT_external" not in each.attributes
                and "DW_AT_declaration" not in each.attributes
            ]
            assert [m.name for m in info.types.members(entry.offset) if m.name] == wanted
            assert info.types.size(entry.offset) == entry.attributes["DW_AT_byte_size"].value
    assert seen >= 4


def test_line_rows(both):
    _elf, info, oracle = both
    for unit, other in zip(info.main.units(), oracle.iter_CUs(), strict=True):
        table = info._lines(unit)
        program = oracle.line_program_for_CU(other)
        wanted = [
            (row.state.address, row.state.file, row.state.line, row.state.end_sequence)
            for row in program.get_entries()
            if row.state is not None
        ]
        assert [(r.address, r.file, r.line, r.ends) for r in table.rows] == wanted
