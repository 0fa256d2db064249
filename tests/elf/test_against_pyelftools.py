"""What the reader says of real files, against an independent reader."""

import functools
import glob
import sys

import pytest

from prybee.elf import ElfError, ElfFile

elffile = pytest.importorskip("elftools.elf.elffile")
sections = pytest.importorskip("elftools.elf.sections")

LIBC = glob.glob("/lib/*-linux-gnu/libc.so.6") or glob.glob("/lib64/libc.so.6")
KINDS = {
    "STT_FUNC": "func",
    "STT_OBJECT": "object",
    "STT_TLS": "tls",
    "STT_NOTYPE": "notype",
    "STT_GNU_IFUNC": "ifunc",
    "STT_LOOS": "ifunc",  # pyelftools' name for 10 without an OS ABI
    "STT_COMMON": "object",
}


@functools.cache
def reference_symbols(path):
    """(table, name, value, size, kind) of all defined symbols, as pyelftools reads them."""
    rows = []
    with open(path, "rb") as file:
        for section in elffile.ELFFile(file).iter_sections():
            if isinstance(section, sections.SymbolTableSection):
                for symbol in section.iter_symbols():
                    if symbol["st_shndx"] != "SHN_UNDEF" and symbol.name:
                        kind = KINDS.get(symbol["st_info"]["type"], "other")
                        name = symbol.name.partition("@")[0]
                        rows.append(
                            (section.name, name, symbol["st_value"], symbol["st_size"], kind)
                        )
    return rows


@pytest.fixture(params=["libc", "python", "pie", "fixed", "static", "static-pie", "shared"])
def path(request, program):
    if request.param == "libc":
        if not LIBC:
            pytest.skip("no libc where it is looked for")
        return LIBC[0]
    if request.param == "python":
        return sys.executable
    return program(request.param)


def test_every_symbol_is_found_by_its_name(path):
    reference = reference_symbols(path)
    by_name = {}
    for _, name, value, size, kind in reference:
        by_name.setdefault(name, set()).add((value, size, kind))
    with ElfFile.open(path) as elf:
        # All of a small file, a spread of a large one.
        step = max(1, len(by_name) // 400)
        for name in sorted(by_name)[::step]:
            found = {(s.value, s.size, s.kind) for s in elf.symbols(name)}
            # Entries with the same value and kind but other sizes are shown once.
            wanted = {(value, kind) for value, _, kind in by_name[name]}
            assert {(value, kind) for value, _, kind in found} == wanted, name
            assert found <= by_name[name]


def test_function_names_and_matches(path):
    reference = {
        (name, value)
        for _, name, value, _, kind in reference_symbols(path)
        if kind in ("func", "ifunc")
    }
    with ElfFile.open(path) as elf:
        assert elf.function_names() == sorted({name for name, _ in reference})
        matched = elf.match("*")
        assert {(s.name, s.value) for s in matched} <= reference
        assert {s.name for s in matched} == {name for name, _ in reference}
        assert all(s.is_function for s in matched)


def test_segments_sections_and_addresses(path):
    with open(path, "rb") as file, ElfFile.open(path) as elf:
        reference = elffile.ELFFile(file)
        assert len(elf.segments) == reference.num_segments()
        for ours, theirs in zip(elf.segments, reference.iter_segments(), strict=True):
            assert (ours.offset, ours.address, ours.file_size, ours.memory_size, ours.flags) == (
                theirs["p_offset"],
                theirs["p_vaddr"],
                theirs["p_filesz"],
                theirs["p_memsz"],
                theirs["p_flags"],
            )
        assert [s.name for s in elf.sections] == [s.name for s in reference.iter_sections()]
        for address in (s.address for s in elf.sections if s.address and s.type != 8):
            offset = elf.file_offset(address)
            assert offset in list(reference.address_offsets(address))
            assert elf.virtual_address(offset) == address
        assert elf.file_offset(0xDEAD00000000) is None
        assert elf.virtual_address(1 << 60) is None


def test_identity(path):
    with open(path, "rb") as file, ElfFile.open(path) as elf:
        reference = elffile.ELFFile(file)
        section = reference.get_section_by_name(".note.gnu.build-id")
        wanted = ""
        if section is not None:
            wanted = next(section.iter_notes())["n_desc"]
        assert elf.build_id.hex() == wanted
        link = reference.get_section_by_name(".gnu_debuglink")
        assert (elf.debuglink is None) == (link is None)
        interpreter = [s for s in reference.iter_segments() if s["p_type"] == "PT_INTERP"]
        wanted = interpreter[0].get_interp_name() if interpreter else ""
        assert elf.interpreter == wanted
        assert elf.machine == {"x64": "x86_64", "AArch64": "aarch64"}.get(
            reference.get_machine_arch(), elf.machine
        )


def test_function_at_every_address(path):
    rows = reference_symbols(path)
    first = ".symtab" if any(row[0] == ".symtab" for row in rows) else ".dynsym"
    functions = sorted(
        {
            (value, size, name)
            for table, name, value, size, kind in rows
            if kind in ("func", "ifunc") and size and table == first
        }
    )
    step = max(1, len(functions) // 100)
    with ElfFile.open(path) as elf:
        for value, size, _ in functions[::step]:
            for address in {value, value + size // 2, value + size - 1}:
                symbol, offset = elf.function_at(address)
                covering = {
                    (n, v) for v, s, n in functions if v <= address < v + s or v == symbol.value
                }
                assert (symbol.name, symbol.value) in covering
                assert symbol.value + offset == address
        assert elf.function_at(0) is None
        assert elf.function_at(-1) is None
        assert elf.function_at(1 << 64) is None


def test_usdt_notes_of_python():
    """CPython built with DTrace support has probes; here the notes are compared, if there are."""
    for path in ("/usr/bin/python3", "/usr/bin/python3.11", sys.executable):
        try:
            elf = ElfFile.open(path)
        except ElfError:
            continue
        with elf, open(path, "rb") as file:
            section = elffile.ELFFile(file).get_section_by_name(".note.stapsdt")
            if section is None:
                assert elf.usdt_probes() == ()
                continue
            notes = list(section.iter_notes())
            probes = elf.usdt_probes()
            assert len(notes) == len(probes) > 0
            for probe in probes:
                assert probe.provider == "python"
                assert probe.problem == ""
                assert probe.arguments is not None
                assert elf.file_offset(probe.address) == probe.offset
                assert elf.read(probe.offset, 1) == b"\x90"  # the probe is a nop
            return
    pytest.skip("no Python with USDT probes here")
