"""The object file reader: programs of every kind, files of other machines, misuse."""

import shutil
import struct
import subprocess
from pathlib import Path

import pytest

from prybee.elf import ElfError, ElfFile
from tests.elf import conftest
from tests.elf.writer import elf as make_elf


@pytest.mark.parametrize("kind", ["pie", "fixed", "static", "static-pie", "shared"])
def test_symbols_of_a_program(program, kind):
    with ElfFile.open(program(kind)) as elf:
        (shown,) = elf.symbols("shown_function")
        assert (shown.kind, shown.binding) == ("func", "global")
        assert shown.is_function
        (hidden,) = elf.symbols("hidden_function")
        assert (hidden.kind, hidden.binding) == ("func", "local")
        (number,) = elf.symbols("shared_number")
        assert (number.kind, number.size, number.is_function) == ("object", 4, False)
        (alias,) = elf.symbols("alias_of_shown")
        assert (alias.value, alias.binding) == (shown.value, "weak")
        assert elf.symbols("shown_functio") == elf.symbols("hown_function") == []
        assert elf.symbols("") == elf.symbols("a\0b") == elf.symbols("\ud800") == []
        assert elf.has_symtab
        assert elf.type == ("EXEC" if kind in ("fixed", "static") else "DYN")
        symbol, offset = elf.function_at(hidden.value + 2)
        assert (symbol.name, offset) == ("hidden_function", 2)
        # Two names for one function: the global one is better known than the weak one.
        symbol, offset = elf.function_at(shown.value)
        assert (symbol.name, offset) == ("shown_function", 0)


def test_a_matching_function_is_found_once(program):
    with ElfFile.open(program("shared")) as elf:  # in .symtab and in .dynsym
        assert [s.name for s in elf.match("*_function")] == ["hidden_function", "shown_function"]
        assert [s.name for s in elf.match("s?own_[f]*")] == ["shown_function"]
        assert elf.match("nothing*") == []


def test_versions_of_a_library():
    import glob

    libc = glob.glob("/lib/x86_64-linux-gnu/libc.so.6")
    if not libc:
        pytest.skip("needs the x86-64 glibc, whose memcpy has two versions")
    with ElfFile.open(libc[0]) as elf:
        default, old = elf.symbols("memcpy")
        assert (default.version, default.default) == ("GLIBC_2.14", True)
        assert (old.version, old.default) == ("GLIBC_2.2.5", False)
        assert elf.symbols("memcpy@@GLIBC_2.14") == elf.symbols("memcpy@GLIBC_2.14") == [default]
        assert elf.symbols("memcpy@GLIBC_2.2.5") == [old]
        assert elf.symbols("memcpy@@GLIBC_2.2.5") == []
        assert elf.symbols("memcpy@NEVER") == []
        assert [s.version for s in elf.match("memcpy")] == ["GLIBC_2.14"]
        # A name that is there for old programs only is found all the same.
        assert [s.default for s in elf.match("llseek")] == [False]


def test_stripped_with_a_debug_file(program, tmp_path):
    if not shutil.which("objcopy"):
        pytest.skip("needs objcopy")
    full, debug, stripped = program("pie"), tmp_path / "app.debug", tmp_path / "app"
    subprocess.run(["objcopy", "--only-keep-debug", full, debug], check=True)
    subprocess.run(
        ["objcopy", "--strip-all", f"--add-gnu-debuglink={debug}", full, stripped], check=True
    )
    from zlib import crc32

    with ElfFile.open(str(stripped)) as elf, ElfFile.open(str(debug)) as extra:
        assert elf.debuglink == ("app.debug", crc32(debug.read_bytes()))
        assert not elf.has_symtab
        assert elf.symbols("hidden_function") == []
        assert elf.build_id == extra.build_id != b""
        (hidden,) = extra.symbols("hidden_function")
        assert extra.function_at(hidden.value + 1)[0].name == "hidden_function"
        assert elf.file_offset(hidden.value) is not None


def test_a_file_without_sections_is_read_by_its_segments(program, tmp_path):
    data = bytearray(Path(program("shared")).read_bytes())
    struct.pack_into("<Q", data, 0x28, 0)  # e_shoff
    struct.pack_into("<HH", data, 0x3C, 0, 0)  # e_shnum, e_shstrndx
    elf = ElfFile(data, "bare")
    assert elf.sections == ()
    assert [s.name for s in elf.symbols("shown_function")] == ["shown_function"]
    with ElfFile.open(program("shared")) as full:
        assert elf.build_id == full.build_id != b""
        exported = {s.name for t in full.symbol_tables[1:] for s in t.functions(lambda _: True)}
    assert set(elf.function_names()) == exported


def test_cpp_symbols(build):
    path = build("cpp", conftest.CPP_SOURCE, compiler="g++")
    with ElfFile.open(path) as elf:
        (area,) = elf.match("*4area*")
        assert area.name == "_ZNK8geometry5ShapeIiE4areaERKSt6vectorIiSaIiEE"
        assert elf.function_at(area.value + 1)[0] == area


