"""Files that are cut off or changed: an error with a reason, never a traceback, never a hang."""

import struct
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prybee.elf import ElfError, ElfFile
from tests.counting import calls
from tests.elf.writer import elf as make_elf
from tests.elf.writer import usdt_note


def sample(bits, order):
    note = usdt_note(order, bits, 0x310, 0x2000, 0x320, "app", "name", "8@%rax -4@$7")
    return make_elf(bits, order, notes=note, load=(0x300, 0x300, 0x300))


SAMPLES = [sample(bits, order) for bits in (32, 64) for order in "<>"]


def ask_everything(data):
    """Everything a file can be asked; the errors that came back."""
    errors = []
    try:
        elf = ElfFile(data, "damaged")
    except ElfError as error:
        return [error]
    for question in (
        lambda: elf.segments,
        lambda: elf.sections,
        lambda: elf.build_id,
        lambda: elf.debuglink,
        lambda: elf.interpreter,
        lambda: elf.file_offset(0x310),
        lambda: elf.virtual_address(0x310),
        lambda: elf.symbols("beta"),
        lambda: elf.symbols("memcpy@@GLIBC_2.14"),
        lambda: elf.function_names(),
        lambda: elf.match("*a*"),
        lambda: elf.function_at(0x1018),
        lambda: elf.usdt_probes(),
    ):
        try:
            question()
        except ElfError as error:
            errors.append(error)
    for error in errors:
        assert error.path == "damaged"
        assert error.reason
    return errors


@pytest.mark.parametrize("data", SAMPLES, ids=["32<", "32>", "64<", "64>"])
def test_whole_samples_are_fine(data):
    assert ask_everything(data) == []


@pytest.mark.parametrize("data", SAMPLES, ids=["32<", "32>", "64<", "64>"])
def test_cut_off_anywhere(data):
    for length in range(0, len(data) - 1, 7):
        ask_everything(data[:length])
    assert ask_everything(data[:100])


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(SAMPLES),
    st.lists(
        st.tuples(
            st.floats(0, 1, exclude_max=True),
            st.sampled_from((1, 2, 4, 8)),
            st.one_of(
                st.integers(0, 2**64 - 1),
                st.sampled_from((0, 1, 2**16 - 1, 2**31, 2**32 - 1, 2**63, 2**64 - 1)),
            ),
        ),
        min_size=1,
        max_size=6,
    ),
)
def test_changed_anywhere(data, changes):
    changed = bytearray(data)
    for place, width, value in changes:
        # The headers and tables, not the padding, are where damage matters.
        at = int(place * 0x300) & -width
        changed[at : at + width] = (value & (1 << 8 * width) - 1).to_bytes(width, "little")
    assert calls(lambda: ask_everything(bytes(changed))) < 200_000


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_real_library_changed_anywhere(program, data):
    original = Path(program("shared")).read_bytes()
    changed = bytearray(original)
    for _ in range(data.draw(st.integers(1, 5))):
        at = data.draw(st.integers(0, len(changed) - 4)) & ~3
        struct.pack_into("<I", changed, at, data.draw(st.integers(0, 2**32 - 1)))
    if data.draw(st.booleans()):
        struct.pack_into("<Q", changed, 0x28, 0)  # no sections: the way through the segments
        struct.pack_into("<HH", changed, 0x3C, 0, 0)
    ask_everything(bytes(changed))


def test_a_hash_chain_without_an_end():
    """A GNU hash table whose last chain runs on: found by its length, not by waiting."""
    from prybee.elf import constants as c

    tables = 0x400
    dynamic = b"".join(
        struct.pack("<QQ", tag, value)
        for tag, value in (
            (c.DT_SYMTAB, tables),
            (c.DT_STRTAB, tables),
            (c.DT_STRSZ, 16),
            (c.DT_GNU_HASH, tables),
            (c.DT_NULL, 0),
        )
    )
    size = 1 << 20
    head = b"\x7fELF\x02\x01\x01" + bytes(9)
    head += struct.pack("<HHIQQQIHHHHHH", 3, 62, 1, 0, 64, 0, 0, 64, 56, 2, 64, 0, 0)
    head += struct.pack("<IIQQQQQQ", 1, 5, 0, 0, 0, size, size, 4096)
    head += struct.pack("<IIQQQQQQ", 2, 4, 0x200, 0x200, 0, len(dynamic), len(dynamic), 8)
    data = bytearray(size)
    data[: len(head)] = head
    data[0x200 : 0x200 + len(dynamic)] = dynamic
    struct.pack_into("<IIII", data, tables, 1, 1, 0, 0)  # one bucket, first symbol 1, no bloom
    struct.pack_into("<I", data, tables + 16, 1)
    with pytest.raises(ElfError, match="a chain without an end"):
        ElfFile(data).function_names()


def test_a_file_that_shrinks_while_it_is_read(program, tmp_path):
    path = tmp_path / "rebuilt"
    path.write_bytes(Path(program("pie")).read_bytes())
    with ElfFile.open(str(path)) as elf:
        path.write_bytes(b"\x7fELF")
        with pytest.raises(ElfError, match="became shorter while"):
            elf.symbols("main")
