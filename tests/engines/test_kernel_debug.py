"""Where the kernel's debug information is looked for, and which file counts."""

from __future__ import annotations

import subprocess
from pathlib import Path
from shutil import which

import pytest

from prybee.elf import ElfFile
from prybee.engines import kernel_debug

# An ELF note of type 3 and owner GNU, behind another one, as /sys/kernel/notes has them.
NOTES = (
    bytes.fromhex("06000000 04000000 01010000") + b"Linux\0\0\0" + b"\0\0\0\0"
    + bytes.fromhex("04000000 04000000 03000000") + b"GNU\0" + b"\xab\xcd\xef\x01"
)  # fmt: skip


def test_build_id(tmp_path: Path) -> None:
    path = tmp_path / "notes"
    path.write_bytes(NOTES)
    assert kernel_debug.build_id(str(path)) == b"\xab\xcd\xef\x01"
    assert kernel_debug.build_id(str(tmp_path / "none")) == b""


def test_places() -> None:
    found = kernel_debug.places("6.12", ["/debug"], b"\xab\xcd\xef")
    assert found[:2] == ["/debug/vmlinux-6.12", "/debug/vmlinux"]
    assert "/usr/lib/debug/.build-id/ab/cdef.debug" in found
    assert "/usr/lib/debug/boot/vmlinux-6.12" in found
    assert len(found) == len(set(found))


def test_which_file_counts(tmp_path: Path) -> None:
    if which("gcc") is None:
        pytest.skip("builds a file with debug information: needs gcc")

    def build(path: str, *options: str) -> bytes:
        source = tmp_path / "main.c"
        source.write_text("int main(void) { return 0; }")
        subprocess.run(["gcc", *options, "-o", tmp_path / path, source], check=True)
        with ElfFile.open(str(tmp_path / path)) as elf:
            return elf.build_id

    folder = str(tmp_path)
    (tmp_path / "vmlinux-6.12").write_text("no object file")
    assert kernel_debug.find("6.12", [folder]) == ""
    build("vmlinux-6.12", "-g0")
    assert kernel_debug.find("6.12", [folder]) == ""
    own = build("vmlinux", "-g", "-Wl,--build-id=0xabcd")
    assert kernel_debug.find("6.12", [folder], own) == f"{folder}/vmlinux"
    assert kernel_debug.find("6.12", [folder]) == f"{folder}/vmlinux"
    # That of another kernel.
    assert kernel_debug.find("6.12", [folder], b"\1\2") == ""
