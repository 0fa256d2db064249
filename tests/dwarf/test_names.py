"""The index of names, and its copy on disk."""

import os

import pytest

from prybee.dwarf import DebugInfo, cache
from prybee.elf import ElfFile


@pytest.fixture
def program(build):
    return build("named", "-g", "-O2", "-Wl,--build-id")


@pytest.fixture
def folder_of_cache(tmp_path):
    path = tmp_path / "cache"
    path.mkdir(mode=0o700)
    return path


def find(program, folder, name="book"):
    with ElfFile.open(program) as elf:
        info = DebugInfo(elf, program, cache=str(folder))
        return info.types.find(name, "struct")


def test_kept_by_build_id(program, folder_of_cache):
    first = find(program, folder_of_cache)
    (file,) = folder_of_cache.iterdir()
    with ElfFile.open(program) as elf:
        assert file.name == f"dwarf-{elf.build_id.hex()}.index"
    assert file.stat().st_mode & 0o777 == 0o600
    before = file.stat().st_mtime_ns
    assert find(program, folder_of_cache) == first > 0
    assert file.stat().st_mtime_ns == before


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data[:-1],
        lambda data: data[:20],
        lambda data: b"",
        lambda data: b"\0" * len(data),
        lambda data: data[:60] + bytes([data[60] ^ 1]) + data[61:],
    ],
)
def test_a_damaged_copy_is_made_again(program, folder_of_cache, damage):
    wanted = find(program, folder_of_cache)
    (file,) = folder_of_cache.iterdir()
    good = file.read_bytes()
    file.write_bytes(damage(good))
    assert find(program, folder_of_cache) == wanted
    assert file.read_bytes() == good


def test_a_copy_that_others_can_write_is_not_believed(program, folder_of_cache):
    wanted = find(program, folder_of_cache)
    (file,) = folder_of_cache.iterdir()
    file.chmod(0o666)
    with ElfFile.open(program) as elf:
        sizes = elf.section(".debug_info").size, elf.section(".debug_str").size
        assert cache.load(elf.build_id, sizes, str(folder_of_cache)) is None
    assert find(program, folder_of_cache) == wanted


def test_without_a_place(program, tmp_path):
    """Nothing is written where others could, or where there is no folder."""
    open_to_all = tmp_path / "open"
    open_to_all.mkdir()
    open_to_all.chmod(0o777)
    for folder in (open_to_all, tmp_path / "missing" / "deeper", ""):
        assert find(program, folder)
    assert os.listdir(open_to_all) == []


def test_without_build_id(build, folder_of_cache):
    program = build("nameless", "-g", "-Wl,--build-id=none")
    assert find(program, folder_of_cache)
    assert list(folder_of_cache.iterdir()) == []


def test_old_ones_go(program, folder_of_cache):
    for number in range(20):
        old = folder_of_cache / f"dwarf-{number:040x}.index"
        old.write_bytes(b"x")
        os.utime(old, (number, number))
    find(program, folder_of_cache)
    kept = {path.name for path in folder_of_cache.iterdir()}
    assert len(kept) == 16
    assert f"dwarf-{0:040x}.index" not in kept
    assert f"dwarf-{19:040x}.index" in kept
