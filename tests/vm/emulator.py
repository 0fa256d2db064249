"""QEMU and the few programs that a guest needs, from Debian's archive, run from where they lie.

QEMU below 10 crashes guests whose kernel patches its code while several CPUs run it (a stale
translation of the breakpoint that the kernel put there), and most distributions have such a one;
so it is always the archive's.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from tests.vm.archive import Archive, locked, unpack

SUITE = "trixie"
# busybox is the guest's first program; zstd unpacks kernels.
PACKAGES = ("qemu-system-x86", "seabios", "busybox-static", "zstd")

_LIBRARIES = "usr/lib/x86_64-linux-gnu"


class Programs:
    """The unpacked programs."""

    def __init__(self) -> None:
        """
        Raises:
            ArchiveError: they are not in the cache and cannot be fetched.
        """
        with locked("programs") as root:
            self.root = root / "programs"
            if not (self.root / "ready").exists():
                shutil.rmtree(self.root, ignore_errors=True)
                archive = Archive(SUITE)
                for package in archive.download_with_dependencies(PACKAGES):
                    unpack(package, self.root)
                    package.unlink()
                (self.root / "ready").touch()

    @property
    def busybox(self) -> Path:
        """A program that needs nothing else."""
        found = [self.root / place for place in ("usr/bin/busybox", "bin/busybox")]
        return next(path for path in found if path.exists())

    def command(self, program: str) -> list[str]:
        """How a program is started with the libraries beside it."""
        loader = self.root / _LIBRARIES / "ld-linux-x86-64.so.2"
        libraries = f"{self.root / _LIBRARIES}:{self.root / 'lib/x86_64-linux-gnu'}"
        return [str(loader), "--library-path", libraries, str(self.root / "usr/bin" / program)]

    def qemu(self) -> tuple[list[str], dict[str, str]]:
        """How QEMU is started, and the environment it needs."""
        share = self.root / "usr/share"
        data = [part for name in ("qemu", "seabios") for part in ("-L", str(share / name))]
        environment = {**os.environ, "QEMU_MODULE_DIR": str(self.root / _LIBRARIES / "qemu")}
        return [*self.command("qemu-system-x86_64"), *data], environment


def accelerator() -> str:
    """``kvm`` where it runs any kernel, else ``tcg``.

    /dev/kvm alone tells nothing: a hypervisor's guest may have one that runs only kernels made for
    it.
    """
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return "tcg"
    real = any(os.path.isdir(f"/sys/module/{name}") for name in ("kvm_intel", "kvm_amd"))
    return "kvm" if real else "tcg"
