"""Where the kernel's debug information is looked for, and which file counts."""

from __future__ import annotations

import subprocess
from pathlib import Path
from shutil import which

import pytest

from prybee.elf import ElfFile
from prybee.engines.kernel_debug import KernelDebug, build_id

# An ELF note of type 3 and owner GNU, behind another one, as /sys/kernel/notes has them.
NOTES = (
    bytes.fromhex("06000000 04000000 01010000") + b"Linux\0\0\0" + b"\0\0\0\0"
    + bytes.fromhex("04000000 04000000 03000000") + b"GNU\0" + b"\xab\xcd\xef\x01"
)  # fmt: skip


def test_build_id(tmp_path: Path) -> None:
    path = tmp_path / "notes"
    path.write_bytes(NOTES)
    assert build_id(str(path)) == b"\xab\xcd\xef\x01"
    assert build_id(str(tmp_path / "none")) == b""


def places(folder: Path, module: str = "") -> list[str]:
    """Where a kernel with these notes and modules is looked for."""
    (folder / "notes").write_bytes(NOTES)
    (folder / "modules.dep").write_text(
        "kernel/fs/ext4/ext4.ko.xz: kernel/fs/jbd2/jbd2.ko.xz\nkernel/net/snd-hda.ko:\n"
    )
    notes = str(folder / "notes")
    return KernelDebug("6.12", ["/debug"], notes, notes, str(folder / "modules.dep")).places(module)


def test_places_of_the_kernel(tmp_path: Path) -> None:
    found = places(tmp_path)
    assert found[:2] == ["/debug/vmlinux-6.12", "/debug/vmlinux"]
    assert "/usr/lib/debug/.build-id/ab/cdef01.debug" in found
    assert "/usr/lib/debug/boot/vmlinux-6.12" in found
    assert len(found) == len(set(found))


def test_places_of_modules(tmp_path: Path) -> None:
    assert places(tmp_path, "snd_hda") == [
        "/debug/snd_hda.ko.debug",
        "/debug/snd_hda.ko",
        "/usr/lib/debug/.build-id/ab/cdef01.debug",
        "/debug/lib/modules/6.12/kernel/net/snd-hda.ko",
        "/debug/lib/modules/6.12/kernel/net/snd-hda.ko.debug",
        "/usr/lib/debug/lib/modules/6.12/kernel/net/snd-hda.ko",
        "/usr/lib/debug/lib/modules/6.12/kernel/net/snd-hda.ko.debug",
        "/usr/lib/debug/usr/lib/modules/6.12/kernel/net/snd-hda.ko",
        "/usr/lib/debug/usr/lib/modules/6.12/kernel/net/snd-hda.ko.debug",
        "/lib/modules/6.12/kernel/net/snd-hda.ko",
        "/lib/modules/6.12/kernel/net/snd-hda.ko.debug",
    ]
    assert "/usr/lib/debug/lib/modules/6.12/kernel/fs/ext4/ext4.ko" in places(tmp_path, "ext4")
    assert len(places(tmp_path, "nosuch")) == 3


def test_which_file_counts(tmp_path: Path) -> None:
    if which("gcc") is None:
        pytest.skip("builds a file with debug information: needs gcc")

    def build(path: str, *options: str) -> None:
        source = tmp_path / "main.c"
        source.write_text("int main(void) { return 0; }")
        subprocess.run(["gcc", *options, "-o", tmp_path / path, source], check=True)

    folder, notes = str(tmp_path), tmp_path / "notes"
    kernel = KernelDebug("6.12", [folder], str(notes))
    (tmp_path / "vmlinux-6.12").write_text("no object file")
    assert kernel.find() == ""
    build("vmlinux-6.12", "-g0")
    assert kernel.find() == ""
    build("vmlinux", "-g", "-Wl,--build-id=0xabcdef01")
    assert kernel.find() == f"{folder}/vmlinux"
    notes.write_bytes(NOTES)
    assert kernel.find() == f"{folder}/vmlinux"
    with ElfFile.open(f"{folder}/vmlinux") as elf:
        assert elf.build_id == kernel.own_id()
    # That of another kernel.
    notes.write_bytes(NOTES[:-1] + b"\x02")
    assert kernel.find() == ""
