"""Debug information that is cut off or changed: an error with a reason, and never a hang."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prybee.dwarf import DebugInfo, DwarfError
from prybee.elf import ElfError, ElfFile
from tests.counting import calls

FLAGS = {
    "version 4": ("-gdwarf-4", "-O2"),
    "version 5": ("-gdwarf-5", "-O2"),
    "compressed": ("-g", "-gz"),
}


def ask_everything(data):
    """Everything that can be asked; the errors that came back."""
    errors = []
    try:
        elf = ElfFile(data, "damaged")
        inside = DebugInfo.inside(elf)
    except (ElfError, DwarfError) as error:
        return [error]
    if not inside:
        return []
    info = DebugInfo(elf, "damaged", cache="")

    def described(name):
        entry = info.function(elf.symbols(name)[0].value)
        if entry is not None:
            for parameter in info.types.parameters(entry.id):
                info.types.type_name(parameter.type)
                info.types.size(parameter.type)
                info.types.by_reference(parameter.type)

    def members():
        found = info.types.find("book", "struct")
        for member in info.types.flat_members(found) if found else ():
            info.types.type_name(member.type)
            if info.types.kind(info.types.strip(member.type)) == "enum":
                info.types.enumerators(member.type)

    def lines():
        for path, units in info.source_files("sample.c").items():
            list(info.line_addresses(units, path))

    def frames():
        start = elf.symbols("count_pages")[0].value
        for address in range(start, start + 32):
            info.frames(address)

    for question in (
        lambda: described("count_pages"), lambda: described("main"), members, lines, frames,
        lambda: info.inlined("twice"), info.source_names,
    ):  # fmt: skip
        try:
            question()
        except (ElfError, DwarfError) as error:
            errors.append(error)
        except IndexError:
            assert not elf.symbols("count_pages") or not elf.symbols("main")
    for error in errors:
        assert str(error).startswith("damaged: ")
    return errors


@pytest.fixture(scope="module", params=FLAGS)
def sample(request, build):
    with open(build(f"damage {request.param}", *FLAGS[request.param]), "rb") as file:
        return file.read()


def test_whole(sample):
    assert ask_everything(sample) == []


def debug_part(data):
    """Where the debug sections lie in the file."""
    sections = [s for s in ElfFile(data).sections if s.name.startswith(".debug_")]
    return min(s.offset for s in sections), max(s.offset + s.size for s in sections)


@pytest.mark.parametrize("seed", range(60))
def test_changed_bytes(sample, seed):
    chance = random.Random(seed)
    start, end = debug_part(sample)
    data = bytearray(sample)
    for _ in range(chance.choice((1, 3, 20))):
        data[chance.randrange(start, end)] = chance.choice((0, 0xFF, 0x80, chance.randrange(256)))
    assert calls(lambda: ask_everything(bytes(data))) < 3_000_000


@pytest.mark.parametrize("name", ["info", "abbrev", "line", "str", "rnglists", "aranges"])
def test_a_section_of_rubbish(sample, name):
    elf = ElfFile(sample)
    section = elf.section(f".debug_{name}")
    if section is None:
        pytest.skip("this version has no such section")
    for filler in (b"\0", b"\xff", b"\x80", b"\x01"):
        data = bytearray(sample)
        data[section.offset : section.offset + section.size] = filler * section.size
        errors: list[Exception] = []
        assert calls(lambda: errors.extend(ask_everything(bytes(data)))) < 3_000_000  # noqa: B023
        if name in ("info", "abbrev"):
            assert errors


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_cut_off(build, data):
    with open(build("damage version 5", *FLAGS["version 5"]), "rb") as file:
        whole = file.read()
    keep = data.draw(st.integers(0, len(whole)))
    ask_everything(whole[:keep])


def test_what_an_error_says(build):
    with open(build("damage version 5", *FLAGS["version 5"]), "rb") as file:
        data = bytearray(file.read())
    section = ElfFile(bytes(data)).section(".debug_info")
    data[section.offset + 4] = 77  # the version of the first unit
    elf = ElfFile(bytes(data), "app")
    with pytest.raises(DwarfError) as caught:
        DebugInfo(elf, "app", cache="").types.find("book", "struct")
    assert str(caught.value) == (
        "app: debug information is damaged: the unit at 0x0 is of version 77"
    )
