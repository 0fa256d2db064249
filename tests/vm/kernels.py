"""Debian's kernels: which there are, fetching one, and what it takes to boot it."""

from __future__ import annotations

import lzma
import re
import shutil
import struct
import subprocess
import zlib
from dataclasses import dataclass
from pathlib import Path

from tests.vm.archive import SUITES, Archive, ArchiveError, locked, unpack
from tests.vm.emulator import Programs
from tests.vm.machines import AMD64, Machine, split

# What the tests run on: the oldest that is cared for, the long-term ones, and the newest.
RELEASES = ("5.10", "6.1", "6.12", "6.18", "7")

# The generic images; signed ones only, without the cloud and real-time flavours.
_IMAGE = r"linux-image-((\d+)\.(\d+)[\w.+~]*(?:-\d+)?)-{}$"
# From 6.19 on an image is a package that names those with the files.
_PARTS = ("linux-binary-", "linux-modules-", "linux-base-")


@dataclass(frozen=True)
class Kernel:
    """A kernel in the cache."""

    release: str
    folder: Path
    machine: Machine = AMD64

    @property
    def image(self) -> Path:
        """The uncompressed kernel, as the machine's emulator takes it."""
        return self.folder / "vmlinux"

    @property
    def modules(self) -> Path:
        """The folder that belongs at /lib/modules/RELEASE."""
        return self.folder / "modules"


def fetch(version: str) -> Kernel:
    """The newest kernel whose version begins with ``version``, from the cache or the archive.

    Args:
        version: such as ``6.12``, with ``arm64:`` before it for that machine.

    Raises:
        ArchiveError: Debian has none, or it cannot be fetched.
    """
    try:
        machine, number = split(version)
    except ValueError as error:
        raise ArchiveError(str(error)) from None
    name = _name(version)
    with locked(name) as root:
        folder = root / name
        if not (folder / "release").exists():
            shutil.rmtree(folder, ignore_errors=True)
            _fetch(number, folder, machine)
        if not (folder / "modules" / "modules.dep.bin").exists():
            _index(folder, (folder / "release").read_text())
        return Kernel((folder / "release").read_text(), folder, machine)


def cached(version: str) -> bool:
    """Whether :func:`fetch` needs no network."""
    with locked(_name(version)) as root:
        return (root / _name(version) / "release").exists()


def _name(version: str) -> str:
    return f"kernel-{version.replace(':', '-')}"


def _fetch(version: str, folder: Path, machine: Machine) -> None:
    unpacked = folder / "unpacked"
    failures: list[str] = []
    for suite, image in _candidates(version, machine, failures):
        archive = Archive(suite, machine.debian)
        parts = [p for p in archive.depends(image) if p.startswith(_PARTS) and machine.debian in p]
        try:
            packages = archive.download([image, *parts], folder / "packages")
        except ArchiveError as error:
            failures.append(str(error))
            continue
        for package in packages:
            unpack(package, unpacked)
        break
    else:
        reasons = "".join(f"\n  {failure}" for failure in failures)
        raise ArchiveError(f"there is no kernel {version} in Debian's archive{reasons}")
    shutil.rmtree(folder / "packages")
    _arrange(folder, unpacked)
    shutil.rmtree(unpacked)


def _candidates(version: str, machine: Machine, failures: list[str]) -> list[tuple[str, str]]:
    """(suite, image package), the newest kernel first."""
    wanted = re.compile(rf"{re.escape(version)}(?!\d)")
    image = re.compile(_IMAGE.format(machine.debian))
    found: list[tuple[list[int], str, str]] = []
    for suite in SUITES:
        try:
            names = Archive(suite, machine.debian).names(f"linux-image-{version}")
        except ArchiveError as error:
            failures.append(str(error))
            continue
        for name in names:
            matched = image.match(name)
            if matched is None or not wanted.match(matched[1]):
                continue
            if re.search(r"rc\d", name):
                continue
            found.append(([int(n) for n in re.findall(r"\d+", matched[1])], suite, name))
    newest: dict[str, str] = {}
    for _numbers, suite, name in sorted(found, reverse=True):
        newest.setdefault(name, suite)
    return [(suite, name) for name, suite in newest.items()]


def _arrange(folder: Path, unpacked: Path) -> None:
    """Takes what is needed out of the unpacked packages."""
    trees = [p for p in unpacked.glob("**/lib/modules/*") if (p / "kernel").is_dir()]
    if not trees:
        raise ArchiveError(f"{unpacked}: no modules in the packages")
    modules = trees[0]
    release = modules.name
    images = [*unpacked.glob(f"boot/vmlinuz-{release}"), *unpacked.glob("**/vmlinuz")]
    if not images:
        raise ArchiveError(f"{unpacked}: no kernel image in the packages")
    programs = Programs()
    (folder / "vmlinux").write_bytes(uncompressed(images[0].read_bytes(), programs))
    shutil.move(modules, folder / "modules")
    (folder / "release").write_text(release)


def _index(folder: Path, release: str) -> None:
    """What modprobe looks modules up in."""
    # depmod looks for the folder by the release's name.
    tree = folder / "tree" / "lib" / "modules"
    tree.mkdir(parents=True)
    (tree / release).symlink_to(folder / "modules")
    subprocess.run(
        [*Programs().command("kmod", "depmod"), "-b", folder / "tree", release],
        check=True, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    shutil.rmtree(folder / "tree")


def uncompressed(image: bytes, programs: Programs) -> bytes:
    """The kernel inside an image.

    x86's bzImage has an ELF file in it (Documentation/arch/x86/boot.rst: payload_offset). arm64's
    is the kernel itself (Documentation/arch/arm64/booting.rst), compressed as a whole, or in an
    EFI program (drivers/firmware/efi/libstub/zboot-header.S).
    """
    if image[0x38:0x3C] == b"ARMd":
        return image
    if image[4:8] == b"zimg":
        start, length = struct.unpack_from("<II", image, 8)
    elif image.startswith(b"\x1f\x8b"):
        start, length = 0, len(image)
    else:
        sectors = image[0x1F1] or 4
        offset, length = struct.unpack_from("<II", image, 0x248)
        start = (sectors + 1) * 512 + offset
    payload = image[start : start + length]
    if payload.startswith(b"\xfd7zXZ"):
        # The size stands behind the compressed data.
        return lzma.LZMADecompressor().decompress(payload)
    if payload.startswith(b"\x1f\x8b"):
        return zlib.decompressobj(31).decompress(payload)
    if payload.startswith(b"\x28\xb5\x2f\xfd"):
        done = subprocess.run(
            [*programs.command("zstd"), "-dcq"],
            input=payload[:-4], capture_output=True, check=True,
        )  # fmt: skip
        return done.stdout
    raise ArchiveError("a kernel that is compressed in a way that is not known here")
