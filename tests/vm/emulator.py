"""QEMU and the few programs that a guest needs, from Debian's archive, run from where they lie.

QEMU below 10 crashes guests whose kernel patches its code while several CPUs run it (a stale
translation of the breakpoint that the kernel put there), and most distributions have such a one;
so it is always the archive's.
"""

from __future__ import annotations

import os
import shlex
from pathlib import Path

from tests.vm.archive import Archive, locked, unpack
from tests.vm.machines import AMD64, Machine

SUITE = "trixie"

_LIBRARIES = "usr/lib/x86_64-linux-gnu"


class Programs:
    """The unpacked programs that emulate a kind of machine, and run here."""

    def __init__(self, machine: Machine = AMD64) -> None:
        """
        Raises:
            ArchiveError: they are not in the cache and cannot be fetched.
        """
        self.machine = machine
        name = "programs" if machine is AMD64 else f"programs-{machine.debian}"
        with locked(name) as root:
            self.root = root / name
            # Others may be running what is there: what is added later goes beside it.
            ready, wanted = self.root / "ready", " ".join(machine.packages)
            if not ready.exists() or ready.read_text() != wanted:
                archive = Archive(SUITE)
                for package in archive.download_with_dependencies(machine.packages):
                    unpack(package, self.root)
                    package.unlink()
                ready.write_text(wanted)

    @property
    def busybox(self) -> Path:
        """A program that needs nothing else."""
        return busybox(self.root)

    def command(self, program: str, name: str = "") -> list[str]:
        """How a program is started with the libraries beside it, and by which name of its own."""
        loader = self.root / _LIBRARIES / "ld-linux-x86-64.so.2"
        libraries = f"{self.root / _LIBRARIES}:{self.root / 'lib/x86_64-linux-gnu'}"
        path = str(self.root / "usr/bin" / program)
        return [str(loader), "--library-path", libraries, "--argv0", name or path, path]

    def tools(self) -> dict[str, str]:
        """Scripts for guests that see this machine's files, which may lack these programs."""
        return {
            name: f'#!/bin/sh\nexec {shlex.join(self.command("kmod", name))} "$@"\n'
            for name in ("modprobe", "rmmod", "lsmod")
        }

    def qemu(self) -> tuple[list[str], dict[str, str]]:
        """How QEMU is started, and the environment it needs."""
        share = self.root / "usr/share"
        data = [part for name in ("qemu", "seabios") for part in ("-L", str(share / name))]
        environment = {**os.environ, "QEMU_MODULE_DIR": str(self.root / _LIBRARIES / "qemu")}
        return [*self.command(self.machine.emulator), *data], environment


def busybox(root: Path) -> Path:
    """The program of that name below a folder."""
    found = [root / place for place in ("usr/bin/busybox", "bin/busybox")]
    return next(path for path in found if path.exists())


def accelerator(machine: Machine = AMD64) -> str:
    """``kvm`` where it runs any kernel, else ``tcg``.

    /dev/kvm alone tells nothing: a hypervisor's guest may have one that runs only kernels made for
    it.
    """
    if machine.name != os.uname().machine or not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return "tcg"
    real = any(os.path.isdir(f"/sys/module/{name}") for name in ("kvm_intel", "kvm_amd"))
    return "kvm" if real else "tcg"
