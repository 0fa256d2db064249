"""Types of C and C++ programs, whatever the version and the layout of the debug information."""

import pytest

from tests.dwarf.conftest import CPP_SOURCE, VERSIONS, function

KINDS = {
    **{f"version {version}": (f"-gdwarf-{version}", "-O0") for version in VERSIONS},
    "optimised": ("-g", "-O2"),
    "fixed": ("-g", "-no-pie"),
    "64-bit format": ("-gdwarf-5", "-gdwarf64"),
    "compressed": ("-g", "-gz"),
    "type units": ("-gdwarf-5", "-fdebug-types-section"),
    "type units of version 4": ("-gdwarf-4", "-fdebug-types-section"),
    "split": ("-gdwarf-5", "-gsplit-dwarf"),
    "split before version 5": ("-gdwarf-4", "-gsplit-dwarf"),
}

MEMBERS = [
    # name, type, byte, bit of a bitfield, its bits
    ("pages", "int", 0, 0, 0),
    ("lent", "unsigned int", 4, 0, 1),
    ("shelfmark", "unsigned int", 4, 1, 11),
    ("offset", "int", 5, 4, 5),
    ("title", "char[24]", 7, 0, 0),
    ("next", "struct book*", 32, 0, 0),
    ("grid", "short int[3][2]", 40, 0, 0),
    ("as_number", "long int", 56, 0, 0),
    ("as_pointer", "void*", 56, 0, 0),
    ("range", "struct <anonymous>", 64, 0, 0),
    ("cover", "enum color", 72, 0, 0),
    ("bound", "_Bool", 76, 0, 0),
    ("price", "double", 80, 0, 0),
    ("names", "const volatile char* const*", 88, 0, 0),
    ("compare", "int (*)(const struct book*, const struct book*)", 96, 0, 0),
    ("secret", "struct hidden*", 104, 0, 0),
    ("wide", "__int128", 112, 0, 0),
    ("tail", "char[0]", 128, 0, 0),
]
PARAMETERS = [
    ("first", "struct book*"),
    ("title", "const char*"),
    ("cover", "enum color"),
    ("shelf", "shelf_t*"),
    ("price", "double"),
    ("pages", "number*"),
]


@pytest.fixture(params=KINDS)
def sample(request, build, opened):
    flags = KINDS[request.param]
    return opened(build("types " + request.param, *flags))


def test_parameters(sample):
    elf, info = sample
    entry = function(elf, info, "count_pages")
    found = info.types.parameters(entry.id)
    assert [(p.name, info.types.type_name(p.type)) for p in found] == PARAMETERS
    assert info.types.variadic(entry.id)
    assert info.types.type_name(info.types.returns(entry.id)) == "int"
    nothing = function(elf, info, "nothing")
    assert info.types.returns(nothing.id) == 0
    assert info.types.parameters(nothing.id) == ()


def test_members(sample):
    elf, info = sample
    types = info.types
    book = types.find("book", "struct", function(elf, info, "count_pages"))
    assert types.size(book) == 128
    found = [
        (m.name, types.type_name(m.type).replace("volatile const", "const volatile"),
         m.bit_offset // 8, m.bit_offset % 8, m.bit_size)
        for m in types.flat_members(book)
    ]  # fmt: skip
    assert found == MEMBERS


def test_kinds_and_sizes(sample):
    elf, info = sample
    types = info.types
    entry = function(elf, info, "count_pages")
    members = {m.name: m.type for m in types.flat_members(types.find("book", "struct", entry))}
    assert types.array_info(members["title"]) == (types.target(members["title"]), 24)
    rows, count = types.array_info(members["grid"])
    assert count == 2
    assert types.array_info(rows)[1] == 3
    assert types.size(members["grid"]) == 12
    assert types.size(members["tail"]) == 0
    assert types.kind(types.target(members["secret"])) == "fwd"
    assert types.kind(members["price"]) == "float"
    assert types.int_info(members["bound"]).is_bool
    assert types.int_info(members["pages"]).signed
    assert not types.int_info(members["lent"]).signed
    assert types.size(members["wide"]) == 16
    assert types.enum_info(members["cover"]) == (4, True)
    assert types.enumerators(members["cover"]) == (("RED", 0), ("GREEN", 5), ("BLUE", -3))


def test_by_name(sample):
    _elf, info = sample
    types = info.types
    for name, kind, size in [
        ("book", "struct", 128), ("shelf", "struct", 272), ("word", "union", 4),
        ("color", "enum", 4), ("shelf_t", "typedef", 272), ("number", "typedef", 4),
    ]:  # fmt: skip
        found = types.find(name, kind)
        assert found, name
        assert types.size(found) == size
        assert types.name(found) == name
    assert types.find("book", "union") == 0
    assert types.find("nothing", "struct") == 0
    assert types.find("hidden", "struct") == 0  # it is only declared
    assert types.find("ook", "struct") == 0  # strings may share their ends


@pytest.mark.parametrize("version", ["4", "5"])
def test_classes(version, build, opened):
    path = build(f"classes {version}", f"-gdwarf-{version}", source=CPP_SOURCE, compiler="g++")
    elf, info = opened(path)
    types = info.types
    entry = function(elf, info, "_ZNK4shop4Item5totalEiRKS0_ONS_3TagE")
    shown = [(p.name, types.type_name(p.type)) for p in types.parameters(entry.id)]
    assert shown == [
        ("this", "const struct Item* const"),
        ("count", "int"),
        ("other", "const struct Item&"),
        ("moved", "struct Tag&&"),
    ]
    item = types.find("Item", "struct")
    found = [(m.name, m.bit_offset // 8) for m in types.flat_members(item)]
    assert found == [("_vptr.Base", 0), ("id", 8), ("label", 12), ("price", 16), ("kind", 24)]
    kind = types.find("Kind", "enum")
    assert types.enum_info(kind) == (1, False)
    assert types.enumerators(kind) == (("Small", 1), ("Large", 200))


@pytest.mark.parametrize("version", ["4", "5"])
def test_what_is_passed_by_reference(version, build, opened):
    path = build(f"classes {version}", f"-gdwarf-{version}", source=CPP_SOURCE, compiler="g++")
    elf, info = opened(path)
    name = next(n for n in elf.function_names() if "by_value" in n)
    parameters = info.types.parameters(function(elf, info, name).id)
    assert {p.name: info.types.by_reference(p.type) for p in parameters} == {
        "plain": False,
        "owner": True,
        "holder": True,
        "copied": True,
        "box": False,
        "item": True,
    }


def test_no_debug_information(build, opened):
    elf, info = opened(build("bare", "-g0"))
    assert not info.inside(elf)
    assert function(elf, info, "main") is None
    assert info.types.find("book", "struct") == 0
    assert info.frames(elf.symbols("main")[0].value) == ()


def test_lines_only(build, opened):
    """``-g1``: functions and lines, no types."""
    elf, info = opened(build("minimal", "-g1"))
    entry = function(elf, info, "count_pages")
    assert entry.name == "count_pages"
    assert info.types.parameters(entry.id) == ()
    assert info.frames(elf.symbols("nothing")[0].value)[0].line > 0
