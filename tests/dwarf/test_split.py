"""Split units: ``.dwo`` files, packages of them, and separate debug files."""

import os
import shutil
import struct
import subprocess

import pytest

from prybee.dwarf import DwarfError
from prybee.elf import ElfFile
from prybee.symbols import debug_info
from tests.dwarf.conftest import SOURCE, function

VERSIONS = ("4", "5")


@pytest.fixture(params=VERSIONS)
def split(request, build, tmp_path):
    """A program in a folder of its own, and its ``.dwo`` file."""
    name = f"split {request.param}"
    source = build(name, f"-gdwarf-{request.param}", "-gsplit-dwarf", "-O0")
    (dwo,) = [f for f in os.listdir(os.path.dirname(source)) if f.startswith(name) and "dwo" in f]
    program = tmp_path / "program"
    shutil.copy(source, program)
    # The path that the compiler wrote must not be found.
    data = program.read_bytes()
    folder = os.path.dirname(source).encode()
    program.write_bytes(data.replace(folder, b"/nowhere" + b"x" * (len(folder) - 8)))
    return program, os.path.join(os.path.dirname(source), dwo)


def parameters(opened, path, **options):
    elf, info = opened(path, **options)
    entry = function(elf, info, "count_pages")
    return [p.name for p in info.types.parameters(entry.id)] if entry is not None else info.missing


NAMES = ["first", "title", "cover", "shelf", "price", "pages"]


def test_beside_the_program(split, opened):
    program, dwo = split
    shutil.copy(dwo, program.parent)
    assert parameters(opened, program) == NAMES


def test_in_another_folder(split, opened):
    program, dwo = split
    assert parameters(opened, program, directories=[os.path.dirname(dwo)]) == NAMES


def test_missing(split, opened):
    program, dwo = split
    assert parameters(opened, program) == [os.path.basename(dwo)]
    # What the program itself has is still known.
    elf, info = opened(program)
    assert info.frames(elf.symbols("main")[0].value)[0].line > 0


def test_of_another_build(split, opened):
    program, dwo = split
    with open(dwo, "rb") as file:
        data = bytearray(file.read())
    identity = skeleton_id(opened, program)
    place = data.index(struct.pack("<Q", identity))
    data[place] ^= 0xFF
    (program.parent / os.path.basename(dwo)).write_bytes(data)
    assert parameters(opened, program) == [os.path.basename(dwo)]


def skeleton_id(opened, program):
    _elf, info = opened(program)
    unit = next(u for u in info.main.units() if u.kind == 4 or u.top.has(0x2131))
    return unit.signature or unit.top.number(0x2131)


def package(dwo, path, identity, version):
    """A package with one unit, as `dwp` makes it (binutils' does not know version 5)."""
    numbers = {
        "4": {".debug_info.dwo": 1, ".debug_abbrev.dwo": 3, ".debug_line.dwo": 4,
              ".debug_str_offsets.dwo": 6},
        "5": {".debug_info.dwo": 1, ".debug_abbrev.dwo": 3, ".debug_line.dwo": 4,
              ".debug_str_offsets.dwo": 6, ".debug_rnglists.dwo": 8},
    }[version]  # fmt: skip
    with ElfFile.open(str(dwo)) as elf:
        parts = {numbers[s.name]: s.size for s in elf.sections if s.name in numbers}
    slots = 2
    head = struct.pack("<IIII", 2 if version == "4" else 5, len(parts), 1, slots)
    slot = identity & (slots - 1)
    hashes = [0] * slots
    rows = [0] * slots
    hashes[slot], rows[slot] = identity, 1
    body = struct.pack(f"<{slots}Q{slots}I", *hashes, *rows)
    columns = struct.pack(f"<{len(parts)}I", *parts)
    starts = struct.pack(f"<{len(parts)}I", *[0] * len(parts))
    sizes = struct.pack(f"<{len(parts)}I", *parts.values())
    path.write_bytes(head + body + columns + starts + sizes)


def test_package(split, opened, tool, tmp_path):
    program, dwo = split
    _elf, info = opened(program)
    version = str(next(u.version for u in info.main.units() if u.kind == 4 or u.top.has(0x2131)))
    package(dwo, tmp_path / "index", skeleton_id(opened, program), version)
    tool("objcopy", "--add-section", f".debug_cu_index={tmp_path / 'index'}", dwo,
         f"{program}.dwp")  # fmt: skip
    assert parameters(opened, program) == NAMES


