"""The files of a guest that cannot run this machine's: Debian packages, unpacked into the cache."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

from tests.vm.archive import Archive, locked

if TYPE_CHECKING:
    from pathlib import Path

    from tests.vm.machines import Machine

# Folders that are one since Debian 12, though its packages still use both names.
_MERGED = ("bin", "sbin", "lib")


def fetch(machine: Machine) -> Path:
    """The folder with a machine's root, from the cache or the archive.

    Raises:
        ArchiveError: its packages cannot be had.
    """
    name = f"root-{machine.debian}"
    with locked(name) as cache:
        folder = cache / name
        made_of = " ".join(machine.root)
        done = folder.with_suffix(".packages")
        if not done.exists() or done.read_text() != made_of:
            shutil.rmtree(folder, ignore_errors=True)
            _make(machine, folder)
            done.write_text(made_of)
        return folder


def _make(machine: Machine, folder: Path) -> None:
    archive = Archive(machine.suite, machine.debian)
    packages = archive.download_with_dependencies(machine.root)
    for name in _MERGED:
        (folder / "usr" / name).mkdir(parents=True)
        (folder / name).symlink_to(f"usr/{name}")
    for package in packages:
        content = subprocess.run(
            ["dpkg-deb", "--fsys-tarfile", package], check=True, capture_output=True
        ).stdout
        subprocess.run(
            ["tar", "-x", "--keep-directory-symlink", "-C", folder], input=content, check=True
        )
        package.unlink()
    # What the packages' scripts would have done, as far as something here asks for it.
    for name in ("passwd", "group"):
        shutil.copy(folder / f"usr/share/base-passwd/{name}.master", folder / f"etc/{name}")
    (folder / "etc/hostname").write_text("guest\n")
    (folder / "etc/hosts").write_text("127.0.0.1 localhost guest\n")
    for name in ("proc", "sys", "dev", "run", "tmp", "root", "mnt"):
        (folder / name).mkdir(exist_ok=True)
    (folder / "tmp").chmod(0o1777)
    shell = folder / "usr/bin/sh"
    if not shell.is_symlink():
        shell.symlink_to("dash")
