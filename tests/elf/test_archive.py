"""Object files inside zip archives."""

import struct
import zipfile

import pytest

from prybee.elf import ElfError, ElfFile


@pytest.fixture(scope="module")
def archive(program, tmp_path_factory):
    """An archive with the sample program stored and compressed, and something before it."""
    path = tmp_path_factory.mktemp("archive") / "app.apk"
    with open(program("pie"), "rb") as file:
        content = file.read()
    with zipfile.ZipFile(path, "w") as made:
        made.writestr("assets/readme", b"text" * 100)
        made.writestr("lib/stored.so", content, zipfile.ZIP_STORED)
        made.writestr("lib/packed.so", content, zipfile.ZIP_DEFLATED)
        made.comment = b"PK\5\6 is not the end of this archive"[4:]
    return str(path), content


def test_a_stored_member_is_read_where_it_lies(archive):
    path, content = archive
    with ElfFile.open(f"{path}!/lib/stored.so") as elf, ElfFile(content) as plain:
        assert (elf.container, elf.path) == (path, f"{path}!/lib/stored.so")
        with open(path, "rb") as file:
            file.seek(elf.start)
            assert file.read(len(content)) == content
        assert elf.function_names() == plain.function_names() != []
        (function,) = elf.symbols("shown_function")
        assert elf.file_offset(function.value) == plain.file_offset(function.value)
        assert elf.usdt_probes() == plain.usdt_probes() != ()


def test_other_files_are_their_own_container(program):
    with ElfFile.open(program("pie")) as elf:
        assert (elf.container, elf.start) == (program("pie"), 0)


@pytest.mark.parametrize(
    ("member", "reason"),
    [
        ("lib/packed.so", "cannot be used: its member 'lib/packed.so' is compressed"),
        ("lib/nosuch.so", "cannot be used: it has no member 'lib/nosuch.so'"),
        ("", "cannot be used: it has no member ''"),
        ("assets/readme", "is not an ELF file"),
    ],
)
def test_members_that_cannot_be_used(archive, member, reason):
    path, _content = archive
    with pytest.raises(ElfError) as caught:
        ElfFile.open(f"{path}!/{member}")
    assert caught.value.path == f"{path}!/{member}"
    assert caught.value.reason.startswith(reason)


def test_no_archive(program, tmp_path):
    with pytest.raises(ElfError, match="it is not a zip archive"):
        ElfFile.open(f"{program('pie')}!/x")
    with pytest.raises(ElfError, match="cannot be opened: No such file"):
        ElfFile.open(f"{tmp_path}/nosuch.zip!/x")


def test_a_damaged_directory(archive, tmp_path):
    """Every place of an end record that points outside of the file is found."""
    path, _content = archive
    with open(path, "rb") as file:
        data = bytearray(file.read())
    at = data.rindex(b"PK\5\6")
    broken = tmp_path / "broken.zip"
    for offset in (12, 16):
        changed = data.copy()
        struct.pack_into("<I", changed, at + offset, len(data))
        broken.write_bytes(changed)
        with pytest.raises(ElfError, match="its directory is damaged"):
            ElfFile.open(f"{broken}!/lib/stored.so")
    for end in (30, 100, len(data) // 2, at + 10):
        broken.write_bytes(data[:end])
        with pytest.raises(ElfError, match=r"not a zip archive|damaged"):
            ElfFile.open(f"{broken}!/lib/stored.so")


def test_a_file_whose_name_has_the_mark(program, tmp_path):
    odd = tmp_path / "a!"
    odd.mkdir()
    with open(program("pie"), "rb") as file:
        (odd / "b").write_bytes(file.read())
    with ElfFile.open(f"{odd}/b") as elf:
        assert elf.start == 0
        assert elf.container == f"{odd}/b"