@pytest.mark.parametrize("bits", [32, 64])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(("machine", "name"), [(62, "x86_64"), (22, "s390x"), (9999, None)])
def test_every_word_size_and_byte_order(bits, order, machine, name):
    elf = ElfFile(make_elf(bits, order, machine))
    assert (elf.bits, elf.byte_order) == (bits, "little" if order == "<" else "big")
    assert elf.machine == (name or "machine 9999")
    assert elf.build_id == bytes(range(20))
    assert [(s.value, s.size) for s in elf.symbols("beta")] == [(0x1010, 32)]
    assert elf.function_names() == ["alpha", "beta"]
    symbol, offset = elf.function_at(0x1018)
    assert (symbol.name, offset) == ("beta", 8)
    assert elf.function_at(0x1030) is None
    assert elf.file_offset(0x1010) == 0x1010
    assert elf.virtual_address(0x1010) == 0x1010


def test_thumb_functions_lose_their_mark():
    elf = ElfFile(make_elf(32, "<", 40, functions=(("thumb", 0x1001, 16),)))
    assert elf.symbols("thumb")[0].value == 0x1000
    symbol, offset = elf.function_at(0x1004)
    assert (symbol.value, offset) == (0x1000, 4)


def test_functions_without_a_size_nested_ones_and_gaps():
    functions = (
        ("outer", 0x1000, 0x100),
        ("inner", 0x1010, 0x10),
        ("unsized", 0x1200, 0),
        ("last", 0x1300, 0x10),
        ("end", 0x1F00, 0),
    )
    elf = ElfFile(make_elf(functions=functions, load=(0x1000, 0x1000, 0x1000)))
    wanted = {
        0x1008: "outer",
        0x1010: "inner",
        0x101F: "inner",
        0x1020: "outer",  # behind the inner one, and still in the outer one
        0x10FF: "outer",
        0x1100: None,
        0x1200: "unsized",
        0x12FF: "unsized",
        0x1305: "last",
        0x1310: None,
        0x1FFF: "end",
        0x2000: None,  # a function without a size ends with its segment
    }
    for address, name in wanted.items():
        found = elf.function_at(address)
        assert (found and found[0].name) == name, hex(address)


def test_of_several_names_the_familiar_one():
    functions = (("__read", 0x1000, 8), ("read", 0x1000, 8), ("_IO_read", 0x1000, 8))
    assert ElfFile(make_elf(functions=functions)).function_at(0x1003)[0].name == "read"


def test_shared_string_tails_and_many_candidates():
    """A linker may let one name be the end of another; a short name ends very many."""
    functions = (*((f"name{n}x", 0x1000 + n, 1) for n in range(100)), ("x", 0x1800, 4))
    elf = ElfFile(make_elf(functions=functions))
    assert [s.value for s in elf.symbols("x")] == [0x1800]
    assert [s.value for s in elf.symbols("name57x")] == [0x1039]


def test_names_that_are_not_utf_8():
    data = make_elf(functions=(("wrong", 0x1000, 8),)).replace(b"wrong\0", b"wr\xffng\0")
    elf = ElfFile(data)
    assert elf.function_names() == [r"wr\xffng"]
    assert elf.function_at(0x1000)[0].name == r"wr\xffng"


def test_the_file_can_be_closed_early(program):
    elf = ElfFile.open(program("pie"))
    assert elf.symbols("shown_function")
    elf.close()
    elf.close()
    assert elf.symbols("shown_function")  # was read before
    with pytest.raises(ElfError, match="is closed"):
        _ = elf.interpreter


def test_no_descriptor_is_leaked(program, tmp_path):
    import os

    def descriptors():
        return len(os.listdir("/proc/self/fd"))

    before = descriptors()
    for _ in range(20):
        ElfFile.open(program("pie")).function_at(0x1000)
        with pytest.raises(ElfError):
            ElfFile.open(__file__)
    assert descriptors() == before


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is empty"),
        (b"#!/bin/sh\n", "is not an ELF file: it is a script"),
        (b"MZ\x90", "is not an ELF file"),
        (b"\x7fELF", "is truncated: the header is not complete"),
        (b"\x7fELF" + bytes(60), "has an unknown word size or byte order (0, 0)"),
        (make_elf()[:63], "is truncated: the header is not complete"),
    ],
)
def test_what_is_not_an_object_file(tmp_path, content, reason):
    path = tmp_path / "file"
    path.write_bytes(content)
    with pytest.raises(ElfError) as error:
        ElfFile.open(str(path))
    assert str(error.value) == f"{path}: {reason}"
    assert (error.value.path, error.value.reason) == (str(path), reason)
    with pytest.raises(ElfError) as error:
        ElfFile(content)
    assert str(error.value) == f"<memory>: {reason}"


def test_what_cannot_be_opened(tmp_path):
    import os

    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    for path, reason in (
        (tmp_path / "missing", "cannot be opened: No such file or directory"),
        (tmp_path, "is not a regular file"),
        (fifo, "is not a regular file"),
        ("a\0b", "cannot be opened: the name has a NUL in it"),
    ):
        with pytest.raises(ElfError) as error:
            ElfFile.open(str(path))
        assert str(error.value) == f"{path}: {reason}"