def test_package_by_its_tool(build, opened, tool, tmp_path):
    """Two units, so that their parts do not start at 0."""
    if not shutil.which("dwp"):
        pytest.skip("needs dwp")
    (tmp_path / "one.c").write_text(SOURCE)
    (tmp_path / "two.c").write_text(
        "struct extra { long a; char b; };\nint two(struct extra *e) { return e->b; }\n"
    )
    flags = ["-w", "-gdwarf-4", "-gsplit-dwarf", "-O0"]
    for name in ("two", "one"):
        subprocess.run(["gcc", *flags, "-c", f"{name}.c"], check=True, cwd=tmp_path)
    subprocess.run(["gcc", "two.o", "one.o", "-o", "both"], check=True, cwd=tmp_path)
    subprocess.run(["dwp", "-e", "both", "-o", "both.dwp"], check=True, cwd=tmp_path)
    for name in ("one.dwo", "two.dwo"):
        (tmp_path / name).unlink()
    elf, info = opened(tmp_path / "both")
    assert [p.name for p in info.types.parameters(function(elf, info, "two").id)] == ["e"]
    assert [p.name for p in info.types.parameters(function(elf, info, "count_pages").id)] == NAMES
    assert info.types.size(info.types.find("extra", "struct")) == 16
    assert info.types.size(info.types.find("book", "struct")) == 128


@pytest.mark.parametrize("way", ["link", "link in .debug", "build id", "own name"])
def test_debug_file(way, build, tool, tmp_path):
    program, directories = tmp_path / "program", ()
    shutil.copy(build("separate", "-g", "-Wl,--build-id"), program)
    debug = {
        "link": tmp_path / "program.dbg",
        "link in .debug": tmp_path / ".debug" / "program.dbg",
        "own name": tmp_path / "elsewhere" / "program.debug",
    }.get(way)
    with ElfFile.open(str(program)) as elf:
        identity = elf.build_id.hex()
    if debug is None:
        debug = tmp_path / "usr" / ".build-id" / identity[:2] / f"{identity[2:]}.debug"
        directories = (str(tmp_path / "usr"),)
    elif way == "own name":
        directories = ("elsewhere",)  # from beside the program
    debug.parent.mkdir(parents=True, exist_ok=True)
    tool("objcopy", "--only-keep-debug", program, debug)
    tool("strip", "--strip-debug", program)
    if "link" in way:
        tool("objcopy", f"--add-gnu-debuglink={debug}", program)
    with ElfFile.open(str(program)) as elf:
        found = debug_info.find(elf, str(program), directories)
        assert found is not None
        assert [p.name for p in found.info.types.parameters(
            function(elf, found.info, "count_pages").id)] == NAMES  # fmt: skip
        found.close()


def test_debug_file_of_another_program(build, tool, tmp_path):
    program = tmp_path / "program"
    shutil.copy(build("separate", "-g", "-Wl,--build-id"), program)
    other = build("separate other", "-g", "-O2", "-Wl,--build-id")
    tool("objcopy", "--only-keep-debug", other, tmp_path / "program.dbg")
    tool("strip", "--strip-debug", program)
    tool("objcopy", f"--add-gnu-debuglink={tmp_path / 'program.dbg'}", program)
    with ElfFile.open(str(program)) as elf:
        assert debug_info.find(elf, str(program)) is None


@pytest.fixture
def shared(build, tool, tmp_path):
    """Two programs whose common debug information is in a file of its own."""
    paths = []
    for name in ("common", "common other"):
        path = tmp_path / name.replace(" ", "-")
        shutil.copy(build(name, "-g", "-O0" if name == "common" else "-O2", "-Wl,--build-id"), path)
        paths.append(path)
    try:
        tool("dwz", "-m", tmp_path / "shared.debug", "-M", tmp_path / "shared.debug", *paths)
    except subprocess.CalledProcessError as error:
        pytest.skip(f"dwz does not work here: {error.stderr}")
    return paths[0], tmp_path / "shared.debug"


def test_shared_part(shared, opened):
    program, _part = shared
    assert parameters(opened, program) == NAMES
    elf, info = opened(program)
    entry = function(elf, info, "count_pages")
    types = info.types
    shown = [types.type_name(p.type) for p in types.parameters(entry.id)]
    assert shown == [
        "struct book*", "const char*", "enum color", "shelf_t*", "double", "number*",
    ]  # fmt: skip
    assert types.size(types.find("book", "struct", entry)) == 128
    assert len(types.flat_members(types.find("book", "struct"))) == 18


def test_shared_part_is_missing(shared, opened):
    program, part = shared
    part.unlink()
    elf, info = opened(program)

    def ask():
        entry = function(elf, info, "count_pages")
        return [info.types.type_name(p.type) for p in info.types.parameters(entry.id)]

    with pytest.raises(DwarfError) as caught:
        ask()
    assert f"its shared part '{part}' was not found" in str(caught.value)


@pytest.mark.parametrize("flags", [("-gdwarf-4",), ("-gdwarf-5",)], ids=" ".join)
def test_compressed_by_dwz(flags, build, tool, opened, tmp_path):
    """Within one file: common entries are in units of their own."""
    path = tmp_path / "program"
    shutil.copy(build(f"types {flags}", *flags), path)
    tool("dwz", path)
    assert parameters(opened, path) == NAMES
